//! A command that stops when it is about to exit, while it still has its memory (ptrace(2), PTRACE_EVENT_EXIT), and if wanted
//! also when it has been executed.
//!
//! Only its first thread is traced, and runs at full speed between signals. All calls must be from the thread that started
//! it. Its memory is that of the moment in which its first thread ends.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    ptr,
    sync::atomic::{AtomicI32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, WaitId, WaitIdOptions, waitid},
};

use super::workload::{NotStarted, Workload};

/// A running command.
pub struct TracedCommand {
    pub pid: u32,
}

/// Why a wait for a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// The time is over, and it runs on.
    Time,
    /// It stopped before its exit.
    BeforeExit,
    /// It ended without a stop.
    Ended(ExitStatus),
}

/// Where a followed command stops, while it has all of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has been executed, and has run no instruction.
    Executed,
    /// It is about to exit.
    BeforeExit,
}

/// Time between two looks at a command that runs for a limited time.
const LOOK: Duration = Duration::from_millis(5);

/// The command that signals to this process are passed on to; 0 for none.
static FORWARD_TO: AtomicI32 = AtomicI32::new(0);

extern "C" fn forward(signal: libc::c_int) {
    let pid = FORWARD_TO.load(Ordering::Relaxed);
    if pid > 0 {
        // SAFETY: async-signal-safe. The command is not waited for before `FORWARD_TO` is 0, so the number is its own.
        unsafe { libc::kill(pid, signal) };
    }
}

impl TracedCommand {
    /// Starts a command.
    ///
    /// # Errors
    /// It cannot be executed ([`NotStarted`]), or not traced.
    pub fn start(argv: &[String]) -> io::Result<Self> {
        let mut workload = Workload::hold(argv, None)?;
        let command = Self { pid: workload.pid };
        // The event of its exec is requested first, and that of its exit only then: a command that cannot be executed exits
        // too, and is waited for by the thread that forked it.
        command.ptrace(libc::PTRACE_SEIZE, libc::PTRACE_O_TRACEEXEC as usize)?;
        workload.go()?;
        workload.started().map_err(io::Error::other::<NotStarted>)?;
        while let Some(status) = wait(command.pid, 0)? {
            if status >> 16 == libc::PTRACE_EVENT_EXEC {
                break;
            }
            command.handle(status)?;
        }
        command.ptrace(libc::PTRACE_SETOPTIONS, libc::PTRACE_O_TRACEEXIT as usize)?;
        command.go_on(0)?;
        Ok(command)
    }

    /// Follows a command that has not been executed yet. Another thread waits for its exit.
    ///
    /// # Errors
    /// Of ptrace(2): another process traces it, or the kernel does not allow it.
    pub fn follow(pid: u32) -> io::Result<Self> {
        let command = Self { pid };
        // See start(): the exit of a command that cannot be executed must be no stop.
        command.ptrace(libc::PTRACE_SEIZE, libc::PTRACE_O_TRACEEXEC as usize)?;
        Ok(command)
    }

    /// Waits for the next stop; `None` after its exit. [`TracedCommand::resume`] ends the stop.
    ///
    /// # Errors
    /// Of waitid(2) and ptrace(2).
    pub fn next_stop(&self) -> io::Result<Option<Stop>> {
        let pid = Pid::from_raw(self.pid as i32).ok_or(io::ErrorKind::InvalidInput)?;
        // Its exit status is left to the thread that waits for that.
        let changes = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        loop {
            let changed = match waitid(WaitId::Pid(pid), changes) {
                Err(Errno::INTR) => continue,
                Err(Errno::CHILD) => return Ok(None),
                changed => changed?,
            };
            let Some(stopped) = changed.and_then(|status| status.trapping_signal()) else { return Ok(None) };
            match stopped >> 8 {
                libc::PTRACE_EVENT_EXEC => {
                    let events = libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_TRACEEXIT;
                    self.ptrace(libc::PTRACE_SETOPTIONS, events as usize)?;
                    return Ok(Some(Stop::Executed));
                }
                libc::PTRACE_EVENT_EXIT => return Ok(Some(Stop::BeforeExit)),
                // As waitpid(2) shows it.
                _ => self.handle(stopped << 8 | STOPPED)?,
            }
        }
    }

