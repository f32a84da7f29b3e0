//! `migtrace serve`: keeps the counts and exports them over HTTP.
//!
//! Counts are read from the kernel on request, at most once a second, and at least every ten seconds, so that exited
//! processes make room for others. Writing them as text and sending it is the work of another thread
//! ([`http`]): a slow scraper costs the reader nothing.

mod cost;
pub mod http;
mod serving;

pub use self::serving::{Serving, scope};
