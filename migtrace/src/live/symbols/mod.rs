//! Function names for stacks: which file was mapped where, and its symbols.

mod mapping_history;
pub mod mappings;
pub mod object_file;
pub mod stacks;
