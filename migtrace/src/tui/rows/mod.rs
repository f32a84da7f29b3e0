//! Rows of the views, made of the state: their values and text, order, search and CSV. Nothing here draws.

pub(crate) mod comparison;
pub(crate) mod findings;
pub(crate) mod json;
pub(crate) mod latency;
pub(crate) mod lazy;
pub(crate) mod log;
pub(crate) mod nodes;
pub(crate) mod of_view;
pub(crate) mod overview;
pub(crate) mod pages;
pub(crate) mod probes;
pub(crate) mod processes;
pub(crate) mod rates;
pub(crate) mod regions;
pub(crate) mod shares;
pub(crate) mod table;
pub(crate) mod threads;
pub(crate) mod waits;
