//! What a key asks the driver to do.

/// A task for the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Quit,
    Suspend,
    Redraw,
    /// Read on which nodes the pages of this process are.
    ReadNumaMaps(u32),
    StartRecording,
    StopRecording,
    SaveScreen,
    ExportCsv,
    /// Read the recording again from its start, up to the position that it had.
    ReadAgain,
    TogglePlay,
    /// Multiply the speed.
    ChangeSpeed(f64),
    /// Play from this time, ns.
    Seek(u64),
}
