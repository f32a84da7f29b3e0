//! A session with a guest: exchanges frames with it, passes the caller's streams and signals, and applies time limits.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};
use xtask_guest::frame::{self, Decoder, Frame, STDIN_WINDOW};

use super::{
    end::{End, Finish, Limits},
    sink::Sink,
    terminal::{self, Raw},
};

/// The caller's ends of the job's streams.
pub(super) struct Streams<'a> {
    pub(super) stdin: Option<BorrowedFd<'a>>,
    pub(super) stdout: Sink,
    pub(super) stderr: Sink,
    /// Whether the job has the caller's terminal.
    pub(super) terminal: bool,
}

const SIGNALS: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGWINCH];

/// Returns whether the guest starts its job within `limit`. For a trial boot, whose job does not matter.
pub(super) fn comes_up(mut port: &UnixStream, limit: Duration) -> bool {
    port.set_read_timeout(Some(limit)).is_ok() && matches!(frame::read(&mut port), Ok(Frame::Ready))
}

/// Passes data and signals between caller and guest until the job or the guest ends.
pub(super) fn run(port: &UnixStream, streams: Streams<'_>, limits: Limits) -> Result<Finish> {
    port.set_nonblocking(true).context("cannot set up the guest's port")?;
    let signals = SigSet::from_iter(SIGNALS);
    signals.thread_block().context("cannot block signals")?;
    let signal_fd = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
    let signal_fd = signal_fd.context("cannot open a signal descriptor")?;
    let now = Instant::now();
    let mut session = Session {
        port,
        streams,
        signal_fd,
        decoder: Decoder::default(),
        outbox: Vec::new(),
        window: STDIN_WINDOW,
        up: false,
        raw: None,
        end_signals: 0,
        began: now,
        heard: now,
        limits,
        end: None,
    };
    let end = session.run();
    signals.thread_unblock().context("cannot unblock signals")?;
    Ok(Finish { end: end?, came_up: session.up })
}

struct Session<'a> {
    port: &'a UnixStream,
    streams: Streams<'a>,
    signal_fd: SignalFd,
    decoder: Decoder,
    /// Encoded frames that are not written to the guest yet.
    outbox: Vec<u8>,
    /// Bytes of standard input that may still be sent to the guest.
    window: usize,
    /// Whether the job was started.
    up: bool,
    /// Set when the job starts, if it has the caller's terminal.
    raw: Option<Raw>,
    /// Number of received signals to end.
    end_signals: u32,
    /// Time of power-on, or of the job's start if `up`.
    began: Instant,
    /// Time of the guest's last message.
    heard: Instant,
    limits: Limits,
    /// Set when the guest has ended or reported the job's end. Output may still wait for the caller.
    end: Option<End>,
}

