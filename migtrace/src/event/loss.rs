//! Losses.

/// Events lost since the last loss event of the same probe and cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    pub probe: String,
    pub cause: String,
    pub count: u64,
}
