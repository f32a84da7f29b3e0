//! The Linux capabilities that this process keeps once its programs are attached. From then on it reads other users'
//! process names and mappings, and serves untrusted clients.
//!
//! Capabilities belong to threads: each thread drops its own, and passes the rest to threads that it starts. A program
//! executed as root gets all of them again, so a traced command runs as without migtrace.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// To read counts and rings (BPF, required for that before 5.19), kernel symbols (SYSLOG), other users' mappings and
/// programs (SYS_PTRACE, DAC_READ_SEARCH), and a cgroup's path by its id (DAC_READ_SEARCH).
pub const READING: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::SYSLOG)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::DAC_READ_SEARCH);

/// To also open files mapped by other users' processes, for function names.
pub const NAMING: CapabilitySet = READING.union(CapabilitySet::CHECKPOINT_RESTORE);

/// To also write a trace, into the directory of the user who called sudo, and to give it to that user.
pub const WRITING: CapabilitySet = READING.union(CapabilitySet::DAC_OVERRIDE).union(CapabilitySet::CHOWN);

/// To also start a recorder, which attaches programs of its own: without root it has only the capabilities passed on.
pub const RECORDING: CapabilitySet = WRITING.union(CapabilitySet::PERFMON);

/// Needed to switch the measuring of programs: kept permitted, and effective only for that call.
const MEASURING: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// Drops all capabilities of this thread except these.
pub fn keep(kept: CapabilitySet) {
    let changed = capabilities(None).and_then(|sets| set_capabilities(None, only(sets, kept)));
    if let Err(error) = changed {
        log::warn!("this process keeps all its capabilities: {error}");
    }
}

fn only(sets: CapabilitySets, kept: CapabilitySet) -> CapabilitySets {
    // If SYS_ADMIN substitutes for BPF, it must stay effective.
    let stands_in = kept.contains(CapabilitySet::BPF) && !sets.permitted.contains(CapabilitySet::BPF);
    let effective = if stands_in { kept | MEASURING } else { kept };
    let permitted = if kept.is_empty() { kept } else { kept | MEASURING };
    CapabilitySets {
        effective: sets.effective & effective,
        permitted: sets.permitted & permitted,
        inheritable: sets.inheritable & permitted,
    }
}

/// Runs `act` with SYS_ADMIN effective, if this thread has it.
pub fn measuring<T>(act: impl FnOnce() -> T) -> T {
    let Ok(sets) = capabilities(None) else { return act() };
    let raised = CapabilitySets { effective: sets.effective | (sets.permitted & MEASURING), ..sets };
    // If it cannot be raised, the call in `act` fails with its own error.
    let _ = set_capabilities(None, raised);
    let done = act();
    if let Err(error) = set_capabilities(None, sets) {
        log::warn!("cannot give up SYS_ADMIN again: {error}");
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: CapabilitySet = CapabilitySet::empty();

    fn sets(held: CapabilitySet) -> CapabilitySets {
        CapabilitySets { effective: held, permitted: held, inheritable: NONE }
    }

    #[test]
    fn a_thread_keeps_what_it_needs_and_measuring_out_of_effect() {
        let left = only(sets(CapabilitySet::all()), WRITING);
        assert_eq!(left.effective, WRITING);
        assert_eq!(left.permitted, WRITING | CapabilitySet::SYS_ADMIN);
    }

    #[test]
    fn nothing_is_gained() {
        let held = CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::SYSLOG;
        let left = only(sets(held), READING);
        assert_eq!((left.effective, left.permitted), (left.permitted, CapabilitySet::BPF | CapabilitySet::SYSLOG));
        assert_eq!(only(sets(NONE), RECORDING), sets(NONE));
    }

    #[test]
    fn one_that_needs_nothing_keeps_nothing() {
        assert_eq!(only(sets(CapabilitySet::all()), NONE), sets(NONE));
    }

    /// Before CAP_BPF there was only SYS_ADMIN.
    #[test]
    fn sys_admin_stays_where_it_stands_for_bpf() {
        let left = only(sets(CapabilitySet::SYS_ADMIN | CapabilitySet::SYSLOG), READING);
        assert_eq!(left.effective, CapabilitySet::SYS_ADMIN | CapabilitySet::SYSLOG);
    }
}
