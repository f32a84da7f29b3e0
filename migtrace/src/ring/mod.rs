//! From the rings to events: drained on a thread of its own by a timer, decoded, put in order of time, and accounted for.

pub mod clock;
pub mod decode;
pub mod identity;
pub mod loss;
pub mod mapped_file;
pub mod mappings;
pub mod policy;
pub mod reader;
pub mod reorder;
pub mod stacks;
