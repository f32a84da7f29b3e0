//! Parquet files: column chunks, footers, checksums.

pub(crate) mod catch_panic;
pub(crate) mod checksum;
pub(crate) mod chunk;
pub(crate) mod container;
mod source;
