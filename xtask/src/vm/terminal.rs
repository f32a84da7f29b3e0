//! The caller's terminal: reads its size, and sets raw mode while the guest's job uses it.

use std::{
    io::{self, IsTerminal, Stdin},
    mem,
};

use anyhow::{Context, Result};
use nix::sys::termios::{self, SetArg, Termios};
use xtask_guest::job::Terminal;

/// Returns the caller's terminal for the job, if standard input and output are a terminal.
pub(super) fn of_caller() -> Option<Terminal> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return None;
    }
    let (rows, columns) = size()?;
    Some(Terminal { rows, columns, stderr: io::stderr().is_terminal() })
}

/// Returns the terminal's rows and columns.
pub(super) fn size() -> Option<(u16, u16)> {
    // SAFETY: a winsize of zeroes is a valid value.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    // SAFETY: TIOCGWINSZ fills one winsize, which lives through the call.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0).then_some((size.ws_row, size.ws_col))
}

/// Raw mode of the terminal. Dropping it restores the settings.
pub(super) struct Raw {
    before: Termios,
    stdin: Stdin,
}

impl Raw {
    /// Sets raw mode: from now on every key goes to the guest.
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
        // A failure is ignored: a terminal that is gone needs no settings.
        let _ = termios::tcsetattr(&self.stdin, SetArg::TCSADRAIN, &self.before);
    }
}
