//! Mappings.

use super::{policy::Policy, words::words};

/// A mapping as it was when first seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    pub addr: u64,
    /// Bytes.
    pub len: u64,
    pub class: RegionClass,
    /// Name of the mapped file, without its directory; empty for none.
    pub name: String,
    pub policy: Option<Policy>,
}

words! {
    /// What is mapped.
    RegionClass { Anon, File, Shmem, Hugetlb, Stack, Heap, Other }
}
