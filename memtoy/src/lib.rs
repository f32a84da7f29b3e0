//! memtoy: a workload driver with the command language of Lee Schermerhorn's tool of that name (docs/memtoy.md).
//!
//! It maps memory, touches it page by page, sets policies and asks where pages are, and tells a recording what it does
//! now. [`parse`] makes a checked [`Script`] of text, a [`Session`] runs it. It knows nothing of traces.

mod advice;
mod command;
mod count;
mod cpus;
mod errno;
mod mapping;
mod numa;
mod page_nodes;
mod parse;
mod policy;
mod prefault;
mod run;
mod segments;
mod size;

pub use command::Command;
pub use parse::{InputError, Script, Step, parse, parse_line};
pub use prefault::prefault;
pub use run::{Failure, Flow, Session};
