//! Maps that hold a bounded number of entries, and count what they evict.

pub mod lru;
pub(crate) mod two_generations;
