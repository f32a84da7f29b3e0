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
mod tests {
    use std::{fs, sync::mpsc};

    use super::*;

    fn start(script: &str) -> TracedCommand {
        TracedCommand::start(&["sh", "-c", script].map(str::to_owned)).expect("started")
    }

    fn has_memory(pid: u32) -> bool {
        fs::read(format!("/proc/{pid}/maps")).is_ok_and(|maps| !maps.is_empty())
    }

    #[test]
    fn a_command_has_its_memory_before_it_exits() {
        let command = start("exit 7");
        let pid = command.pid;
        let paused = command.wait_until(None).expect("waited");
        assert_eq!((paused, has_memory(pid)), (Paused::BeforeExit, true));
        assert_eq!(command.finish(paused).expect("ended").code(), Some(7));
    }

    #[test]
    fn signals_reach_it_and_can_end_it() {
        let command = start("trap 'exit 3' USR1; kill -USR1 $$; exit 4");
        assert_eq!(command.finish(Paused::Time).expect("ended").code(), Some(3));
        let command = start("kill -TERM $$; exit 4");
        let paused = command.wait_until(None).expect("waited");
        assert_eq!(paused, Paused::BeforeExit);
        assert_eq!(command.finish(paused).expect("ended").signal(), Some(libc::SIGTERM));
    }

    #[test]
    fn job_control_stops_it_and_time_goes_on() {
        let command = start("kill -STOP $$; exit 5");
        let paused = command.wait_until(Some(Instant::now() + Duration::from_millis(300))).expect("waited");
        assert_eq!(paused, Paused::Time);
        let stat = fs::read_to_string(format!("/proc/{}/stat", command.pid)).expect("it is there");
        assert!(stat.contains(") T ") || stat.contains(") t "), "{stat}");
        // SAFETY: a signal to a child that was not waited for.
        unsafe { libc::kill(command.pid as i32, libc::SIGCONT) };
        assert_eq!(command.finish(paused).expect("ended").code(), Some(5));
    }

    #[test]
    fn a_command_that_executes_another_program_goes_on() {
        let command = start("exec sh -c 'exit 6'");
        assert_eq!(command.finish(Paused::Time).expect("ended").code(), Some(6));
    }

    /// What a thread sees that follows a command, and how the command ends for the thread that waits for it.
    fn followed(argv: &[&str]) -> (Vec<(Stop, bool)>, Option<ExitStatus>) {
        let argv: Vec<_> = argv.iter().map(|&word| word.to_owned()).collect();
        let mut workload = Workload::hold(&argv, None).expect("forked");
        let (pid, (is_followed, ready)) = (workload.pid, mpsc::channel());
        let follows = thread::spawn(move || {
            let command = TracedCommand::follow(pid).expect("traced");
            is_followed.send(()).expect("received");
            let mut stops = Vec::new();
            while let Some(stop) = command.next_stop().expect("waited") {
                stops.push((stop, has_memory(pid)));
                command.resume().expect("it goes on");
            }
            stops
        });
        ready.recv().expect("followed");
        workload.go().expect("it waits");
        let status = workload.wait().ok();
        (follows.join().expect("no panic"), status)
    }

    #[test]
    fn a_followed_command_stops_after_each_exec_and_before_its_exit() {
        let outer = "trap : USR1; kill -USR1 $$; exec sh -c \"$1\"";
        let stops_itself =
            "(until grep -q 'State:.[tT]' /proc/$$/status; do sleep 0.01; done; sleep 0.1; kill -CONT $$) &
            kill -STOP $$; exit 7";
        let (stops, status) = followed(&["sh", "-c", outer, "sh", stops_itself]);
        let (exec, exit) = ((Stop::Executed, true), (Stop::BeforeExit, true));
        assert_eq!((stops, status.and_then(|status| status.code())), (vec![exec, exec, exit], Some(7)));
    }

    #[test]
    fn a_followed_command_that_cannot_be_executed_does_not_stop() {
        assert_eq!(followed(&["/nonexistent/command"]), (Vec::new(), None));
    }

    #[test]
    fn a_command_that_cannot_be_executed_is_an_error() {
        let error = TracedCommand::start(&["/nonexistent/command".to_owned()]).err().expect("no such file");
        let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<NotStarted>()).map(|reason| reason.status);
        assert_eq!(reason, Some(127));
    }
}
