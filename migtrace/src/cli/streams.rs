//! Standard output and stderr, as all commands use them.
//!
//! Standard output must be written, or the command fails. A message on stderr that cannot be written is dropped: `eprintln!`
//! would panic, and so end a recording whose terminal has gone away.

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use anstream::{AutoStream, ColorChoice};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::Timespec,
};

/// Writes `migtrace: ` and a message to stderr.
macro_rules! say {
    ($($message:tt)*) => { $crate::cli::streams::stderr_line(&format!("migtrace: {}", format_args!($($message)*))) };
}
pub(crate) use say;

/// Writes a line to stderr, if it can be written. A terminal that takes no output for a second does not get it: its signals
/// may be caught, and then nothing but SIGKILL would end the program.
pub(crate) fn stderr_line(line: &str) {
    let stderr = io::stderr();
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    let is_stuck = || poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&second)) == Ok(0);
    if stderr.is_terminal() && is_stuck() {
        return;
    }
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether the program was started without a standard output.
static NO_STDOUT: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's runtime, which opens /dev/null as each of the descriptors 0 to 2 that is closed. From then on all
/// writes seem to succeed, and it looks the same as a /dev/null that the user meant.
#[used]
// SAFETY: the dynamic loader calls the functions of this section once, before main and on the only thread. The function
// uses neither Rust's runtime nor memory of others.
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = note_stdout;

extern "C" fn note_stdout() {
    // SAFETY: reads the flags of a descriptor, which may be closed.
    if unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } < 0 {
        NO_STDOUT.store(true, Ordering::Relaxed);
    }
}

/// Standard output. Flush it at the end: what is not flushed is lost without an error.
pub(crate) type Stdout = BufWriter<Named<Box<dyn Write>>>;

/// Standard output for text of any bytes.
pub(crate) fn plain_stdout() -> io::Result<Stdout> {
    Ok(BufWriter::new(Named(Box::new(checked()?))))
}

/// Standard output for text with colours, which are removed if they are not wanted.
pub(crate) fn stdout(color: ColorChoice) -> io::Result<Stdout> {
    Ok(BufWriter::new(Named(Box::new(AutoStream::new(checked()?, color)))))
}

fn checked() -> io::Result<io::StdoutLock<'static>> {
    if NO_STDOUT.load(Ordering::Relaxed) {
        return Err(io::Error::other("cannot write to standard output: it is closed"));
    }
    Ok(io::stdout().lock())
}

/// Names standard output in its errors.
pub(crate) struct Named<W>(W);

impl<W: Write> Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

/// Keeps the kind, by which a closed pipe is known, and which a write that was interrupted is repeated for.
fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        kind => io::Error::new(kind, format!("cannot write to standard output: {error}")),
    }
}
