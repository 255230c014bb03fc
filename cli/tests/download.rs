//! `datasets download`: a live source becomes a file that every reader knows.

#![cfg(feature = "download")]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use support::Workplace;

/// A server that gives every request this answer, and the address for it.
fn server(status: &'static str, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 8_192];
            let _ = stream.read(&mut head);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    format!("http://{address}")
}

/// Two hours of Great Britain by half-hours, the third one missing.
fn half_hours() -> String {
    let half_hour = |from: &str, to: &str, actual: u32| {
        format!(
            r#"{{"from":"2026-01-01T{from}Z","to":"2026-01-01T{to}Z","intensity":{{"forecast":99,"actual":{actual},"index":"low"}}}}"#
        )
    };
    let all = [
        half_hour("00:00", "00:30", 100),
        half_hour("00:30", "01:00", 110),
        half_hour("01:30", "02:00", 130),
    ];
    format!(r#"{{"data":[{}]}}"#, all.join(","))
}

const RANGE: &str = "datasets download --zone EU-UK --from 2026-01-01 --to 2026-01-01T02:00:00Z \
                     --source gb-carbon-intensity --config providers.yaml";

fn workplace(url: &str) -> Workplace {
    let workplace = Workplace::new();
    workplace.write(
        "providers.yaml",
        format!("gbCarbonIntensity: {{baseUrl: '{url}', guard: {{retries: 0}}}}\n"),
    );
    workplace
}

#[test]
fn what_was_downloaded_is_read_as_a_series() {
    let workplace = workplace(&server("200 OK", half_hours()));
    let ended = workplace.run(&format!("{RANGE} -o uk.parquet"));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.contains("signal        average, direct, factors gb-carbon-intensity, measured"),
        "{}",
        ended.out
    );
    let ended = workplace.run("datasets convert uk.parquet -o uk.csv");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let text = workplace.read("uk.csv");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("2026")).collect();
    assert_eq!(
        rows,
        [
            "2026-01-01T00:00:00Z,100",
            "2026-01-01T00:30:00Z,110",
            "2026-01-01T01:00:00Z,",
            "2026-01-01T01:30:00Z,130",
        ]
    );
    assert!(text.contains("# carbon-kube.download: {"), "{text}");
    // A second time it would replace the file.
    assert_eq!(workplace.run(&format!("{RANGE} -o uk.parquet")).code, Some(2));
}

#[test]
fn a_source_that_fails_says_how_and_leaves_no_file() {
    let workplace = workplace(&server("500 Internal Server Error", String::new()));
    let ended = workplace.run(&format!("{RANGE} -o uk.parquet"));
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.err,
        "error: gb-carbon-intensity: unavailable: status 500\nhint: try again later\n"
    );
    assert!(!workplace.path().join("uk.parquet").exists());
}

#[test]
fn a_missing_key_a_wrong_source_and_a_wrong_zone_are_named() {
    let workplace = Workplace::new();
    for (words, expected) in [
        ("--zone US-TX --source eia", "no key: the variable `EIA_API_KEY` is not set"),
        ("--zone US-TX --source aws", "`aws` is no source; there are electricity-maps, eia,"),
        ("--zone US-TX --source gb-carbon-intensity", "does not know zone `US-TX`"),
        ("--zone US-TX --source nws", "has no section in the configuration"),
    ] {
        let ended = workplace.run(&format!(
            "datasets download --from 2026-01-01 --to 2026-01-02 -o out.csv {words}"
        ));
        assert_eq!(ended.code, Some(2), "{words}");
        assert!(ended.err.contains(expected), "{words}: {}", ended.err);
    }
}
