//! The books of pages: a census, and every change that events show after it, must be the next census.
//!
//! `places.rs` keeps one process, `compare.rs` compares it with a census, `difference.rs` says which differences count,
//! `books.rs` gives each event to its process, `report.rs` counts what no event explains.

mod books;
mod compare;
mod difference;
mod places;
mod report;
#[cfg(test)]
mod tests;

pub use self::{
    books::{Books, Limits, Windows},
    difference::Difference,
    places::{Change, Places},
    report::{Owner, Place, Report},
};
