//! What to know before relying on a number.

use super::{count, escape_control};

/// Runs that the kernel left out: what they would have seen is in no count.
#[must_use]
pub fn missed(n: u64) -> String {
    format!("{} left out by the kernel, as the program ran on that CPU already", count(n, "program start"))
}

/// What to bear in mind of a machine that is another's guest, by its hypervisor's name.
#[must_use]
pub fn machine(hypervisor: &str) -> String {
    let name = escape_control(hypervisor);
    match hypervisor {
        "tcg" => format!("emulated machine ({name}): times rank, they do not measure"),
        _ => format!("virtual machine ({name}): times include what its host does"),
    }
}
