//! What comes from outside: keys, read on a thread, and signals.

use std::{io, thread};

use crossterm::event::{self, Event as Input};
use tokio::{signal::unix::Signal, sync::mpsc};

/// Waits for one of three signals.
pub(crate) async fn any(ends: &mut [io::Result<Signal>; 3]) {
    let [a, b, c] = ends;
    tokio::select! {
        () = one(a) => {}
        () = one(b) => {}
        () = one(c) => {}
    }
}

/// Waits for a signal; for ever where it cannot be listened for.
async fn one(end: &mut io::Result<Signal>) {
    match end {
        Ok(signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Reads keys on a thread; it ends with the program, or when the terminal is gone.
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