impl Session<'_> {
    fn run(&mut self) -> Result<End> {
        loop {
            let (stdout, stderr) = (self.streams.stdout.pending(), self.streams.stderr.pending());
            if let Some(end) = &self.end
                && !stdout
                && !stderr
            {
                return Ok(end.clone());
            }
            // If the reader is slow, the guest must wait: this process's memory must not grow.
            let listening = self.end.is_none() && !self.streams.stdout.full() && !self.streams.stderr.full();
            if !listening {
                self.heard = Instant::now();
            }
            if self.end.is_none()
                && let Some(end) = self.limits.overdue(self.up, self.began, self.heard)
            {
                return Ok(end);
            }
            let ready = self.wait(listening, stdout, stderr)?;
            if ready.signal
                && let Some(end) = self.take_signals()?
            {
                return Ok(end);
            }
            if ready.port_in {
                self.receive()?;
            }
            if ready.port_out {
                self.send()?;
            }
            if ready.stdin {
                self.read_stdin();
            }
            for (ready, sink, number) in
                [(ready.stdout, &mut self.streams.stdout, 1), (ready.stderr, &mut self.streams.stderr, 2)]
            {
                if ready && sink.flush().is_err() {
                    self.outbox.extend(Frame::Closed(number).encode());
                }
            }
        }
    }

    fn wait<'s>(&'s self, listening: bool, stdout: bool, stderr: bool) -> Result<Ready> {
        let when = |wanted: bool, flags| if wanted { flags } else { PollFlags::empty() };
        let port = when(listening, PollFlags::POLLIN) | when(!self.outbox.is_empty(), PollFlags::POLLOUT);
        let mut fds = vec![PollFd::new(self.signal_fd.as_fd(), PollFlags::POLLIN)];
        // Leaves out descriptors that are not needed now, because a closed descriptor is always ready.
        let mut place = |wanted: bool, fd: BorrowedFd<'s>, flags| {
            wanted.then(|| {
                fds.push(PollFd::new(fd, flags));
                fds.len() - 1
            })
        };
        let stdin_wanted = self.up && self.window > 0 && self.end.is_none();
        let at_port = place(!port.is_empty(), self.port.as_fd(), port);
        let at_stdin = self.streams.stdin.and_then(|stdin| place(stdin_wanted, stdin, PollFlags::POLLIN));
        let at_stdout = place(stdout, self.streams.stdout.as_fd(), PollFlags::POLLOUT);
        let at_stderr = place(stderr, self.streams.stderr.as_fd(), PollFlags::POLLOUT);
        match poll(&mut fds, PollTimeout::from(250u8)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for the guest"),
        }
        let events = |at: Option<usize>| at.and_then(|at| fds[at].revents()).unwrap_or(PollFlags::empty());
        let ended = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        Ok(Ready {
            signal: !events(Some(0)).is_empty(),
            port_in: listening && events(at_port).intersects(PollFlags::POLLIN | ended),
            port_out: events(at_port).contains(PollFlags::POLLOUT),
            stdin: !events(at_stdin).is_empty(),
            stdout: !events(at_stdout).is_empty(),
            stderr: !events(at_stderr).is_empty(),
        })
    }

    fn take_signals(&mut self) -> Result<Option<End>> {
        while let Some(info) = self.signal_fd.read_signal().context("cannot read a signal")? {
            let Ok(signal) = Signal::try_from(info.ssi_signo as i32) else { continue };
            if signal == Signal::SIGWINCH {
                if let Some((rows, columns)) = terminal::size() {
                    self.outbox.extend(Frame::Resize(rows, columns).encode());
                }
                continue;
            }
            self.end_signals += 1;
            if !self.up || self.end_signals > 1 || self.end.is_some() {
                return Ok(Some(End::Interrupted(signal)));
            }
            self.outbox.extend(Frame::Signal(signal as u8).encode());
        }
        Ok(None)
    }

    fn receive(&mut self) -> Result<()> {
        let mut buffer = [0; 1 << 16];
        match (&mut &*self.port).read(&mut buffer) {
            Ok(0) => self.end = Some(End::Died),
            Ok(length) => {
                self.heard = Instant::now();
                self.decoder.push(&buffer[..length]);
                while let Some(frame) = self.decoder.next_frame().context("the guest's port carries invalid data")? {
                    self.handle(frame)?;
                }
            }
            Err(error) if retry(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.end = Some(End::Died),
            Err(error) => return Err(error).context("cannot read the guest's port"),
        }
        Ok(())
    }

    fn handle(&mut self, frame: Frame) -> Result<()> {
        match frame {
            Frame::Ready => {
                self.up = true;
                self.began = Instant::now();
                self.raw = if self.streams.terminal { Some(Raw::enter()?) } else { None };
                if self.streams.stdin.is_none() {
                    self.outbox.extend(Frame::StdinEnd.encode());
                }
            }
            Frame::Stdout(data) => self.streams.stdout.push(&data),
            Frame::Stderr(data) => self.streams.stderr.push(&data),
            Frame::StdinTaken(count) => self.window += count as usize,
            Frame::Exit(status) => self.end = Some(End::Exited(status)),
            Frame::Failed(text) => self.end = Some(End::Failed(text)),
            // A heartbeat only has to arrive. Only the host sends the other frames.
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        match (&mut &*self.port).write(&self.outbox) {
            Ok(length) => drop(self.outbox.drain(..length)),
            Err(error) if retry(&error) => {}
            // The machine is gone. Reading the port reports that too, after the last frames.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.outbox.clear(),
            Err(error) => return Err(error).context("cannot write to the guest's port"),
        }
        Ok(())
    }

    fn read_stdin(&mut self) {
        let Some(stdin) = self.streams.stdin else { return };
        let mut buffer = [0; 1 << 15];
        let most = buffer.len().min(self.window);
        let frame = match nix::unistd::read(stdin, &mut buffer[..most]) {
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            Ok(length @ 1..) => {
                self.window -= length;
                Frame::Stdin(buffer[..length].to_vec())
            }
            // Standard input that cannot be read has ended, for example because its terminal is gone.
            Ok(0) | Err(_) => {
                self.streams.stdin = None;
                Frame::StdinEnd
            }
        };
        self.outbox.extend(frame.encode());
    }
}

/// The descriptors that poll reported as ready.
struct Ready {
    signal: bool,
    port_in: bool,
    port_out: bool,
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

fn retry(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
