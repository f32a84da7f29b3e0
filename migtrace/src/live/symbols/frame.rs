//! Names as frames of a folded stack.

use crate::event::escape_control;

/// Functions at an address, outermost first; `None` if nothing names them.
pub(super) type Names = Option<Vec<String>>;

/// A frame without a name.
pub(super) fn nameless(address: u64) -> String {
    format!("{address:#x}")
}

/// A separator in a name would split the frame.
pub(super) fn in_frame(name: &str) -> String {
    escape_control(name).replace(';', ":")
}
