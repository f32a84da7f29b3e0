//! The time between a guest's birth and its end: frames to and from it, the caller's streams, signals, time limits.

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

/// Where the job's streams come from and go to.
pub(super) struct Streams<'a> {
    pub(super) stdin: Option<BorrowedFd<'a>>,
    pub(super) stdout: Sink,
    pub(super) stderr: Sink,
    /// Standard input is a terminal that the job gets as its own.
    pub(super) terminal: bool,
}

const SIGNALS: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGWINCH];

/// Whether the guest starts its job within `limit`. For a trial: the job is of no interest.
pub(super) fn comes_up(mut port: &UnixStream, limit: Duration) -> bool {
    port.set_read_timeout(Some(limit)).is_ok() && matches!(frame::read(&mut port), Ok(Frame::Ready))
}

/// Passes everything on until the job or the guest ends.
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
        told: 0,
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
    /// Frames that the guest has not taken yet.
    outbox: Vec<u8>,
    /// Bytes of standard input that the guest can still take.
    window: usize,
    up: bool,
    /// From the job's start on, where it has the caller's terminal.
    raw: Option<Raw>,
    /// Signals that asked this process to end.
    told: u32,
    /// Power on, or the job's start once it is up.
    began: Instant,
    /// The last sign of life.
    heard: Instant,
    limits: Limits,
    /// Set when the guest said how it ended; output may still be on its way to the caller.
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
            // If the reader is slow, the guest waits, and this process's memory does not grow.
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
        // Without descriptors that are not needed now: a closed one is always ready.
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
            self.told += 1;
            if !self.up || self.told > 1 || self.end.is_some() {
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
                while let Some(frame) = self.decoder.next_frame().context("the guest's port carries something else")? {
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
            // A heartbeat has done its work by arriving; the rest is the host's to say.
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        match (&mut &*self.port).write(&self.outbox) {
            Ok(length) => drop(self.outbox.drain(..length)),
            Err(error) if retry(&error) => {}
            // The machine is gone: reading the port says so too, after what it still had to say.
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
            // An input that cannot be read, as after the terminal is gone, has ended.
            Ok(0) | Err(_) => {
                self.streams.stdin = None;
                Frame::StdinEnd
            }
        };
        self.outbox.extend(frame.encode());
    }
}

/// What poll found.
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
