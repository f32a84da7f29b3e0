//! The terminal: taken for the screen, and given back as it was, also after a panic.

use std::{
    io::{self, Stdout, Write, stdout},
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor::{Hide, Show},
    event::{DisableMouseCapture, EnableMouseCapture},
    execute,
    terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};

/// Whether the screen has the terminal now: then a panic in any thread gives it back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while the screen has it. Dropping this gives it back.
pub(crate) struct Term {
    pub(crate) terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
}

impl Term {
    /// Takes the terminal. A panic gives it back before its message is written.
    pub(crate) fn take(mouse: bool) -> io::Result<Self> {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
        enter(mouse)?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).inspect_err(|_| give_back())?;
        Ok(Self { terminal, mouse })
    }

    /// Gives the terminal back, stops this process as job control expects, and takes the terminal again afterwards.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // SAFETY: a signal to this process itself. SIGSTOP, because SIGTSTP is caught and may be what led here.
        unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
        self.resume()
    }

    /// Takes the terminal again, as after a SIGSTOP from outside.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.redraw()
    }

    /// Draws the next frame whole. It makes a new terminal, because `Terminal::clear` queries the cursor position, and the
    /// thread that reads keys would get the reply.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        execute!(stdout(), Clear(ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(())
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = stdout();
    let entered = execute!(out, EnterAlternateScreen, Hide);
    let entered = if mouse { entered.and_then(|()| execute!(out, EnableMouseCapture)) } else { entered };
    entered.inspect_err(|_| give_back())
}

/// Gives the terminal back if it is taken. Ignores errors: the terminal may be gone.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = stdout();
        let _ = execute!(out, DisableMouseCapture, LeaveAlternateScreen, Show);
        let _ = out.flush();
        let _ = disable_raw_mode();
    }
}
