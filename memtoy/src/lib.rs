//! memtoy: a workload driver with the command language of Lee Schermerhorn's tool of that name (docs/memtoy.md).
//!
//! It maps memory, touches it page by page, sets policies and shows the node of each page. It announces each command to
//! a recording. [`parse`] checks a script's text and returns a [`Script`]; a [`Session`] runs its steps. This crate
//! does not depend on migtrace.

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
