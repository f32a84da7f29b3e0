//! memtoy: a workload driver with the command language of Lee Schermerhorn's tool of that name (docs/memtoy.md).
//!
//! It maps memory, touches it page by page, sets policies and asks where pages are, and tells a recording what it does
//! now. [`parse`] makes a checked [`Script`] of text, a [`Session`] runs it. It knows nothing of traces.

mod advice;
mod command;
mod cpus;
pub(crate) mod errno;
mod mapping;
mod numa;
mod parse;
mod policy;
mod quiet;
mod residence;
mod run;
mod segments;
mod size;

pub use command::Command;
pub use parse::{InputError, Script, Step, parse, parse_line};
pub use quiet::settle;
pub use run::{Failure, Flow, Session};
pub use size::page_size;
