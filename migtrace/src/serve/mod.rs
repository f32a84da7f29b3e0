//! What answers over HTTP: `migtrace serve`, which keeps the counts and exports them, and a flight recording, whose last events
//! are sent as a trace ([`dump`]).
//!
//! Counts are read from the kernel on request, at most once a second. They are read at least every ten seconds, so that
//! exited processes make room for others. Another thread encodes and sends them, so a slow scraper does not
//! delay the reader.

mod accept;
mod cost;
pub mod dump;
pub mod http;
pub mod scrape;
mod serving;
mod web;

pub use self::{
    serving::{Serving, scope},
    web::{Web, WebError},
};
