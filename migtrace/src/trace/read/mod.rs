//! Reading a trace, finished or not.

pub(crate) mod rows;
pub(crate) mod trace;
