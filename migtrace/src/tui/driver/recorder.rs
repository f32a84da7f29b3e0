//! What records, on a key, all that happens beside the screen.

use crate::tui::state::app;

/// Records beside the screen, from one key to the next.
pub trait Recorder {
    /// Begins; gives the file's name.
    ///
    /// # Errors
    /// Why not, for people.
    fn start(&mut self) -> Result<String, String>;
    /// A few times a second; says what there is to say, as that a recording is closed.
    ///
    /// # Errors
    /// As [`Recorder::start`]; the recording has ended then.
    fn tick(&mut self) -> Result<Option<String>, String>;
    /// Ends the recording; it is closed meanwhile.
    fn stop(&mut self);
    /// Waits until all is closed; gives what was written, for people. Nothing where nothing was being recorded.
    ///
    /// # Errors
    /// As [`Recorder::tick`].
    fn finish(&mut self) -> Result<Option<String>, String>;
    /// How it goes.
    fn state(&self) -> Option<app::Recording>;
}
