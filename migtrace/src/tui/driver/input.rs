//! What comes from outside: keys and the mouse, read on a thread, and signals.

use std::{io, thread};

use crossterm::event::{
    self, Event as Input, KeyCode as Code, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
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

/// Reads input on a thread, which ends with the program or when the terminal is gone.
pub(crate) fn inputs() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(64);
    thread::spawn(move || {
        while let Ok(input) = event::read() {
            if sender.blocking_send(input).is_err() {
                return;
            }
        }
    });
    receiver
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
