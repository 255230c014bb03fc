//! Which source speaks: by fixed sources that say what they are told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};
use carbon_kube_providers::chain::{Chain, Reason};
use carbon_kube_providers::config::ProvidersConfig;
use carbon_kube_providers::transport::{Request, Response, Transport, TransportError};
use carbon_kube_providers::{
    Clock, Context, ErrorKind, Health, Pending, Point, Provider, ProviderError, Reading, Source,
};
use futures::future::{BoxFuture, FutureExt};

use crate::stand::{time, zone};

type Said = Result<Reading, ProviderError>;

/// A source with an answer for each call; the last one again and again.
struct Fixed {
    name: &'static str,
    latest: Mutex<VecDeque<Said>>,
    past: Option<Reading>,
}

impl Provider for Fixed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signal(&self) -> Signal {
        Signal::Average
    }

    fn serves(&self, _: &Zone) -> bool {
        true
    }

    fn latest<'a>(&'a self, _: &'a Zone) -> Pending<'a> {
        let mut all = self.latest.lock().unwrap();
        let said = if all.len() > 1 { all.pop_front() } else { all.front().cloned() };
        futures::future::ready(said.unwrap()).boxed()
    }

    fn history<'a>(&'a self, _: &'a Zone, _: Time, _: Time) -> Pending<'a> {
        futures::future::ready(self.past.clone().ok_or(ProviderError::NotOffered)).boxed()
    }

    fn health(&self) -> Health {
        Health::default()
    }
}

/// Nothing here asks a network.
struct Nowhere;

impl Transport for Nowhere {
    fn send<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        unreachable!()
    }
}

const NOON: &str = "2026-03-29T12:10:00Z";

fn reading(source: Source, start: &str, value: f64) -> Reading {
    let confidence = if source == Source::NwsProxy { 0.15 } else { 0.9 };
    let value = GramsPerKwh::new(value).unwrap();
    let (start, is_estimated) = (time(start), false);
    Reading {
        zone: zone("US-TX"),
        source,
        signal: Signal::Average,
        factor_set: "local".into(),
        points: vec![Point { start, span: Span::HOUR, value, is_estimated }],
        fetched_at: time(NOON),
        updated_at: None,
        confidence,
    }
}

fn source(name: &'static str, latest: Vec<Said>) -> Arc<dyn Provider> {
    Arc::new(Fixed { name, latest: Mutex::new(latest.into()), past: None })
}

fn context() -> Context {
    let mut context = Context::new(Arc::new(Nowhere));
    context.clock = Clock::starting_at(time(NOON));
    context
}

fn chain(order: &str, sources: Vec<Arc<dyn Provider>>, context: &Context) -> Chain {
    let text = format!("eia: {{}}\nelectricityMaps: {{}}\nnws: {{}}\nchain: {{order: [{order}]}}");
    let config: ProvidersConfig = serde_saphyr::from_str(&text).unwrap();
    Chain::new(&config, sources, context)
}

fn unavailable() -> Said {
    Err(ProviderError::Unavailable("gone".into()))
}

#[tokio::test(start_paused = true)]
async fn the_first_source_that_is_believed_speaks_and_the_others_have_their_reasons() {
    let sources = vec![
        source("eia", vec![Ok(reading(Source::Eia, "2026-03-29T12:00:00Z", 300.0))]),
        source(
            "electricity-maps",
            vec![Ok(reading(Source::ElectricityMaps, "2026-03-29T04:00:00Z", 310.0))],
        ),
        source("nws", vec![Ok(reading(Source::NwsProxy, "2026-03-29T12:00:00Z", 320.0))]),
    ];
    let chain = chain("electricity-maps, nws, eia", sources, &context());
    let answer = chain.latest(&zone("US-TX")).await.unwrap();
    assert_eq!(answer.reading.source, Source::Eia);
    assert_eq!(answer.observed_at, Some(time("2026-03-29T12:00:00Z")));
    let why: Vec<String> =
        answer.passed_over.iter().map(|p| format!("{}: {}", p.provider, p.reason)).collect();
    assert_eq!(why, ["electricity-maps: not believed: is 7h10m old"]);
}

#[tokio::test(start_paused = true)]
async fn another_signal_and_another_zone_are_not_believed() {
    let marginal =
        Reading { signal: Signal::Marginal, ..reading(Source::Eia, "2026-03-29T12:00:00Z", 300.0) };
    let elsewhere =
        Reading { zone: zone("US-NY"), ..reading(Source::Eia, "2026-03-29T12:00:00Z", 300.0) };
    for (said, expected) in [
        (marginal, "malformed answer: the values are marginal"),
        (elsewhere, "not believed: is of zone `US-NY`"),
    ] {
        let chain = chain("eia", vec![source("eia", vec![Ok(said)])], &context());
        let answer = chain.latest(&zone("US-TX")).await.unwrap();
        assert_eq!(answer.reading.source, Source::TypicalYear);
        assert_eq!(answer.passed_over[0].reason.to_string(), expected);
    }
}

