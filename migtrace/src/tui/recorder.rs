//! What writes events down while the screen shows them.

use super::app;
use crate::{event::Event, trace::meta::Meta};

/// Writes events down while the screen shows them.
pub trait Recorder {
    /// Begins; gives the file's name.
    ///
    /// # Errors
    /// Why not, for people.
    fn start(&mut self, meta: &Meta) -> Result<String, String>;
    /// Takes events, where it records.
    ///
    /// # Errors
    /// As [`Recorder::start`]; the recording has ended then.
    fn write(&mut self, events: &[Event]) -> Result<(), String>;
    /// A few times a second; says what there is to say, as that a recording is closed.
    ///
    /// # Errors
    /// As [`Recorder::write`].
    fn tick(&mut self) -> Result<Option<String>, String>;
    /// Ends the recording; it is closed meanwhile.
    fn stop(&mut self);
    /// Waits until all is closed; gives what was written, for people. Nothing where nothing was being recorded.
    ///
    /// # Errors
    /// As [`Recorder::write`].
    fn finish(&mut self) -> Result<Option<String>, String>;
    /// How it goes.
    fn state(&self) -> Option<app::Recording>;
}
