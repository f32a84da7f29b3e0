//! What the programs do, by subject. [`args`] reads what they need, [`folio`], [`owner`] and [`page_table`] interpret
//! it; each of the others makes the records of one thing that happens.

pub mod args;
pub mod batch;
mod check;
pub mod collapse;
pub mod exception;
pub mod fault;
mod folio;
pub mod folio_migrate;
pub mod hinting_check;
pub mod lazy_check;
pub mod lazy_mark;
pub mod lazy_migrate;
mod mapping;
mod owner;
mod page_table;
pub mod phase;
pub mod place;
pub mod request;
pub mod task;
