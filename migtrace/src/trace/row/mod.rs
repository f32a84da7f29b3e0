//! Events as rows, and rows as events.

pub(crate) mod from_event;
pub(crate) mod to_event;
pub(crate) mod value;
