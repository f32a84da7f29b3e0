//! Reads where the pages of a process are, and touches none: mappings, page tables, and nodes of frames.
//!
//! This folder owns what is read, and from which file or system call. What is counted and shown is in the files above.

mod frames;
mod mappings;
mod move_pages;
mod pagemap;
mod pages;
mod process;
mod threads;
mod zero;

pub use process::{ReadError, Reader};
