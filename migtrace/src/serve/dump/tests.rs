//! A flight recording of a few events behind a server on a loopback address.

use std::{fs, net::SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    event::{Body as EventBody, Event, Phase},
    recording::Meta,
    serve::{
        Web,
        http::{self, tests::said},
    },
    trace::{Flight, Output, Plan, Trace},
};

/// A recording that has an event each second up to `end_s`, and answers until it is dropped.
async fn recorder(dir: &Path, end_s: u64) -> SocketAddr {
    let path = dir.join("my run.parquet");
    let plan = Plan { flight: Some(Flight { age: Duration::from_secs(1000), bytes: u64::MAX }), ..Plan::default() };
    let mut output = Output::create(&path, &Meta::default(), plan).expect("begun");
    for second in 1..=end_s {
        let phase = EventBody::Phase(Phase { text: "x".repeat(100) });
        output.push(&Event::at(second * 1_000_000_000, phase)).expect("pushed");
    }
    let listener = http::listen("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let (ask, mut asks) = mpsc::channel::<Ask>(1);
    tokio::spawn(http::answer(listener, router(ask, &path), Web::default(), CONNECTION_TIME));
    tokio::spawn(async move {
        while let Some(ask) = asks.recv().await {
            let _ = ask.send(output.snapshot(end_s * 1_000_000_000).expect("a snapshot"));
        }
    });
    address
}

/// Head and body of the response, its chunks joined.
async fn fetch(address: SocketAddr, query: &str) -> (String, Vec<u8>) {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET /dump{query} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("read");
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let mut rest = &bytes[head..];
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a chunk");
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    (String::from_utf8_lossy(&bytes[..head]).into_owned(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_a_whole_trace_of_the_time_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let address = recorder(dir.path(), 600).await;
    for (query, events) in [("", 600), ("?last=5m", 301), ("?last=10", 11), ("?last=1h", 600), ("?last=2%6D", 121)] {
        let (head, body) = fetch(address, query).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: application/vnd.apache.parquet\r\n"), "{head}");
        let name = head.split_once("attachment; filename=\"").expect("a name").1;
        assert!(name.starts_with("my_run-20") && name.contains("Z.parquet\"\r\n"), "{head}");
        let file = dir.path().join("got.parquet");
        fs::write(&file, body).expect("written");
        let trace = Trace::open(&file).expect("a trace");
        assert!(!trace.truncated() && trace.events().count() == events, "{query}");
        assert_eq!(trace.meta().evicted, Some(600 - events as u64), "{query}");
    }
    let names = fs::read_dir(dir.path().join("my run.parquet.partial")).expect("listed").count();
    assert_eq!(names, 1, "no file is left");
}

#[tokio::test]
async fn a_bad_request_gets_the_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let address = recorder(dir.path(), 1).await;
    for (request, status, part) in [
        ("GET /dump?last=soon", "400", "last=soon"),
        ("GET /dump?last=0", "400", "longer than 0"),
        ("GET /dump?last=-5m", "400", "last=-5m"),
        ("GET /dump?last=", "400", "last="),
        ("GET /dump?last=99999999999999999999h", "400", "last="),
        ("GET /dump?last=5m&last=6m", "400", "twice"),
        ("GET /dump?since=5m", "400", "unknown parameter since"),
        ("POST /dump?last=5m", "405", ""),
        ("GET /metrics", "404", ""),
        ("HEAD /dump?last=5m", "200", "attachment"),
    ] {
        let answer = said(address, &format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(part), "{request}: {answer}");
    }
}

/// Each trace that is being sent keeps its events in memory.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_is_sent_at_a_time_and_a_client_that_leaves_makes_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run.parquet");
    let (ask, mut asks) = mpsc::channel::<Ask>(1);
    let listener = http::listen("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(http::answer(listener, router(ask, &path), Web::default(), CONNECTION_TIME));
    let first = tokio::spawn(async move { said(address, "GET /dump HTTP/1.1\r\nHost: x\r\n\r\n").await });
    let waiting = asks.recv().await.expect("a client");
    let second = said(address, "GET /dump HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(second.starts_with("HTTP/1.1 503 ") && second.contains("retry-after: 5"), "{second}");
    drop(waiting);
    let first = first.await.expect("no panic");
    assert!(first.starts_with("HTTP/1.1 503 ") && first.contains("has ended"), "{first}");
    let third = tokio::spawn(async move { said(address, "GET /dump HTTP/1.1\r\nHost: x\r\n\r\n").await });
    assert!(asks.recv().await.is_some(), "there is room again");
    drop(asks);
    assert!(third.await.expect("no panic").contains("has ended"));
}
