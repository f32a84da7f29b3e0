//! Output to a terminal that may take none for a while: a stopped one (Ctrl-S), a line that is stuck, a pane that waits.
//!
//! A write that waits would keep `top` from its signals and its events.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

/// How long the terminal may take for the last bytes.
const LAST: Duration = Duration::from_secs(1);

/// What is written, and not yet taken.
pub(crate) struct Output {
    terminal: File,
    unsent: Vec<u8>,
}

impl Output {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { terminal: open()?, unsent: Vec::new() })
    }

    /// Takes bytes, which [`Self::is_taken`] sends.
    pub(crate) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Sends what the terminal takes at once. Returns whether that is everything.
    pub(crate) fn is_taken(&mut self) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match self.terminal.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Sends the rest, if the terminal takes it soon: an escape sequence should not end in its middle.
    pub(crate) fn send_rest(&mut self) {
        let _ = send(&mut self.terminal, &self.unsent);
        self.unsent.clear();
    }
}

/// Sends bytes.
///
/// # Errors
/// The terminal is gone, or takes nothing for a second.
pub(crate) fn send_now(bytes: &[u8]) -> io::Result<()> {
    send(&mut open()?, bytes)
}

fn send(terminal: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    let began = Instant::now();
    while !bytes.is_empty() {
        match terminal.write(bytes) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let left = LAST.checked_sub(began.elapsed()).and_then(|left| left.try_into().ok());
                let left = left.ok_or_else(|| io::Error::new(ErrorKind::TimedOut, "the terminal takes no output"))?;
                // A signal only makes the next write come early.
                let _ = poll(&mut [PollFd::new(&*terminal, PollFlags::OUT)], Some(&left));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The terminal, opened anew: `O_NONBLOCK` on the descriptor that a shell passed on would be set for the shell as well.
/// There is no lock either, which a thread that panics could wait for.
///
/// The own device can be another user's (su, sudo), and `top` has dropped CAP_DAC_OVERRIDE. Any user may open /dev/tty, if
/// this is the terminal that it stands for. If neither can be opened, writes may wait.
fn open() -> io::Result<File> {
    let stdout = rustix::stdio::stdout();
    let path = if rustix::termios::tcgetpgrp(stdout).is_ok() { "/dev/tty" } else { "/proc/self/fd/1" };
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    match OpenOptions::new().write(true).custom_flags(flags).open(path) {
        Ok(terminal) => Ok(terminal),
        Err(_) => Ok(File::from(stdout.try_clone_to_owned()?)),
    }
}
