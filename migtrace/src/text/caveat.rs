//! What to know before relying on a number.

use super::{count, escape_control};

/// Program runs that the kernel skipped. What they would have seen is in no count.
#[must_use]
pub fn missed(n: u64) -> String {
    format!("{} missed: the program was already running on that CPU", count(n, "program run"))
}

/// A virtual or emulated machine, and what that means for timings. `hypervisor`: `tcg`, `kvm`, ...
#[must_use]
pub fn machine(hypervisor: &str) -> String {
    let name = escape_control(hypervisor);
    match hypervisor {
        "tcg" => format!("emulated CPU ({name}): timings are relative only"),
        _ => format!("virtual machine ({name}): timings include activity of its host"),
    }
}

/// [`machine`] with its article, within a sentence.
#[must_use]
pub fn a_machine(hypervisor: &str) -> String {
    let machine = machine(hypervisor);
    let article = if machine.starts_with('e') { "an" } else { "a" };
    format!("{article} {machine}")
}
