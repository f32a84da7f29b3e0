//! How a session with a guest ends, on its own or by a time limit.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

/// Time limits of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From power-on to the job's start.
    pub(super) boot: Duration,
    /// Between two messages from the guest, which sends a heartbeat every second.
    pub(super) silence: Duration,
    /// For the whole job.
    pub(super) job: Option<Duration>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The job ended with this status.
    Exited(u8),
    /// The guest could not start the job.
    Failed(String),
    /// The machine stopped before it reported the job's end.
    Died,
    /// The machine did not start the job in time.
    NeverUp,
    /// The machine sent nothing for too long.
    Silent,
    /// The job exceeded its time limit.
    TimedOut,
    /// This process received a signal to end twice, or once before the job started.
    Interrupted(Signal),
}

/// A session that is over.
#[derive(Debug)]
pub(super) struct Finish {
    pub(super) end: End,
    /// Whether the job was started.
    pub(super) came_up: bool,
}

impl Limits {
    /// Returns the end if a time limit is exceeded.
    ///
    /// `up`: whether the job was started. `began`: when the job started, or the machine if `up` is false. `heard`: when
    /// the guest last sent something.
    pub(super) fn overdue(&self, up: bool, began: Instant, heard: Instant) -> Option<End> {
        if !up {
            (began.elapsed() > self.boot).then_some(End::NeverUp)
        } else if self.job.is_some_and(|limit| began.elapsed() > limit) {
            Some(End::TimedOut)
        } else {
            (heard.elapsed() > self.silence).then_some(End::Silent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exceeded_limit_has_its_own_end() {
        let limits = |boot, silence, job: Option<u64>| Limits {
            boot: Duration::from_secs(boot),
            silence: Duration::from_secs(silence),
            job: job.map(Duration::from_secs),
        };
        let now = Instant::now();
        let ago = |seconds| now.checked_sub(Duration::from_secs(seconds)).expect("this machine is up for so long");
        assert_eq!(limits(5, 1, Some(1)).overdue(false, ago(3), ago(3)), None);
        assert_eq!(limits(5, 1, None).overdue(false, ago(9), ago(9)), Some(End::NeverUp));
        assert_eq!(limits(1, 5, None).overdue(true, ago(9), ago(3)), None);
        assert_eq!(limits(1, 5, None).overdue(true, ago(9), ago(9)), Some(End::Silent));
        assert_eq!(limits(1, 5, Some(4)).overdue(true, ago(9), now), Some(End::TimedOut));
    }
}
