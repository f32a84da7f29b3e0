//! `migtrace serve` at work: keeps the counts and gives them to whoever asks over HTTP.
//!
//! Counts are read from the kernel when somebody asks, at most once a second, and every ten seconds in any case, so that
//! processes that have ended make room for others. Writing them as text and sending it is the work of another thread
//! ([`http`]): a slow scraper costs the reader nothing.

mod cost;
pub mod http;
mod serving;

pub use self::serving::{Serving, scope};
