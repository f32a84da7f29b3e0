//! The traced command: forked, and stopped before its first instruction until all probes are attached.

use std::{
    ffi::CString,
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus},
    thread,
};

use nix::unistd::{Gid, Uid, User, getgrouplist};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
    thread::CapabilitySet,
};
use thiserror::Error;

use super::privilege;

/// A user as whom a command runs.
#[derive(Clone, Debug)]
pub struct Identity {
    user: User,
    groups: Vec<Gid>,
}

impl Identity {
    /// The user with this name or UID, with all groups of the user.
    ///
    /// # Errors
    /// There is no such user.
    pub fn named(text: &str) -> Result<Self, String> {
        let by_id = || text.parse().ok().map_or(Ok(None), |uid| User::from_uid(Uid::from_raw(uid)));
        let found = User::from_name(text).and_then(|by_name| by_name.map_or_else(by_id, |user| Ok(Some(user))));
        let user = found.map_err(|error| error.desc().to_owned())?.ok_or("no such user")?;
        let name = CString::new(user.name.as_str()).map_err(|error| error.to_string())?;
        let groups = getgrouplist(&name, user.gid).map_err(|error| error.desc().to_owned())?;
        Ok(Self { user, groups })
    }

    /// Makes a command run as this user. The directory stays, so relative paths mean the same files.
    fn apply(&self, command: &mut Command) {
        let User { name, dir, shell, .. } = &self.user;
        command.env("HOME", dir).env("SHELL", shell).env("USER", name).env("LOGNAME", name);
        let (uid, gid) = (self.user.uid.as_raw(), self.user.gid.as_raw());
        let groups: Vec<libc::gid_t> = self.groups.iter().map(|group| group.as_raw()).collect();
        // Not Command::uid(): with it, std clears the groups.
        // SAFETY: between fork and exec only setgroups, setgid and setuid are called, all async-signal-safe.
        unsafe { command.pre_exec(move || become_user(uid, gid, &groups)) };
    }
}

