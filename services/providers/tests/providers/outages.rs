//! Two days of outages on a virtual clock, in a second: what is said, how far it is trusted, and what
//! the breaker does, at every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carbon_kube_core::{Span, Time};
use carbon_kube_providers::chain::Answer;
use carbon_kube_providers::config::ProvidersConfig;
use carbon_kube_providers::transport::{Request, Response, Transport, TransportError};
use carbon_kube_providers::{Circuit, Clock, Context, Source, sources};
use futures::future::{BoxFuture, FutureExt};
use secrecy::ExposeSecret;

use crate::stand::{time, zone};

/// What a source does, from some hour on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weather {
    Fine,
    Error,
    Hang,
    Html,
    Throttled,
    KeyRefused,
    Absurd,
    Frozen,
    Ahead,
}

/// A source of fixed behaviour by the hour, without any network.
struct Script {
    clock: Clock,
    start: Time,
    hours: Vec<(f64, Weather)>,
    requests: Mutex<BTreeMap<&'static str, usize>>,
}

impl Script {
    fn weather(&self) -> Weather {
        let hour = (self.clock.now() - self.start).hours();
        let past = self.hours.iter().rev().find(|(from, _)| *from <= hour);
        past.map_or(Weather::Fine, |(_, weather)| *weather)
    }

    /// The grid itself: 300 g/kWh at midnight, 100 more at noon by the clocks of Germany, which go
    /// forward in the first night.
    fn intensity(at: Time) -> f64 {
        let hour = f64::from(at.local(&zone("EU-DE").clock()).hour());
        300.0 + 50.0 * (1.0 - (hour / 24.0 * std::f64::consts::TAU).cos())
    }

    fn item(at: Time, factor: f64) -> String {
        let value = Self::intensity(at) * factor;
        format!(
            r#"{{"zone":"DE","carbonIntensity":{value},"datetime":"{at}","isEstimated":false,"emissionFactorType":"direct"}}"#
        )
    }

    fn body(&self, request: &Request, weather: Weather) -> String {
        let hour = match weather {
            // The newest value stays that of the hour when it froze.
            Weather::Frozen => (self.start + Span::HOUR * 40).floor(Span::HOUR),
            Weather::Ahead => self.clock.now().floor(Span::HOUR) + Span::DAY,
            _ => self.clock.now().floor(Span::HOUR),
        };
        if request.url.ends_with("/history") {
            let items: Vec<String> =
                (0..24).map(|i| Self::item(hour - Span::HOUR * i, 1.0)).collect();
            return format!(r#"{{"zone":"DE","history":[{}]}}"#, items.join(","));
        }
        Self::item(hour, if weather == Weather::Absurd { 20.0 } else { 1.0 })
    }
}

impl Transport for Script {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        async move {
            assert!(request.query.iter().any(|(name, value)| {
                name == "shouldUseFallbackCallerLookup" && value.expose_secret() == "false"
            }));
            let call = if request.url.ends_with("/history") { "history" } else { "latest" };
            *self.requests.lock().unwrap().entry(call).or_default() += 1;
            let weather = self.weather();
            let response = |status: u16, body: String| Response {
                status,
                body: body.into_bytes(),
                ..Response::default()
            };
            match weather {
                Weather::Fine | Weather::Absurd | Weather::Frozen | Weather::Ahead => {
                    Ok(response(200, self.body(request, weather)))
                }
                Weather::Error => Ok(response(500, String::new())),
                Weather::Html => Ok(response(200, "<html>maintenance</html>".to_owned())),
                Weather::KeyRefused => Ok(response(401, String::new())),
                Weather::Throttled => {
                    let retry_after = Some("1800".to_owned());
                    Ok(Response { retry_after, ..response(429, String::new()) })
                }
                Weather::Hang => std::future::pending().await,
            }
        }
        .boxed()
    }
}

