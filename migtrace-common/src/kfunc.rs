//! The kernel function that the programs call (a kfunc).
//!
//! aya 0.14 cannot call kfuncs. The programs call a helper with a number that no kernel has. Before the collector loads
//! the object, it replaces these calls by calls of the function. If the kernel lacks the function, the setting
//! [`crate::config::Config::word_type`] is 0: the programs branch around the calls, and the verifier removes dead code.

/// `bpf_rdonly_cast(address, type)`, since Linux 6.2: allows plain loads from the address, which give 0 if it is not
/// mapped.
pub const RDONLY_CAST: &str = "bpf_rdonly_cast";
/// The number of the helper that the collector replaces.
pub const STAND_IN: i32 = 0x6d67_0001;
