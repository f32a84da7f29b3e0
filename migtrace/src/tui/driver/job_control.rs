//! Stops this process as a shell's job control expects.

use std::{io, mem, ptr};

/// Which processes a stop is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The foreground group, as if the terminal had turned the key into a signal: a script around `top` stops with it.
    Group,
    /// This process. The others got the signal already, or were not meant.
    Process,
}

/// Stops. Returns when a SIGCONT came, or at once if the kernel does not stop a group whose parent could not continue it:
/// without job control, a SIGSTOP would stop it for ever.
pub(crate) fn stop(who: Who) -> io::Result<()> {
    // SAFETY: all zero is a valid `sigaction`: the default action, no flags, an empty mask.
    let (default, mut before): (libc::sigaction, libc::sigaction) = unsafe { mem::zeroed() };
    // SAFETY: both structures outlive the call. The default action needs no handler.
    if unsafe { libc::sigaction(libc::SIGTSTP, &raw const default, &raw mut before) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let sent = match who {
        // SAFETY: sends a signal to the own group; no memory.
        Who::Group => unsafe { libc::kill(0, libc::SIGTSTP) },
        // SAFETY: sends a signal to the calling thread; no memory.
        Who::Process => unsafe { libc::raise(libc::SIGTSTP) },
    };
    let error = io::Error::last_os_error();
    // SAFETY: restores what the first call returned.
    unsafe { libc::sigaction(libc::SIGTSTP, &raw const before, ptr::null_mut()) };
    if sent == 0 { Ok(()) } else { Err(error) }
}