/// When what is said changes: hour and minute since the start, source, circuit, confidence, and the
/// age of what is behind it in hours.
fn line(since: Span, answer: &Answer, circuit: Circuit, now: Time) -> String {
    let minutes = since.millis() / 60_000;
    let age = answer
        .observed_at
        .map_or("-".to_owned(), |at| format!("{:.0}", (now - at).hours().floor()));
    format!(
        "{:02}:{:02} {} {:?} {:.2} {age}h",
        minutes / 60,
        minutes % 60,
        answer.reading.source,
        circuit,
        answer.reading.confidence
    )
}

struct Play {
    lines: Vec<String>,
    answers: Vec<(Time, Answer)>,
    requests: BTreeMap<&'static str, usize>,
}

/// Asks every five minutes for two days. A line for each change of source or circuit.
async fn play(hours: &[(f64, Weather)]) -> Play {
    let start = time("2026-03-28T12:02:00Z");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "key").unwrap();
    let script = Arc::new(Script {
        clock: Clock::starting_at(start),
        start,
        hours: hours.to_vec(),
        requests: Mutex::default(),
    });
    let mut context = Context::new(Arc::clone(&script) as Arc<dyn Transport>);
    context.clock = script.clock;
    let text = format!("electricityMaps: {{keyFile: {}}}", folder.path().join("key").display());
    let config: ProvidersConfig = serde_saphyr::from_str(&text).unwrap();
    let chain = sources::chain(&config, &context);
    let germany = zone("EU-DE");
    let (mut lines, mut answers, mut last) = (Vec::new(), Vec::new(), None);
    for step in 0..48 * 12 {
        let now = context.clock.now();
        let answer = chain.latest(&germany).await.unwrap();
        let circuit = chain.health()["electricity-maps"].zones[&germany].circuit;
        let state = Some((answer.reading.source, circuit));
        if last != state {
            lines.push(line(now - start, &answer, circuit, now));
            last = state;
        }
        answers.push((context.clock.now(), answer));
        // The next multiple of five minutes, however long the answer took.
        let next = start + Span::MINUTE * 5 * (step + 1);
        let wait = (next - context.clock.now()).millis().max(0);
        tokio::time::sleep(Duration::from_millis(wait as u64)).await;
    }
    let requests = script.requests.lock().unwrap().clone();
    Play { lines, answers, requests }
}

#[tokio::test(start_paused = true)]
async fn two_fine_days_cost_a_request_an_hour() {
    let play = play(&[]).await;
    assert_eq!(play.lines, ["00:00 electricity-maps Closed 1.00 0h"]);
    // 12:02 of one day to 11:57 two days later touches 48 hours. The history is asked for once: it
    // has the whole day.
    assert_eq!(play.requests, BTreeMap::from([("history", 1), ("latest", 48)]));
    for (now, answer) in &play.answers {
        let value = answer.reading.last().unwrap().value.get();
        assert!((value - Script::intensity(*now)).abs() < 1e-6);
    }
}

#[tokio::test(start_paused = true)]
async fn two_days_of_outages_are_bridged_step_by_step() {
    let play = play(&[
        (0.0, Weather::Fine),
        // An error of three hours and a half: three calls, then the breaker.
        (2.5, Weather::Error),
        (6.0, Weather::Fine),
        // The one call of an hour is told to come back in half an hour.
        (8.9, Weather::Throttled),
        (9.1, Weather::Fine),
        // Thirty hours of silence, longer than the last value is worth anything.
        (10.0, Weather::Hang),
        (40.0, Weather::Fine),
        (42.0, Weather::Absurd),
        (43.0, Weather::Html),
        (44.0, Weather::KeyRefused),
        (45.0, Weather::Fine),
    ])
    .await;
    assert_eq!(
        play.lines,
        [
            "00:00 electricity-maps Closed 1.00 0h",
            // The value of the hour is over, and the next one can't be had; after three calls the
            // breaker opens, and tries after 5, 10, 20, 30, 30, ... minutes.
            "03:00 decay Closed 1.00 1h",
            "03:10 decay Open 0.98 1h",
            "06:20 electricity-maps Closed 1.00 0h",
            // Told to come back in half an hour, it does.
            "09:00 decay Closed 1.00 1h",
            "09:30 electricity-maps Closed 1.00 0h",
            "10:00 decay Closed 1.00 1h",
            "10:10 decay Open 0.98 1h",
            // e^(-27.63 h / 12 h) = 0.1: no more than the typical year is worth.
            "37:40 typical-year Open 0.10 -h",
            "40:10 electricity-maps Closed 1.00 0h",
            // A value that is not believed is no failure of the source; HTML and a refused key are.
            "42:00 decay Closed 1.00 1h",
            "43:10 decay Open 0.90 2h",
            "45:15 electricity-maps Closed 1.00 0h",
        ]
    );
    for (now, answer) in &play.answers {
        check_truth(*now, answer);
    }
    // Retries and probes included, a sixth of what asking every five minutes costs.
    assert!(play.requests["latest"] < 144, "{:?}", play.requests);
}

