//! Spans arrive at a collector, with the service's name and the span's.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use carbon_kube_telemetry::logs::{self, Format};

/// Takes one request and returns its first line and its body.
fn collector(listener: TcpListener) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request).unwrap();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if header == "\r\n" {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    (request, body)
}

#[test]
fn spans_reach_the_collector_before_the_process_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let received = thread::spawn(move || collector(listener));
    // Where tests of the workspace are built together, the exporter's client has TLS and wants one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let guard = logs::init("the-service", Format::Json, "info", Some(&endpoint)).unwrap();
    tracing::info_span!("answering").in_scope(|| tracing::info!("inside"));
    drop(guard);
    let (request, body) = received.join().unwrap();
    assert!(request.starts_with("POST /v1/traces "), "{request}");
    let holds = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("the-service") && holds("answering"));
}
