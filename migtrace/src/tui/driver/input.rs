//! What comes from outside: keys and the mouse, read on a thread, and signals.

use std::{
    io::{self, PipeReader, PipeWriter},
    sync::Mutex,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossterm::event::{
    self, Event as Input, KeyCode as Code, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use tokio::{signal::unix::Signal, sync::mpsc};

use crate::tui::{
    state::{
        app::App,
        effect::Effect,
        key::{Key, KeyCode},
    },
    view::hit,
};

/// Waits for one of three signals.
pub(crate) async fn any(ends: &mut [io::Result<Signal>; 3]) {
    let [a, b, c] = ends;
    tokio::select! {
        () = one(a) => {}
        () = one(b) => {}
        () = one(c) => {}
    }
}

/// Waits for a signal, for ever if it cannot be caught.
async fn one(end: &mut io::Result<Signal>) {
    match end {
        Ok(signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// How long the terminal may take to answer when it is given back. A line over a satellite takes 600 ms; a terminal that
/// never answers delays the end by as much.
const ANSWER: Duration = Duration::from_secs(1);
/// The answer to `CSI 5 n`.
const STATUS: &[u8] = b"\x1b[0n";
/// Inputs that may wait.
const INPUTS: usize = 64;

/// Stops the thread that reads, when it is dropped.
static STOP: Mutex<Option<PipeWriter>> = Mutex::new(None);

/// Reads input on a thread, until it is stopped or the terminal is gone.
pub(crate) struct Reader {
    inputs: Option<mpsc::Receiver<Input>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    pub(crate) fn start() -> io::Result<Self> {
        let (stop, writer) = io::pipe()?;
        let (sender, inputs) = mpsc::channel(INPUTS);
        if let Ok(mut guard) = STOP.lock() {
            *guard = Some(writer);
        }
        let thread = thread::Builder::new().name("keys".to_owned()).spawn(move || read(&stop, &sender))?;
        Ok(Self { inputs: Some(inputs), thread: Some(thread) })
    }

    /// The next input; `None` if the terminal is gone. Can be cancelled and called again.
    pub(crate) async fn next(&mut self) -> Option<Input> {
        self.inputs.as_mut()?.recv().await
    }

    /// An input that has come already.
    pub(crate) fn waiting(&mut self) -> Option<Input> {
        self.inputs.as_mut()?.try_recv().ok()
    }

    /// Stops to read. What was typed since stays in the terminal.
    pub(crate) fn stop(&mut self) {
        stop_reading();
        // A thread that waits for room returns when there is no receiver.
        self.inputs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Stops the thread that reads, from any thread, and does not wait for it.
pub(crate) fn stop_reading() {
    if let Ok(mut guard) = STOP.lock() {
        guard.take();
    }
}

/// crossterm reads only when there is something to read. Its own wait never returns if the terminal has hung up: each read
/// then returns 0 bytes or EIO, and it reads again.
fn read(stop: &PipeReader, sender: &mpsc::Sender<Input>) {
    let stdin = rustix::stdio::stdin();
    let mut looks: u32 = 0;
    loop {
        let mut ready = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        let until_next_look = (looks > 0).then_some(NEXT_LOOK);
        looks = looks.saturating_sub(1);
        match poll(&mut ready, until_next_look.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        let [keys, stop] = ready.map(|fd| fd.revents());
        if !stop.is_empty() || keys.intersects(GONE) {
            return;
        }
        // A wait of 0 would not return what crossterm has parsed and not yet returned.
        while let Ok(true) = event::poll(Duration::from_millis(1)) {
            let Ok(input) = event::read() else { return };
            looks = LOOKS;
            if sender.blocking_send(input).is_err() {
                return;
            }
        }
    }
}

/// Checks of crossterm for another input, after one. A check returns at once, without looking, if this thread did not run
/// for longer than the wait, as on a busy host. A key that had come with another one would then wait for the next key.
const LOOKS: u32 = 10;
const NEXT_LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
const GONE: PollFlags = PollFlags::HUP.union(PollFlags::ERR).union(PollFlags::NVAL);

/// Reads and drops what the terminal has sent before it answers a request of its status. Also drops keys typed meanwhile.
pub(crate) fn drain() {
    let stdin = rustix::stdio::stdin();
    let began = Instant::now();
    let mut seen = Vec::new();
    let mut bytes = [0; 1024];
    while let Some(left) = ANSWER.checked_sub(began.elapsed()).and_then(|left| left.try_into().ok()) {
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, Some(&left)) {
            Ok(0) => break,
            Err(Errno::INTR) => continue,
            Err(_) => break,
            Ok(_) if ready[0].revents().intersects(GONE) => break,
            Ok(_) => {}
        }
        let Ok(read) = rustix::io::read(stdin, &mut bytes) else { break };
        seen.extend_from_slice(&bytes[..read]);
        if memchr::memmem::find(&seen, STATUS).is_some() {
            break;
        }
        // The answer may be split over two reads.
        seen.drain(..seen.len().saturating_sub(STATUS.len() - 1));
    }
}

/// Hands a key of the terminal to the state.
pub fn key(app: &mut App, event: KeyEvent) -> Option<Effect> {
    let key = key_of(event)?;
    let screen = hit::screen(app);
    app.key(key, &screen)
}

/// Hands a mouse event of the terminal to the state.
pub fn mouse(app: &mut App, event: MouseEvent) -> Option<Effect> {
    match event.kind {
        MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
            let screen = hit::screen(app);
            app.wheel(event.kind == MouseEventKind::ScrollUp, &screen);
            None
        }
        MouseEventKind::Down(MouseButton::Left) => {
            let target = hit::target(app, event.column, event.row)?;
            let screen = hit::screen(app);
            app.click(target, &screen)
        }
        _ => None,
    }
}

/// `None` for a released key, and for keys without a use here, such as media keys.
fn key_of(event: KeyEvent) -> Option<Key> {
    let code = match event.code {
        _ if event.kind == KeyEventKind::Release => return None,
        Code::Char(c) => KeyCode::Char(c),
        Code::F(n) => KeyCode::F(n),
        Code::Enter => KeyCode::Enter,
        Code::Esc => KeyCode::Esc,
        Code::Tab => KeyCode::Tab,
        Code::BackTab => KeyCode::BackTab,
        Code::Backspace => KeyCode::Backspace,
        Code::Up => KeyCode::Up,
        Code::Down => KeyCode::Down,
        Code::Left => KeyCode::Left,
        Code::Right => KeyCode::Right,
        Code::Home => KeyCode::Home,
        Code::End => KeyCode::End,
        Code::PageUp => KeyCode::PageUp,
        Code::PageDown => KeyCode::PageDown,
        Code::Insert => KeyCode::Insert,
        Code::Delete => KeyCode::Delete,
        _ => return None,
    };
    let held = |modifier| event.modifiers.contains(modifier);
    Some(Key { code, ctrl: held(KeyModifiers::CONTROL), alt: held(KeyModifiers::ALT) })
}
