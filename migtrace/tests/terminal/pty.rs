//! A program on a pseudoterminal of its own.

use std::{
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use assert_cmd::cargo::CommandCargoExt;
use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    pty::{Winsize, openpty},
    sys::termios::{FlowArg, LocalFlags, tcflow, tcgetattr},
};

const TIMEOUT: Duration = Duration::from_secs(30);
static ALONE: Mutex<()> = Mutex::new(());

/// The terminal's side, and the program.
pub(crate) struct Pty {
    child: Child,
    /// What the program writes comes from here, what is typed goes there.
    master: Option<File>,
    /// The program's side, kept open so that it can be examined when the program has ended.
    slave: Option<File>,
    output: Arc<Mutex<Vec<u8>>>,
    /// When the terminal answers a request of its status.
    answer: Arc<Mutex<Option<Duration>>>,
    hung_up: Arc<Mutex<bool>>,
}

impl Pty {
    pub(crate) fn start(dir: &Path, size: Winsize, arguments: &[&str]) -> Self {
        Self::started_with(dir, size, arguments, false)
    }

    pub(crate) fn started_with(dir: &Path, size: Winsize, arguments: &[&str], ignore_hang_up: bool) -> Self {
        let mut command = Command::cargo_bin("migtrace").expect("built");
        command.current_dir(dir).args(arguments);
        Self::spawn(command, size, ignore_hang_up)
    }

    /// A terminal that reports 0x0.
    pub(crate) fn with_size_of_environment(dir: &Path, size: Option<(&str, &str)>, arguments: &[&str]) -> Self {
        let mut command = Command::cargo_bin("migtrace").expect("built");
        command.current_dir(dir).args(arguments);
        if let Some((columns, lines)) = size {
            command.env("COLUMNS", columns).env("LINES", lines);
        }
        Self::spawn(command, Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 }, false)
    }

    fn spawn(mut command: Command, size: Winsize, ignore_hang_up: bool) -> Self {
        // Between the two calls, another test's program would inherit the terminal, and keep it open.
        let alone = ALONE.lock().expect("no panic");
        let pty = openpty(Some(&size), None).expect("a pseudoterminal");
        for end in [pty.master.as_fd(), pty.slave.as_fd()] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("set");
        }
        let of_terminal = || Stdio::from(pty.slave.try_clone().expect("cloned"));
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8");
        command.stdin(of_terminal()).stdout(of_terminal()).stderr(of_terminal());
        // SAFETY: setsid, ioctl and signal are async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                if ignore_hang_up {
                    libc::signal(libc::SIGHUP, libc::SIG_IGN);
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("started");
        drop((command, alone));
        let master = File::from(pty.master);
        let top = Self {
            child,
            slave: Some(File::from(pty.slave)),
            output: Arc::default(),
            answer: Arc::default(),
            hung_up: Arc::default(),
            master: Some(master.try_clone().expect("cloned")),
        };
        top.collect(master);
        top
    }

    /// Collects the output, and answers requests of the terminal's status if it is one that does.
    fn collect(&self, mut master: File) {
        let (output, answer, hung_up) = (self.output.clone(), self.answer.clone(), self.hung_up.clone());
        let flags = OFlag::from_bits_retain(fcntl(master.as_fd(), FcntlArg::F_GETFL).expect("flags"));
        fcntl(master.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).expect("set");
        thread::spawn(move || {
            let mut answered = 0;
            let mut bytes = [0; 4096];
            while !*hung_up.lock().expect("no panic") {
                match master.read(&mut bytes) {
                    Ok(0) => return,
                    Ok(n) => output.lock().expect("no panic").extend_from_slice(&bytes[..n]),
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(2)),
                    Err(_) => return,
                }
                let seen = output.lock().expect("no panic").windows(4).filter(|w| *w == b"\x1b[5n").count();
                if let (true, Some(delay)) = (seen > answered, *answer.lock().expect("no panic")) {
                    answered = seen;
                    let mut terminal = master.try_clone().expect("cloned");
                    thread::spawn(move || {
                        thread::sleep(delay);
                        // Fails if the terminal is gone by then.
                        let _ = terminal.write_all(b"\x1b[0n");
                    });
                }
            }
        });
    }

    pub(crate) fn answer_status_after(&self, delay: Duration) {
        *self.answer.lock().expect("no panic") = Some(delay);
    }

    pub(crate) fn press(&self, keys: &[u8]) {
        let mut rest = keys;
        let mut master = self.master.as_ref().expect("not hung up");
        while !rest.is_empty() {
            match master.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(2)),
                Err(e) => panic!("typing: {e}"),
            }
        }
    }

    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().expect("no panic")).into_owned()
    }

    pub(crate) fn wait_for(&self, text: &str) {
        let began = Instant::now();
        while !self.output().contains(text) {
            assert!(began.elapsed() < TIMEOUT, "no {text:?} in {:?}", self.output());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Closes the terminal, as when its window is closed or a line drops.
    pub(crate) fn hang_up(&mut self) {
        *self.hung_up.lock().expect("no panic") = true;
        self.slave = None;
        self.master = None;
    }

    /// Stops the output, as Ctrl-S or a line that is stuck does.
    pub(crate) fn take_no_output(&self) -> Stopped {
        let slave = self.slave.as_ref().expect("not hung up").try_clone().expect("cloned");
        tcflow(&slave, FlowArg::TCOOFF).expect("stopped");
        Stopped(slave)
    }

    pub(crate) fn resize(&self, size: Winsize) {
        let master = self.master.as_ref().expect("not hung up").as_raw_fd();
        // SAFETY: the structure outlives the call.
        let done = unsafe { libc::ioctl(master, libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(done, 0);
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// The exit status.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waited for") {
                return status;
            }
            assert!(began.elapsed() < TIMEOUT, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the terminal echoes and edits lines, as a shell expects.
    pub(crate) fn is_cooked(&self) -> bool {
        let mode = tcgetattr(self.slave.as_ref().expect("not hung up")).expect("its mode");
        mode.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }

    /// What a shell would read as typed.
    pub(crate) fn left_to_read(&self) -> Vec<u8> {
        thread::sleep(Duration::from_millis(100));
        let slave = self.slave.as_ref().expect("not hung up");
        let mut mode = tcgetattr(slave).expect("its mode");
        mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        mode.control_chars[libc::VMIN] = 0;
        nix::sys::termios::tcsetattr(slave, nix::sys::termios::SetArg::TCSANOW, &mode).expect("set");
        let mut left = vec![0; 4096];
        let read = (&*slave).read(&mut left).expect("read");
        left.truncate(read);
        left
    }
}

/// A terminal that takes no output.
pub(crate) struct Stopped(File);

impl Stopped {
    pub(crate) fn take_again(self) {
        tcflow(&self.0, FlowArg::TCOON).expect("goes on");
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        *self.hung_up.lock().expect("no panic") = true;
        // Fails if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
