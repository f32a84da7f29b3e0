//! Records beside the screen, on a key.

use crate::tui::state::session::Recording;

/// Records beside the screen, from one key to the next.
pub trait Recorder {
    /// Starts a recording. Returns the file's name.
    ///
    /// # Errors
    /// Why it cannot start, as a message for the user.
    fn start(&mut self) -> Result<String, String>;
    /// Called a few times a second. Returns a message if there is one, such as that a recording is closed.
    ///
    /// # Errors
    /// As [`Recorder::start`]; the recording has then ended.
    fn tick(&mut self) -> Result<Option<String>, String>;
    /// Ends the recording, without waiting until its file is closed.
    fn stop(&mut self);
    /// Waits until all files are closed. Returns a message about what was written, if anything was recorded.
    ///
    /// # Errors
    /// As [`Recorder::tick`].
    fn finish(&mut self) -> Result<Option<String>, String>;
    /// The recording that is being written.
    fn state(&self) -> Option<Recording>;
}