/// Whatever is said is near the truth, which repeats daily here, or says how little it is trusted.
fn check_truth(now: Time, answer: &Answer) {
    let reading = &answer.reading;
    let value = reading.last().unwrap().value.get();
    match reading.source {
        // Believed values are at most three hours and their own hour old: 40 g/kWh of drift.
        Source::ElectricityMaps => {
            let observed = answer.observed_at.unwrap();
            assert!((value - Script::intensity(observed)).abs() < 1e-6);
            assert!(now - observed <= Span::HOUR * 4);
        }
        // The zone's own day is known, and the grid repeats it: the decay finds it exactly.
        Source::Decay => {
            assert!((value - Script::intensity(now)).abs() < 1e-6, "{now}: {value}");
            assert!(reading.confidence < 1.0 && reading.confidence >= 0.1);
            let age = now - answer.observed_at.unwrap() - Span::HOUR;
            let expected = (-age.hours().max(0.0) / 12.0).exp();
            assert!((reading.confidence - expected).abs() < 0.01, "{now}: {}", reading.confidence);
        }
        Source::TypicalYear => {
            assert!((reading.confidence - 0.1).abs() < 1e-9);
            assert!(answer.observed_at.is_none());
        }
        other => panic!("{other}"),
    }
    assert!(reading.last().unwrap().start <= now);
}

/// An answer of tomorrow is not believed, and not kept until tomorrow either.
#[tokio::test(start_paused = true)]
async fn one_answer_of_the_future_silences_nobody() {
    let play = play(&[(1.0, Weather::Ahead), (2.0, Weather::Fine)]).await;
    let start = play.answers[0].0;
    let source_at = |from: i64, until: i64| {
        let within = |at: &Time| (from..until).contains(&((*at - start).millis() / 60_000));
        let sources = play.answers.iter().filter(|(at, _)| within(at));
        sources.map(|(_, answer)| answer.reading.source).collect::<BTreeSet<Source>>()
    };
    assert_eq!(source_at(66, 120), BTreeSet::from([Source::Decay]), "{:?}", play.lines);
    let after = source_at(126, 48 * 60);
    assert_eq!(after, BTreeSet::from([Source::ElectricityMaps]), "{:?}", play.lines);
}

/// A source whose clock stops is believed for the age that is allowed, and no longer.
#[tokio::test(start_paused = true)]
async fn a_frozen_clock_does_not_look_alive() {
    let play = play(&[(0.0, Weather::Fine), (41.0, Weather::Frozen)]).await;
    assert_eq!(
        play.lines,
        [
            "00:00 electricity-maps Closed 1.00 0h",
            // The hour that froze ended two minutes before 41:00; three hours later the first call
            // finds it too old.
            "44:00 decay Closed 0.78 4h",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_any_answer_the_typical_year_speaks_from_the_start() {
    let play = play(&[(0.0, Weather::Error)]).await;
    assert!(play.lines[0].starts_with("00:00 typical-year Closed 0.10 -h"), "{:?}", play.lines);
    assert!(play.answers.iter().all(|(_, answer)| answer.reading.source == Source::TypicalYear));
    assert!(play.lines.iter().any(|line| line.contains("Open")));
}