/// In the child.
fn become_user(uid: libc::uid_t, gid: libc::gid_t, groups: &[libc::gid_t]) -> io::Result<()> {
    // SAFETY: numbers and a slice with its length.
    let done = unsafe {
        libc::setgroups(groups.len(), groups.as_ptr()) == 0 && libc::setgid(gid) == 0 && libc::setuid(uid) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Why a command did not start.
#[derive(Debug, Error)]
#[error("cannot run {command}: {reason}")]
pub struct NotStarted {
    command: String,
    reason: String,
    /// Exit status as in a shell: 127 if there is no such command, else 126.
    pub status: u8,
}

impl NotStarted {
    fn new(command: &str, error: &io::Error) -> Self {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let reason = match error.kind() {
            io::ErrorKind::NotFound if command.contains('/') => {
                "no such file, or its interpreter is missing".to_owned()
            }
            io::ErrorKind::NotFound => format!("no such command in PATH{}", hint(command)),
            io::ErrorKind::PermissionDenied => "permission denied; is it executable?".to_owned(),
            _ => error.to_string(),
        };
        Self { command: command.to_owned(), reason, status: if is_missing { 127 } else { 126 } }
    }
}

/// What to do about a command that is not in PATH.
fn hint(command: &str) -> String {
    if Path::new(command).is_file() {
        format!("; for the file in this directory, write ./{command}")
    } else if command.contains(' ') {
        "; write the command and its arguments as separate words".to_owned()
    } else if std::env::var_os("SUDO_UID").is_some() {
        "; sudo sets a PATH of its own: write the path of the command".to_owned()
    } else {
        String::new()
    }
}

/// A stopped or running command.
pub struct Workload {
    /// PID of the command.
    pub pid: u32,
    command: String,
    go: io::PipeWriter,
    thread: thread::JoinHandle<io::Result<Child>>,
}

impl Workload {
    /// Forks, and stops the child before exec. `None`: the command runs as the user of this process.
    ///
    /// # Errors
    /// If the fork fails.
    pub fn hold(argv: &[String], user: Option<&Identity>) -> io::Result<Self> {
        let (program, args) = argv.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let (mut pid_reader, pid_writer) = io::pipe()?;
        let (go_reader, go) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(args);
        if let Some(user) = user {
            user.apply(&mut command);
        }
        let fds = (pid_writer.as_raw_fd(), go_reader.as_raw_fd(), go.as_raw_fd());
        // SAFETY: between fork and exec only getpid, write, close and read are called, all async-signal-safe.
        unsafe { command.pre_exec(move || wait_for_go(fds)) };
        // spawn() returns after exec, so it runs in its own thread: this thread has to get the PID and release the
        // child.
        let thread = thread::Builder::new().name("migtrace-workload".to_owned()).spawn(move || {
            let child = command.spawn();
            drop((pid_writer, go_reader));
            child
        })?;
        let mut pid = [0; 4];
        pid_reader.read_exact(&mut pid)?;
        Ok(Self { pid: u32::from_ne_bytes(pid), command: program.clone(), go, thread })
    }

    /// Lets the command run.
    ///
    /// # Errors
    /// If it has exited already.
    pub fn go(&mut self) -> io::Result<()> {
        self.go.write_all(&[1])
    }

    /// Waits for its exit. Blocks.
    ///
    /// # Errors
    /// If the command could not be executed.
    pub fn wait(self) -> Result<ExitStatus, NotStarted> {
        let command = self.command.clone();
        let mut child = self.started()?;
        // Waiting needs no capabilities.
        let waiting = thread::spawn(move || {
            privilege::keep(CapabilitySet::empty());
            until_exit(&child);
            child.wait()
        });
        let waited = waiting.join().expect("the waiting thread does not panic");
        waited.map_err(|error| NotStarted::new(&command, &error))
    }

    /// Waits until it has been executed, and leaves it to the caller to wait for its exit.
    ///
    /// # Errors
    /// If the command could not be executed. It has been waited for then.
    pub fn started(self) -> Result<Child, NotStarted> {
        let started = self.thread.join().expect("the forking thread does not panic");
        started.map_err(|error| NotStarted::new(&self.command, &error))
    }
}

/// Blocks until a child has exited. A wait for its status alone would also end where ptrace(2) stops it.
fn until_exit(child: &Child) {
    let Some(pid) = Pid::from_raw(child.id() as i32) else { return };
    let Ok(exits) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    while let Err(Errno::INTR) = poll(&mut [PollFd::new(&exits, PollFlags::IN)], None) {}
}

/// Exit status of a child that did not become the command.
const NOT_STARTED: i32 = 127;

/// In the child: sends its PID, then waits for a byte, or for the recorder's exit.
fn wait_for_go((pid_writer, go_reader, go_writer): (RawFd, RawFd, RawFd)) -> io::Result<()> {
    // SAFETY: the descriptors were open at the fork; the buffers live on this stack.
    unsafe {
        let pid = libc::getpid().to_ne_bytes();
        libc::close(go_writer);
        if libc::write(pid_writer, pid.as_ptr().cast(), pid.len()) != pid.len() as isize {
            return Err(io::Error::last_os_error());
        }
        let mut byte = 0u8;
        if libc::read(go_reader, (&raw mut byte).cast(), 1) != 1 {
            // The recorder exited, or will not start the command. Nothing reads an error from here any more, and the
            // standard library would abort with a message of its own.
            libc::_exit(NOT_STARTED);
        }
    }
    Ok(())
}

/// Exit status as in a shell: the exit code, or 128 plus the signal.
#[must_use]
pub fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn a_command_is_held_until_it_may_go() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_str().expect("a path");
        let mut workload = Workload::hold(&argv(&["sh", "-c", "echo $$ > $0; exit 3", path]), None).expect("a process");
        thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(std::fs::read_to_string(path).expect("readable"), "", "it ran before it was let go");
        workload.go().expect("still there");
        let pid = workload.pid;
        assert_eq!(shell_status(workload.wait().expect("ran")), 3);
        assert_eq!(std::fs::read_to_string(path).expect("readable").trim(), pid.to_string());
    }

    #[test]
    fn a_command_that_is_not_started_exits_silently() {
        let Workload { go, thread, .. } = Workload::hold(&argv(&["sh", "-c", "exit 3"]), None).expect("a process");
        drop(go);
        let mut child = thread.join().expect("no panic").expect("forked");
        assert_eq!(shell_status(child.wait().expect("exited")), NOT_STARTED);
    }

    #[test]
    fn a_command_that_does_not_exist_is_an_error() {
        let mut workload = Workload::hold(&argv(&["/nonexistent/command"]), None).expect("forked");
        workload.go().expect("still there");
        let error = workload.wait().expect_err("no such file");
        assert_eq!(error.status, 127);
        assert_eq!(error.to_string(), "cannot run /nonexistent/command: no such file, or its interpreter is missing");
    }

    #[test]
    fn a_command_that_does_not_start_has_a_reason_and_a_status() {
        let not_started = |command: &str, kind| NotStarted::new(command, &io::Error::from(kind));
        let error = not_started("no-such-command", io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot run no-such-command: no such command in PATH"), "{error}");
        let error = not_started("sleep 1", io::ErrorKind::NotFound);
        assert!(error.to_string().ends_with("as separate words"), "{error}");
        // A file of the directory in which cargo runs the tests.
        let error = not_started("Cargo.toml", io::ErrorKind::NotFound);
        assert!(error.to_string().ends_with("write ./Cargo.toml"), "{error}");
        let error = not_started("./Cargo.toml", io::ErrorKind::PermissionDenied);
        assert_eq!((error.status, error.to_string().contains("executable?")), (126, true), "{error}");
    }
}
