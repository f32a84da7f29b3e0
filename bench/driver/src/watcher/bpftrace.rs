//! bpftrace's count(), which records nothing.

use anyhow::{Context, Result};
use xtask_common::command;

use super::{Kept, Run};
use crate::{lab::Lab, workload::Workload};

const SCRIPT: &str = "tracepoint:exceptions:page_fault_user /pid == cpid/ { @ = count(); }";

pub(super) fn run(lab: &Lab, workload: &Workload) -> Result<Run> {
    let argv: Vec<_> = workload.argv(lab).iter().map(|word| command::quoted(word)).collect();
    let mut bpftrace = lab.watching(["bpftrace", "-e", SCRIPT, "-c"]);
    bpftrace.arg(argv.join(" "));
    let used = lab.run(bpftrace, "bpftrace")?;
    let events = count(&used.stdout).with_context(|| format!("bpftrace printed no count: {}", used.stdout))?;
    // There is no ring to overflow: an event is lost only if the kernel skips the program.
    let kept = Kept { events, lost: workload.faults().saturating_sub(events), bytes: None };
    Ok(Run::new(&used, workload.touched(lab)?, Some(kept)))
}

/// Parses the line `@: 49`.
fn count(output: &str) -> Option<u64> {
    output.lines().find_map(|line| line.strip_prefix("@: ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found() {
        assert_eq!(count("Attaching 1 probe...\n\n\n@: 49\n"), Some(49));
        assert_eq!(count("Attaching 1 probe...\n"), None);
    }
}
