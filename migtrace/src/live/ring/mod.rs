//! From the rings to events: drained on a thread of its own by a timer, decoded, put in order of time, and accounted for.

pub mod reader;
pub mod reorder;
