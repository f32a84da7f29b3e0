//! The path of a flight recording's last events: `GET /dump?last=5m` answers with a trace.
//!
//! The recorder is asked for a snapshot, which costs it nothing but a message. A thread that may block encodes the snapshot
//! while it is sent. One is sent at a time, because each keeps its events in memory until it is sent.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::spawn_blocking,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{trace::Snapshot, units};

/// A client that waits for a snapshot.
pub type Ask = oneshot::Sender<Snapshot>;

/// Time limit of a connection: 256 MiB, the default of `--flight-size`, are sent at 2.2 MB/s.
pub const CONNECTION_TIME: Duration = Duration::from_secs(120);
/// Pieces that wait to be sent.
const PIECES: usize = 4;

#[derive(Clone)]
struct Dumps {
    asks: mpsc::Sender<Ask>,
    /// Begin of the name that a client saves a trace as.
    name: Arc<str>,
    sending: Arc<Semaphore>,
}

/// Answers `/dump` with the snapshots that `asks` returns, named after the recording's trace `output`.
pub fn router(asks: mpsc::Sender<Ask>, output: &Path) -> Router {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = stem.chars().map(plain).collect();
    let dumps = Dumps { asks, name: name.into(), sending: Arc::new(Semaphore::new(1)) };
    Router::new().route("/dump", get(dump)).with_state(dumps)
}

async fn dump(State(dumps): State<Dumps>, method: Method, RawQuery(query): RawQuery) -> Response {
    let last = match last(query.as_deref().unwrap_or_default()) {
        Ok(last) => last,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace(['-', ':'], "");
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.apache.parquet".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}-{time}.parquet\"", dumps.name)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    if method == Method::HEAD {
        return headers.into_response();
    }
    let Ok(place) = Arc::clone(&dumps.sending).try_acquire_owned() else {
        let busy = "another client is receiving a trace: try again when it has ended\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], busy).into_response();
    };
    let (ask, snapshot) = oneshot::channel();
    let ended = || (StatusCode::SERVICE_UNAVAILABLE, "the recording has not begun, or has ended\n").into_response();
    if dumps.asks.send(ask).await.is_err() {
        return ended();
    }
    let Ok(snapshot) = snapshot.await else { return ended() };
    let (pieces, body) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    spawn_blocking(move || {
        let _place = place;
        let gone = |_| io::ErrorKind::BrokenPipe.into();
        if let Err(error) = snapshot.stream(last, |piece| pieces.blocking_send(Ok(piece)).map_err(gone)) {
            log::debug!("a trace was not sent completely: {error}");
            // Without its regular end, so that the client knows. The client may be the one that left.
            let _ = pieces.blocking_send(Err(io::Error::other(error.to_string())));
        }
    });
    (headers, Body::from_stream(ReceiverStream::new(body))).into_response()
}

/// The time that a query asks for; `None`: all that there is.
fn last(query: &str) -> Result<Option<Duration>, String> {
    let mut last = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, last) {
            ("last", None) => {
                let time = units::seconds(&value);
                last = Some(time.map_err(|why| format!("last={value}: {why}; write last=30s or last=5m\n"))?);
            }
            ("last", Some(_)) => return Err("last is given twice\n".to_owned()),
            (name, _) => return Err(format!("unknown parameter {name}: there is only last, such as last=5m\n")),
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests;
