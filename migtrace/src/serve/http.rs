//! The HTTP server: connections, and what each may take; encryption and passwords are those of `web/`. What is answered, the
//! paths, is that of `scrape.rs`
//! and `dump.rs`.
//!
//! A connection has one request. It is limited: in time, whatever it does, to a request of a few KiB, and to sixteen at
//! once. More wait in the kernel's queue, which is bounded too.

use std::{future::poll_fn, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::StatusCode,
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::web::{Web, authenticate};

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
/// Pause after a connection could not be accepted (no free file descriptor).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address cannot be bound.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}. Is another migtrace running there? --listen takes another address")]
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

/// Answers requests by `router`, each within `limit`, usually [`CONNECTION_TIME`]. Never ends.
pub async fn answer(listener: TcpListener, router: Router, web: Web, limit: Duration) {
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
        let (router, web) = (router.clone(), web.clone());
        tokio::spawn(async move {
            if timeout(limit, connection(stream, router, web)).await.is_err() {
                log::debug!("a connection timed out and was closed");
            }
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, router: Router, web: Web) {
    let Some(settings) = web.settings().await else { return };
    let tls = settings.tls.clone();
    let router = router.layer(from_fn_with_state((web.users(), Arc::new(settings)), authenticate));
    let router = router.layer(from_fn(read_body));
    let Some(tls) = tls else { return serve(stream, router).await };
    match timeout(HEADER_TIME, is_tls(&stream)).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            let hint = Router::new().fallback(async || (StatusCode::BAD_REQUEST, "this port needs https\n"));
            return serve(stream, hint.layer(from_fn(read_body))).await;
        }
        Ok(Err(_)) | Err(_) => return,
    }
    match TlsAcceptor::from(tls).accept(stream).await {
        Ok(stream) => serve(stream, router).await,
        Err(error) => log::debug!("a TLS handshake failed: {error}"),
    }
}

/// Whether the first byte is that of a TLS handshake and not of an HTTP method.
async fn is_tls(stream: &TcpStream) -> io::Result<bool> {
    const HANDSHAKE: u8 = 0x16;
    let mut first = [0];
    stream.peek(&mut first).await?;
    Ok(first == [HANDSHAKE])
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(REQUEST_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await {
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

#[cfg(test)]
pub(super) mod tests;
