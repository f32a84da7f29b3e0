//! The terminal: taken for the screen, drawn on, and given back as it was, also after a panic or if it is gone.
//!
//! It draws without ratatui's `Terminal`, which prints to stderr when it is dropped and cannot write. On a terminal that
//! is gone, that print panics.

use std::{
    io, panic,
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    Command,
    cursor::{Hide, MoveTo, Show},
    event::{DisableBracketedPaste, EnableBracketedPaste},
    queue,
    terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{
    backend::{Backend, CrosstermBackend},
    buffer::Buffer,
    layout::Rect,
};
use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use super::{
    input::{self, Reader},
    job_control,
    output::{Output, send_now},
    size::size,
};

/// Whether the screen has the terminal now: then a panic in any thread gives it back.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether the terminal reports the mouse.
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Reports of buttons and the wheel, with decimal coordinates. crossterm's command also enables reports of every motion,
/// which have no use here, and would fill a slow line.
struct EnableMouse;

impl Command for EnableMouse {
    fn write_ansi(&self, out: &mut impl std::fmt::Write) -> std::fmt::Result {
        out.write_str("\x1b[?1000h\x1b[?1006h")
    }
}

/// Ends the reports, and requests the terminal's status. Its answer comes after the last report.
struct DisableMouse;

impl Command for DisableMouse {
    fn write_ansi(&self, out: &mut impl std::fmt::Write) -> std::fmt::Result {
        out.write_str("\x1b[?1006l\x1b[?1000l\x1b[5n")
    }
}

/// The terminal while the screen has it. Dropping this gives it back.
pub(crate) struct Term {
    output: Output,
    /// The cells that the terminal shows.
    shown: Buffer,
    mouse: bool,
    /// What is typed and clicked; none while the terminal is given back.
    pub(crate) reader: Reader,
}

impl Term {
    /// Takes the terminal. A panic gives it back before its message is written.
    pub(crate) fn take(mouse: bool) -> io::Result<Self> {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            input::stop_reading();
            give_back();
            before(info);
        }));
        enter(mouse)?;
        let reader = Reader::start().inspect_err(|_| give_back())?;
        Ok(Self { output: Output::open()?, shown: empty(), mouse, reader })
    }

    /// The size of the screen, in columns and rows.
    pub(crate) fn size(&self) -> (u16, u16) {
        (self.shown.area.width, self.shown.area.height)
    }

    /// Draws what differs from the last frame. Writes nothing if nothing does. Returns whether the terminal has taken the
    /// frames before: if not, this one is not drawn.
    pub(crate) fn draw(&mut self, paint: impl FnOnce(&mut Buffer)) -> io::Result<bool> {
        if !self.output.is_taken()? {
            return Ok(false);
        }
        let mut next = Buffer::empty(self.shown.area);
        paint(&mut next);
        let changed = self.shown.diff(&next);
        if !changed.is_empty() {
            CrosstermBackend::new(self.output.buffer()).draw(changed.into_iter())?;
        }
        self.shown = next;
        self.output.is_taken()?;
        Ok(true)
    }

    /// Gives the terminal back, stops as job control expects, and takes the terminal again afterwards.
    pub(crate) fn suspend(&mut self, who: job_control::Who) -> io::Result<()> {
        self.reader.stop();
        self.output.send_rest();
        give_back();
        job_control::stop(who)?;
        self.resume()
    }

    /// Takes the terminal again, as after a SIGSTOP from outside.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        self.reader.stop();
        enter(self.mouse)?;
        self.reader = Reader::start()?;
        self.redraw()
    }

    /// Draws the next frame whole, in the terminal's present size.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        queue!(self.output.buffer(), Clear(ClearType::All))?;
        self.shown = empty();
        Ok(())
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        self.reader.stop();
        self.output.send_rest();
        give_back();
    }
}

/// An empty screen of the terminal's size.
fn empty() -> Buffer {
    let (columns, rows) = size();
    Buffer::empty(Rect::new(0, 0, columns, rows))
}

/// Whether an error means that there is no terminal any more: the line was dropped, or the window closed.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::ENXIO | libc::EBADF | libc::EPIPE))
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let entered = read_without_waiting().and_then(|()| {
        let mut bytes = Vec::new();
        queue!(bytes, EnterAlternateScreen, Hide, Clear(ClearType::All), EnableBracketedPaste)?;
        if mouse {
            MOUSE.store(true, Ordering::SeqCst);
            queue!(bytes, EnableMouse)?;
        }
        send_now(&bytes)
    });
    entered.inspect_err(|_| give_back())
}

/// Makes a read without input return at once, so that the thread that reads can always be stopped. `O_NONBLOCK` would
/// remain set for the shell.
fn read_without_waiting() -> io::Result<()> {
    let stdin = rustix::stdio::stdin();
    let mut mode = tcgetattr(stdin)?;
    mode.special_codes[SpecialCodeIndex::VMIN] = 0;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    Ok(tcsetattr(stdin, OptionalActions::Now, &mode)?)
}

/// Gives the terminal back if it is taken. Ignores errors: the terminal may be gone.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = leave();
        let _ = disable_raw_mode();
    }
}

/// Ends the reports of the mouse first, and reads those on the way while nothing is echoed: a shell would take them as
/// typed. Clears the screen before it leaves it, for terminals that have no other one.
fn leave() -> io::Result<()> {
    let mut bytes = Vec::new();
    if MOUSE.swap(false, Ordering::SeqCst) {
        queue!(bytes, DisableMouse)?;
        send_now(&bytes)?;
        bytes.clear();
        input::drain();
    }
    let (_, rows) = size();
    let bottom = MoveTo(0, rows.saturating_sub(1));
    queue!(bytes, DisableBracketedPaste, Clear(ClearType::All), bottom, LeaveAlternateScreen, Show)?;
    send_now(&bytes)
}