/// The proxy is trusted to 0.15: the last known value is worth more for 12 h x ln(0.9 / 0.15) = 21.5 h.
#[tokio::test(start_paused = true)]
async fn the_proxy_speaks_once_the_last_known_value_is_worth_less() {
    let sources = vec![
        source("eia", vec![Ok(reading(Source::Eia, "2026-03-29T12:00:00Z", 300.0)), unavailable()]),
        source("nws", vec![Ok(reading(Source::NwsProxy, "2026-03-30T10:00:00Z", 320.0))]),
    ];
    let context = context();
    let mut config: ProvidersConfig =
        serde_saphyr::from_str("eia: {}\nnws: {}\nchain: {order: [eia, nws]}").unwrap();
    // The proxy of this test is of one hour, and has to be fresh for two days.
    config.chain.plausibility.max_age = Span::DAY * 3;
    config.chain.plausibility.max_skew = Span::DAY * 3;
    let chain = Chain::new(&config, sources, &context);
    let texas = zone("US-TX");
    let mut lines = Vec::new();
    for hour in 0..30 {
        let answer = chain.latest(&texas).await.unwrap();
        let line = format!("{} {:.2}", answer.reading.source, answer.reading.confidence);
        if hour == 0 || hour == 1 || hour == 22 || hour == 23 {
            lines.push(format!("{hour} {line}"));
        }
        if answer.reading.source == Source::Decay {
            let reason = &answer.passed_over.last().unwrap().reason;
            assert_eq!(*reason, Reason::TrustedLess);
        }
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
    // The last known hour ended at 13:00, 50 minutes after the start.
    assert_eq!(lines, ["0 eia 0.90", "1 decay 0.89", "22 decay 0.15", "23 nws-proxy 0.15"]);
}

#[tokio::test(start_paused = true)]
async fn a_jump_is_left_out_and_a_change_that_lasts_is_believed() {
    let jump = |hour: u32| Ok(reading(Source::Eia, &format!("2026-03-29T{hour}:00:00Z"), 700.0));
    let said = vec![Ok(reading(Source::Eia, "2026-03-29T12:00:00Z", 300.0)), jump(13), jump(14)];
    let chain = chain("eia", vec![source("eia", said)], &context());
    let texas = zone("US-TX");
    let mut sources = Vec::new();
    for _ in 0..3 {
        sources.push(chain.latest(&texas).await.unwrap().reading.source.as_str());
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
    // 400 g in one hour is too much; in two hours it is 200 in each.
    assert_eq!(sources, ["eia", "decay", "eia"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_known_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut context = context();
    context.folder = Some(folder.path().to_owned());
    let texas = zone("US-TX");
    let first = source("eia", vec![Ok(reading(Source::Eia, "2026-03-29T12:00:00Z", 300.0))]);
    chain("eia", vec![first], &context).latest(&texas).await.unwrap();
    let again = chain("eia", vec![source("eia", vec![unavailable()])], &context);
    let answer = again.latest(&texas).await.unwrap();
    assert_eq!(answer.reading.source, Source::Decay);
    assert!((answer.reading.last().unwrap().value.get() - 300.0).abs() < 1e-9);
    assert_eq!(again.history(&texas).unwrap().points.len(), 1);
    let reason = &answer.passed_over[0].reason;
    assert!(matches!(reason, Reason::Provider(error) if error.kind() == ErrorKind::Unavailable));
}

/// "Latest" is always an estimate; the measured value comes a day later, and changes the past once.
#[tokio::test(start_paused = true)]
async fn estimates_are_corrected_once_and_never_back() {
    let estimate = |value: f64| {
        let mut said = reading(Source::ElectricityMaps, "2026-03-29T12:00:00Z", value);
        said.points[0].is_estimated = true;
        said
    };
    let past = reading(Source::ElectricityMaps, "2026-03-29T12:00:00Z", 333.0);
    let source: Arc<dyn Provider> = Arc::new(Fixed {
        name: "electricity-maps",
        latest: Mutex::new(vec![Ok(estimate(300.0))].into()),
        past: Some(past),
    });
    let chain = chain("electricity-maps", vec![source], &context());
    let texas = zone("US-TX");
    chain.remember(&estimate(290.0));
    let value = || chain.history(&texas).unwrap().points[0].value.get();
    assert!((value() - 290.0).abs() < 1e-9);
    let corrected = chain.reconcile(&texas).await.unwrap();
    assert_eq!(corrected.points.len(), 1);
    assert!((value() - 333.0).abs() < 1e-9);
    chain.latest(&texas).await.unwrap();
    assert!((value() - 333.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn for_a_zone_that_nobody_knows_nobody_speaks() {
    let chain = chain("eia", vec![source("eia", vec![unavailable()])], &context());
    assert!(chain.latest(&zone("MOON-1")).await.is_none());
    assert!(chain.history(&zone("MOON-1")).is_none());
    assert!(chain.forecast(&zone("MOON-1")).await.is_none());
}
