//! Judges the end of a boot: the job's status, or what went wrong with the machine.

use std::fs;

use anyhow::Result;
use xtask_common::{exit::Failure, files::create_dir, progress::clock};

use super::{
    console::{self, Kind, Splat},
    end::{End, Finish, Limits},
};
use crate::paths::Paths;

/// Lines of the console log that a message about a broken machine shows.
const TAIL_LINES: usize = 40;

/// How a boot ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The job ended, with this status.
    Job(u8),
    /// A signal to the caller stopped it. The status is 128 plus the signal.
    Stopped(u8),
    /// The machine broke or did not come up, for this reason.
    Broken(String),
}

/// A boot that is over.
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    /// Errors that the kernel reported, in order.
    pub(crate) splats: Vec<Splat>,
    pub(crate) console: String,
    /// Name of the kernel.
    pub(crate) kernel: String,
    /// Whether the job was started.
    pub(crate) came_up: bool,
}

impl Outcome {
    pub(super) fn new(
        Finish { end, came_up }: Finish,
        console: String,
        qemu_stderr: &str,
        limits: Limits,
        kernel: &str,
    ) -> Outcome {
        let splats = console::splats(&console);
        let ended = match end {
            End::Exited(status) => Ended::Job(status),
            End::Interrupted(signal) => Ended::Stopped(128 + signal as u8),
            End::Failed(why) => Ended::Broken(format!("the guest could not start the command: {why}")),
            End::Died => Ended::Broken(death(&splats, &console, qemu_stderr)),
            End::NeverUp => Ended::Broken(format!("the guest did not come up within {}", clock(limits.boot))),
            End::Silent => {
                Ended::Broken(format!("the guest hangs: it gave no sign of life for {}", clock(limits.silence)))
            }
            End::TimedOut => {
                let limit = limits.job.unwrap_or_default();
                Ended::Broken(format!("the command did not end within --timeout {}", humantime::format_duration(limit)))
            }
        };
        Outcome { ended, splats, console, kernel: kernel.to_owned(), came_up }
    }

    /// Returns the errors that are certainly the kernel's. A stall may be the host's.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &Splat> {
        self.splats.iter().filter(|splat| splat.kind > Kind::Stall)
    }

    /// Returns the error for a machine that broke: the reason, the kernel's errors, and the path of the console log.
    pub(crate) fn broken(&self, paths: &Paths, why: &str) -> anyhow::Error {
        let mut text = why.to_owned();
        for splat in self.splats.iter().take(5) {
            text.push_str(&format!("\n  {splat}"));
        }
        let tail = console::tail(&self.console, TAIL_LINES);
        if !tail.is_empty() {
            text.push_str(&format!("\n--- the end of the guest's console\n{tail}\n---"));
        }
        match self.keep_console(paths) {
            Ok(place) => text.push_str(&format!("\nthe whole console log: {place}")),
            Err(error) => text.push_str(&format!("\nthe console log could not be saved: {error:#}")),
        }
        Failure::Environment(text).into()
    }

    /// Saves the console log in target/vm, and returns its path. Each kernel has a file of its own, since tests boot
    /// several, two at a time.
    pub(crate) fn keep_console(&self, paths: &Paths) -> Result<String> {
        let directory = paths.target.join("vm");
        create_dir(&directory)?;
        let file = directory.join(format!("console-{}.log", self.kernel));
        fs::write(&file, &self.console)?;
        Ok(file.display().to_string())
    }
}

fn death(splats: &[Splat], console: &str, qemu_stderr: &str) -> String {
    let fatal = splats.iter().find(|splat| splat.kind >= Kind::Bug);
    match fatal {
        Some(splat) if splat.kind == Kind::Panic => "the guest's kernel panicked".to_owned(),
        Some(_) => "the guest's kernel crashed".to_owned(),
        None if !qemu_stderr.is_empty() => format!("QEMU stopped: {qemu_stderr}"),
        None if console.contains("reboot: ") => "the guest switched itself off before the command ended".to_owned(),
        None => "the guest stopped without a message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: Limits =
        Limits { boot: Duration::from_secs(90), silence: Duration::from_secs(60), job: Some(Duration::from_secs(5)) };

    fn ended(end: End, console: &str, qemu_stderr: &str) -> Ended {
        Outcome::new(Finish { end, came_up: true }, console.to_owned(), qemu_stderr, LIMITS, "k").ended
    }

    #[test]
    fn panic_hang_and_missing_machine_have_different_messages() {
        let why = |end, console, qemu_stderr| match ended(end, console, qemu_stderr) {
            Ended::Broken(why) => why,
            other => panic!("{other:?}"),
        };
        let panic = "[    3.0] Kernel panic - not syncing: sysrq triggered crash\n";
        assert_eq!(why(End::Died, panic, ""), "the guest's kernel panicked");
        assert_eq!(why(End::Died, "", "no such device"), "QEMU stopped: no such device");
        assert_eq!(why(End::NeverUp, "", ""), "the guest did not come up within 1:30");
        assert_eq!(why(End::Silent, "", ""), "the guest hangs: it gave no sign of life for 1:00");
        assert_eq!(why(End::TimedOut, "", ""), "the command did not end within --timeout 5s");
    }

    #[test]
    fn kernel_errors_do_not_change_the_jobs_status() {
        let finish = Finish { end: End::Exited(7), came_up: true };
        let outcome = Outcome::new(finish, "[1.0] WARNING: CPU: 0 PID: 1 at x\n".into(), "", LIMITS, "k");
        assert_eq!(outcome.ended, Ended::Job(7));
        assert_eq!(outcome.faults().count(), 1);
    }

    #[test]
    fn a_stall_does_not_count_as_a_kernel_fault() {
        let log = "[9.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n";
        let outcome = Outcome::new(Finish { end: End::Exited(0), came_up: true }, log.into(), "", LIMITS, "k");
        assert_eq!((outcome.splats.len(), outcome.faults().count()), (1, 0));
    }
}
