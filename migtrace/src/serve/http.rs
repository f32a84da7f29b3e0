//! The HTTP server: one path, GET and HEAD, one request per connection.
//!
//! A connection is limited: to ten seconds, whatever it does, to a request of a few KiB, and to sixteen at once. More wait in
//! the kernel's queue, which is bounded too.

use std::{future::poll_fn, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
    time::{sleep, timeout},
};

use super::accept;
use crate::metrics::{Families, encode};

/// A scrape that waits for the metrics.
pub type Ask = oneshot::Sender<Arc<Families>>;

/// Limit of simultaneous connections.
pub const CONNECTIONS: usize = 16;
/// Time limit of a connection, from its start to the last byte of the response.
pub const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Time limit for receiving the request.
const HEADER_TIME: Duration = Duration::from_secs(5);
/// Size limit of a request, bytes: hyper's smallest limit is 8 KiB.
const REQUEST_BYTES: usize = 16 << 10;
const HEADERS: usize = 64;
/// Size limit of a request's body, which is read and not used.
const BODY_BYTES: usize = 8 << 20;
/// Response to a request whose `Accept` header excludes every format.
const NOT_ACCEPTABLE: &str = "The metrics are application/openmetrics-text (1.0.0, 0.0.1) or text/plain (0.0.4). The request's \
                              Accept header excludes both.\n";
/// Pause after a connection could not be accepted (no free file descriptor).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address cannot be bound.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}. Is another `migtrace serve` running? --listen takes another address")]
pub struct ListenError {
    address: SocketAddr,
    error: io::Error,
}

/// Binds to an address; requests are not answered yet.
///
/// # Errors
/// If it is in use or not an address of this machine.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|error| ListenError { address, error })
}

/// Serves requests for `path` with the metrics that `asks` returns. Never ends.
pub async fn answer(listener: TcpListener, path: &str, asks: mpsc::Sender<Ask>) {
    let router = Router::new().route(path, get(metrics)).layer(from_fn(read_body)).with_state(asks);
    let service = TowerToHyperService::new(router);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::debug!("accepting a connection failed: {error}");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = service.clone();
        tokio::spawn(async move {
            if timeout(CONNECTION_TIME, connection(stream, service)).await.is_err() {
                log::debug!("a connection timed out and was closed");
            }
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, service: TowerToHyperService<Router>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(REQUEST_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        log::debug!("a connection ended with an error: {error}");
    }
}

/// Reads the request's body, which means nothing. If a connection is closed with unread bytes, the kernel resets it, and the
/// client may lose the response.
async fn read_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut body = pin!(body);
    let mut bytes = 0;
    while let Some(Ok(frame)) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        bytes += frame.data_ref().map_or(0, |data| data.len());
        if bytes > BODY_BYTES {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        }
    }
    next.run(Request::from_parts(parts, Body::empty())).await
}

/// Encodes the metrics in the format that the scraper accepts.
async fn metrics(State(asks): State<mpsc::Sender<Ask>>, headers: HeaderMap) -> Response {
    let Some(format) = accept::format(&headers) else {
        return (StatusCode::NOT_ACCEPTABLE, NOT_ACCEPTABLE).into_response();
    };
    let (ask, families) = oneshot::channel();
    if asks.send(ask).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let Ok(families) = families.await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    match encode(&families, format) {
        Ok(text) => {
            let headers = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "Accept")];
            (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests;
