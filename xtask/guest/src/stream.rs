//! Connects the job's standard streams to pipes or to a pseudo-terminal in the guest.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use anyhow::{Context, Result};
use nix::pty::{Winsize, openpty};
use xtask_guest::{frame::Frame, job::Terminal};

use crate::port::Port;

/// Set if the host reports that the reader of standard output (0) or standard error (1) is gone.
pub(crate) static CLOSED: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

/// Bytes per read from the job: the capacity of a pipe.
const CHUNK: usize = 1 << 16;

/// The first process's ends of the job's streams.
pub(crate) struct Streams {
    pub(crate) input: File,
    pub(crate) output: File,
    /// `None` if standard error goes to the terminal.
    pub(crate) error: Option<File>,
    /// The terminal, to change its size.
    pub(crate) terminal: Option<File>,
}

/// Connects the command's standard streams. Returns the other ends.
pub(crate) fn connect(command: &mut Command, terminal: Option<Terminal>) -> Result<Streams> {
    let Some(terminal) = terminal else {
        let (child_input, input) = io::pipe().context("cannot open a pipe")?;
        let (output, child_output) = io::pipe().context("cannot open a pipe")?;
        let error = error_pipe(command)?;
        command.stdin(child_input).stdout(child_output);
        let (input, output) = (OwnedFd::from(input), OwnedFd::from(output));
        return Ok(Streams { input: input.into(), output: output.into(), error: Some(error), terminal: None });
    };
    let pair = openpty(&window(terminal.rows, terminal.columns), None).context("cannot open a terminal")?;
    let master = File::from(pair.master);
    let slave = File::from(pair.slave);
    let mut copies = [slave.try_clone(), slave.try_clone(), Ok(slave)].into_iter();
    let mut copy = || copies.next().unwrap_or_else(|| Err(io::Error::other("one copy per stream")));
    let error = if terminal.stderr {
        command.stderr(Stdio::from(copy()?));
        None
    } else {
        Some(error_pipe(command)?)
    };
    command.stdin(copy()?).stdout(copy()?);
    Ok(Streams { input: master.try_clone()?, output: master.try_clone()?, error, terminal: Some(master) })
}

fn error_pipe(command: &mut Command) -> Result<File> {
    let (error, child_error) = io::pipe().context("cannot open a pipe")?;
    command.stderr(child_error);
    Ok(OwnedFd::from(error).into())
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Sets the terminal's size. The kernel notifies the job by a signal.
pub(crate) fn resize(terminal: &File, rows: u16, columns: u16) {
    // SAFETY: TIOCSWINSZ reads one winsize, which lives through the call. A failure leaves the old size.
    let _ = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &window(rows, columns)) };
}

/// Sends the job's output to the host until the job closes the stream or the host's reader is gone.
pub(crate) fn pump_out(mut from: File, port: &'static Port, stream: usize, ended: mpsc::Sender<()>) {
    thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        // Reading a terminal that no process has open fails with EIO, which means the end, like 0.
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if CLOSED[stream].load(Ordering::Relaxed) {
                break;
            }
            let data = buffer[..length].to_vec();
            port.send(&if stream == 0 { Frame::Stdout(data) } else { Frame::Stderr(data) });
        }
        drop(from);
        let _ = ended.send(());
    });
}

/// Writes standard input to the job, and reports the number of bytes to the host. Standard input ends with the channel.
pub(crate) fn pump_in(mut to: File, port: &'static Port, from: mpsc::Receiver<Vec<u8>>) {
    thread::spawn(move || {
        let mut open = true;
        for data in from {
            // If the job closed its input, the rest is discarded. The host is not notified.
            open = open && to.write_all(&data).is_ok();
            port.send(&Frame::StdinTaken(data.len() as u32));
        }
    });
}
