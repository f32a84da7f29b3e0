//! Against a server on a loopback address.

use std::{path::Path, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::*;
use crate::{
    metrics::Families,
    serve::scrape::{self, Ask},
};

/// A server whose counts are empty.
async fn server() -> SocketAddr {
    secured(None).await
}

/// The same, with a --web-config file.
pub(in crate::serve) async fn secured(file: Option<&Path>) -> SocketAddr {
    let listener = listen("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let (ask, mut asks) = mpsc::channel::<Ask>(CONNECTIONS);
    let web = Web::new(file).await.expect("a usable file");
    tokio::spawn(answer(listener, scrape::router("/metrics", ask), web, CONNECTION_TIME));
    tokio::spawn(async move {
        while let Some(ask) = asks.recv().await {
            let _ = ask.send(Arc::new(Families::default()));
        }
    });
    address
}

/// The response to a request, until the connection is closed.
pub(in crate::serve) async fn said(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut said = Vec::new();
    // After a reset nothing more arrives.
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn only_one_path_is_answered_and_only_reads() {
    let address = server().await;
    let get = said(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(get.starts_with("HTTP/1.1 200 OK\r\n") && get.ends_with("\r\n\r\n"), "{get}");
    assert!(get.contains("content-type: text/plain; version=0.0.4"), "{get}");
    assert!(get.contains("vary: Accept\r\n"), "{get}");
    let head = said(address, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        ("GET /metrics/more HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", "405 Method Not Allowed"),
        ("DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed"),
        ("nonsense\r\n\r\n", "400 Bad Request"),
    ] {
        let answer = said(address, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let address = server().await;
    let large = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(2 * REQUEST_BYTES));
    assert!(!said(address, &large).await.contains(" 200 "));
    let many = "X: y\r\n".repeat(HEADERS + 1);
    assert!(!said(address, &format!("GET /metrics HTTP/1.1\r\n{many}\r\n")).await.contains(" 200 "));
}

#[tokio::test]
async fn those_who_say_nothing_make_room_for_others() {
    let address = server().await;
    let mut idle = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        idle.push(TcpStream::connect(address).await.expect("it listens"));
    }
    let began = Instant::now();
    let answer = said(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.contains(" 200 "), "{answer}");
    let waited = began.elapsed();
    // Earlier connections filled all slots twice, and each slot timed out.
    assert!(waited >= HEADER_TIME && waited < 3 * CONNECTION_TIME, "{waited:?}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_said() {
    let address = server().await;
    let error = listen(address).await.expect_err("it is taken").to_string();
    assert!(error.contains(&address.to_string()) && error.contains("--listen"), "{error}");
}

#[tokio::test]
async fn a_format_is_negotiated() {
    let address = server().await;
    let asked = async |accept: &str| said(address, &format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n")).await;
    let open = asked("Accept: text/plain;q=0.1\r\nACCEPT: Application/OpenMetrics-Text\r\n").await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{open}");
    assert!(open.ends_with("\r\n\r\n# EOF\n"), "{open}");
    let draft = asked("Accept: application/openmetrics-text; version=0.0.1\r\n").await;
    assert!(draft.contains("content-type: application/openmetrics-text; version=0.0.1"), "{draft}");
    let none = asked("Accept: */*;q=0\r\n").await;
    assert!(none.starts_with("HTTP/1.1 406 Not Acceptable\r\n") && none.contains("text/plain (0.0.4)"), "{none}");
}

/// As `curl -X GET --data-binary @FILE` sends it. A connection that is closed with unread bytes is reset, and the client may
/// lose the response.
#[tokio::test]
async fn a_body_does_not_cost_the_response() {
    let address = server().await;
    for bytes in [1, 100 << 10, 4 << 20] {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n");
        let answer = said(address, &(head + &"x".repeat(bytes))).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{bytes}: {answer}");
    }
}

#[tokio::test]
async fn other_parameters_do_not_matter() {
    let address = server().await;
    for query in ["?name[]=migtrace_faults_total", "?name%5B%5D=x&format=y", "?", "?%ff=%"] {
        let answer = said(address, &format!("GET /metrics{query} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{query}: {answer}");
    }
}
