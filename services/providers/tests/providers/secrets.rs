//! No key in any error, debug output, log line or file, whatever a source answers: some echo it.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use carbon_kube_providers::config::ProviderName;
use secrecy::ExposeSecret;
use tracing_subscriber::fmt::MakeWriter;
use wiremock::ResponseTemplate;

use crate::stand::{KEY, Stand, time, zone_of};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn files(folder: &Path, seen: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, seen);
        } else {
            seen.push_str(&path.display().to_string());
            seen.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
}

/// The key as it is, and as it travels.
fn shows_the_key(text: &str) -> bool {
    let pair = base64(&format!("{KEY}:{KEY}"));
    text.contains(KEY) || text.contains(&pair)
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn no_text_and_no_file_shows_a_key() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let mut seen = String::new();
    let echo = format!(
        r#"{{"zone":"{KEY}","error":"bad key {KEY}","api_key":"{KEY}","carbonIntensity":"{KEY}","response":{{"total":"{KEY}","data":["{KEY}"]}},
            "data":[{{"point_time":"{KEY}"}}],"meta":"{KEY}","properties":{{"timestamp":"{KEY}"}},"datetime":"{KEY}"}}"#
    );
    let xml = format!("<GL_MarketDocument><TimeSeries>{KEY}</TimeSeries></GL_MarketDocument>");
    let bodies = [echo.as_str(), xml.as_str(), "", "<html>", KEY];
    for name in ProviderName::ALL {
        let stand = Stand::new().await;
        // What is no success is never read further, so one body is enough for it.
        let refused = [401, 403, 404, 429, 500, 302].map(|status| (status, echo.as_str()));
        for (status, body) in bodies.map(|body| (200, body)).into_iter().chain(refused) {
            stand.answers(ResponseTemplate::new(status).set_body_string(body)).await;
            let provider = stand.guarded(name, "{retries: 1, retryAfter: 1ms, refresh: 0s}");
            let zone = zone_of(name);
            let from = time("2026-01-01");
            for result in [
                provider.latest(&zone).await,
                provider.history(&zone, from, time("2026-01-02")).await,
                provider.forecast(&zone).await,
            ] {
                seen.push_str(&match result {
                    Ok(reading) => format!("{reading:?}"),
                    Err(error) => format!("{error} {error:?}"),
                });
            }
            seen.push_str(&format!("{:?} {:?}", stand.config("{}"), provider.health()));
            files(stand.context.folder.as_ref().unwrap(), &mut seen);
        }
    }
    drop(guard);
    let logged = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    assert!(logged.contains("the source can't be used"), "the log was not caught");
    // The server of the test logs its requests, keys and all: ours begin with the crate's name.
    let ours: Vec<&str> = logged.lines().filter(|line| !line.contains("wiremock")).collect();
    let shown: Vec<&str> = ours.iter().copied().filter(|line| shows_the_key(line)).collect();
    assert!(shown.is_empty(), "{:?}", shown.first());
    assert!(!shows_the_key(&seen), "a text or a file shows the key");
}

#[test]
fn a_request_and_a_key_show_neither_value() {
    use carbon_kube_providers::secret::KeySource;
    use carbon_kube_providers::transport::Request;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    let source = KeySource { env: None, file: Some(file.clone()) };
    let key = source.read().unwrap();
    assert_eq!(key.expose_secret(), KEY);
    let request = Request::get("https://example.org/x")
        .secret_query("api_key", key.clone())
        .secret_header("auth-token", key.clone());
    let shown = format!("{request:?} {key:?} {source:?}");
    assert!(!shown.contains(KEY) && shown.contains("api_key"), "{shown}");
    // A key of two words is not shown either.
    std::fs::write(&file, format!("{KEY} {KEY}")).unwrap();
    let error = source.read().unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY));
}
