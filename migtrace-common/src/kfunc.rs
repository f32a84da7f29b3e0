//! The kernel function that the programs call (a kfunc).
//!
//! aya 0.14 has no such calls. The programs call a helper in its stead, of a number that no kernel has, and the collector turns
//! these calls into those of the function before it loads the object. A kernel that lacks the function never gets to see them:
//! a setting ([`crate::config::Config::word_type`]) leads around, and its verifier takes out what is not reached.

/// `bpf_rdonly_cast(address, type)`: memory that may be read by plain loads, each 0 where there is nothing (since Linux 6.2).
pub const RDONLY_CAST: &str = "bpf_rdonly_cast";
/// The number of the helper that stands for it.
pub const STAND_IN: i32 = 0x6d67_0001;
