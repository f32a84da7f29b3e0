//! The caller's terminal: its size, and raw mode while the guest has it.

use std::{
    io::{self, IsTerminal, Stdin},
    mem,
};

use anyhow::{Context, Result};
use nix::sys::termios::{self, SetArg, Termios};
use xtask_guest::job::Terminal;

/// The terminal that the job gets, where the caller reads from one and writes to one.
pub(super) fn of_caller() -> Option<Terminal> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return None;
    }
    let (rows, columns) = size()?;
    Some(Terminal { rows, columns, stderr: io::stderr().is_terminal() })
}

/// Rows and columns.
pub(super) fn size() -> Option<(u16, u16)> {
    // SAFETY: a winsize of zeroes is a valid value.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    // SAFETY: TIOCGWINSZ fills one winsize, which lives through the call.
    let asked = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (asked == 0).then_some((size.ws_row, size.ws_col))
}

/// Raw mode for as long as it lives.
pub(super) struct Raw {
    before: Termios,
    stdin: Stdin,
}

impl Raw {
    /// Every key goes to the guest from here on.
    pub(super) fn enter() -> Result<Raw> {
        let stdin = io::stdin();
        let before = termios::tcgetattr(&stdin).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&stdin, SetArg::TCSANOW, &raw).context("cannot change the terminal's settings")?;
        Ok(Raw { before, stdin })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = termios::tcsetattr(&self.stdin, SetArg::TCSADRAIN, &self.before);
    }
}
