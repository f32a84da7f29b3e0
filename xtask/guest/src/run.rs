//! Runs the job: starts its process, connects its streams, and waits for its end.

use std::{
    fs::File,
    io::ErrorKind,
    os::unix::process::CommandExt,
    process::Command,
    sync::{atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{WaitStatus, wait},
    },
    unistd::{Pid, setsid},
};
use xtask_guest::{frame::Frame, job::Job};

use crate::{files, port::Port, stream};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Time limit for reading the rest of the job's output after its end.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the job, and returns its exit status: 128 + n after signal n, as in a shell.
pub(crate) fn run(job: &Job, port: &'static Port) -> Result<u8> {
    let [program, arguments @ ..] = job.argv.as_slice() else { anyhow::bail!("the job has no command") };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(job.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(files::working_directory(&job.cwd));
    let streams = stream::connect(&mut command, job.terminal)?;
    let on_terminal = job.terminal.is_some();
    // SAFETY: setsid and ioctl are async-signal-safe, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            if on_terminal && libc::ioctl(0, libc::TIOCSCTTY, 0) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    port.send(&Frame::Ready);
    heartbeat(port);
    let child = match command.spawn() {
        Ok(child) => Pid::from_raw(child.id() as i32),
        Err(error) => {
            let text = format!("{}: {error}\n", program.display());
            port.send(&Frame::Stderr(text.into_bytes()));
            return Ok(if error.kind() == ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    // Closes this process's copies of the child's pipe ends. A reader would not see the end otherwise.
    drop(command);

    let (ended, all_ended) = mpsc::channel();
    stream::pump_out(streams.output, port, 0, ended.clone());
    if let Some(error) = streams.error {
        stream::pump_out(error, port, 1, ended.clone());
    }
    drop(ended);
    handle_host_frames(port, child, streams.input, streams.terminal);

    let status = wait_for(child)?;
    // Ends the processes that the job left behind. A failure is ignored: there may be none.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    let deadline = Instant::now() + DRAIN;
    while all_ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
    Ok(status)
}

fn heartbeat(port: &'static Port) {
    thread::spawn(move || {
        loop {
            thread::sleep(HEARTBEAT);
            port.send(&Frame::Heartbeat);
        }
    });
}

/// Handles the host's frames in a thread, until the machine stops.
fn handle_host_frames(port: &'static Port, child: Pid, input: File, terminal: Option<File>) {
    let (to_input, from_host) = mpsc::channel();
    stream::pump_in(input, port, from_host);
    thread::spawn(move || {
        let mut to_input = Some(to_input);
        while let Ok(frame) = port.receive() {
            match frame {
                Frame::Stdin(data) => {
                    if let Some(to_input) = &to_input {
                        let _ = to_input.send(data);
                    }
                }
                Frame::StdinEnd => to_input = None,
                Frame::Closed(stream) => {
                    if let Some(closed) = stream::CLOSED.get(usize::from(stream).wrapping_sub(1)) {
                        closed.store(true, Ordering::Relaxed);
                    }
                }
                Frame::Signal(number) => {
                    if let Ok(signal) = Signal::try_from(i32::from(number)) {
                        let _ = killpg(child, signal);
                    }
                }
                Frame::Resize(rows, columns) => {
                    if let Some(terminal) = &terminal {
                        stream::resize(terminal, rows, columns);
                    }
                }
                // Only the guest sends the other frames.
                _ => {}
            }
        }
    });
}

/// Reaps all processes that end, as the first process must, until the job ends. Returns the job's status.
fn wait_for(child: Pid) -> Result<u8> {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code as u8),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => return Ok(128 + signal as u8),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for the job"),
        }
    }
}