    /// Ends a stop.
    ///
    /// # Errors
    /// Of ptrace(2).
    pub fn resume(&self) -> io::Result<()> {
        self.go_on(0)
    }

    /// From now on SIGTERM and SIGHUP are passed on to the command, and SIGINT is left to it: a terminal sends it to both.
    pub fn forward_signals(&self) {
        FORWARD_TO.store(self.pid as i32, Ordering::Relaxed);
        for signal in [libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: the handler only loads a number and calls kill().
            unsafe { libc::signal(signal, forward as *const () as libc::sighandler_t) };
        }
        // SAFETY: sets an action, which has no preconditions.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    }

    /// Waits until it is about to exit, or until a time.
    ///
    /// # Errors
    /// Of waitpid(2) and ptrace(2).
    pub fn wait_until(&self, end: Option<Instant>) -> io::Result<Paused> {
        loop {
            let status = match end {
                None => wait(self.pid, 0)?,
                Some(_) => wait(self.pid, libc::WNOHANG)?,
            };
            match status {
                Some(status) if !libc::WIFSTOPPED(status) => return Ok(Paused::Ended(ended(status))),
                Some(status) if status >> 16 == libc::PTRACE_EVENT_EXIT => return Ok(Paused::BeforeExit),
                Some(status) => self.handle(status)?,
                None if end.is_some_and(|end| Instant::now() >= end) => return Ok(Paused::Time),
                None => thread::sleep(LOOK),
            }
        }
    }

    /// Lets it exit, or waits for that, and returns its status.
    ///
    /// # Errors
    /// Of waitpid(2) and ptrace(2).
    pub fn finish(self, mut paused: Paused) -> io::Result<ExitStatus> {
        loop {
            match paused {
                Paused::Ended(status) => return Ok(status),
                Paused::BeforeExit => self.go_on(0)?,
                Paused::Time => {}
            }
            paused = self.wait_until(None)?;
        }
    }

    /// Goes on after a stop that is none of interest.
    fn handle(&self, status: i32) -> io::Result<()> {
        let signal = libc::WSTOPSIG(status);
        let is_stop = matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU);
        match status >> 16 {
            // A signal: it is delivered.
            0 => self.go_on(signal),
            // Job control stopped it: it stays stopped until SIGCONT.
            libc::PTRACE_EVENT_STOP if is_stop => self.ptrace(libc::PTRACE_LISTEN, 0),
            _ => self.go_on(0),
        }
    }

    fn go_on(&self, signal: i32) -> io::Result<()> {
        match self.ptrace(libc::PTRACE_CONT, signal as usize) {
            // SIGKILL ended it meanwhile: the next wait returns its status.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            done => done,
        }
    }

    fn ptrace(&self, request: libc::c_uint, data: usize) -> io::Result<()> {
        let no_address: *mut libc::c_void = ptr::null_mut();
        // SAFETY: none of these requests reads or writes memory of this process.
        let done = unsafe { libc::ptrace(request, self.pid as libc::pid_t, no_address, data) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// The low byte of a stopped process's status.
const STOPPED: i32 = 0x7f;

/// The next change of its state. `None`: there is none yet.
fn wait(pid: u32, flags: libc::c_int) -> io::Result<Option<i32>> {
    let mut status = 0;
    loop {
        // SAFETY: writes an int, to a variable that lives until the call returns.
        match unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, flags | libc::__WALL) } {
            0 => return Ok(None),
            1.. => break,
            _ => {}
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    if !libc::WIFSTOPPED(status) {
        FORWARD_TO.store(0, Ordering::Relaxed);
    }
    Ok(Some(status))
}

fn ended(status: i32) -> ExitStatus {
    ExitStatus::from_raw(status)
}

#[cfg(test)]
mod tests;
