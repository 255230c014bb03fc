//! A source of grid data on loopback: Electricity Maps, as far as a poller asks it.

use carbon_kube_core::{Span, Time};
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// Hours of the past that it knows.
const HOURS: i64 = 24;

/// A running source. It ends when it is dropped.
pub struct GridSource(MockServer);

impl GridSource {
    /// Starts it. Every zone has the same values: 200 g/kWh at midnight UTC, and 5 more each hour.
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        for (route, answer) in [("latest", latest as fn(&str, Time) -> Value), ("history", history)]
        {
            let respond = move |request: &Request| {
                let zone = request.url.query_pairs().find(|(name, _)| name == "zone");
                let zone = zone.map(|(_, zone)| zone.into_owned()).unwrap_or_default();
                ResponseTemplate::new(200).set_body_json(answer(&zone, now()))
            };
            let route = path(format!("/carbon-intensity/{route}"));
            Mock::given(route).respond_with(respond).mount(&server).await;
        }
        Self(server)
    }

    /// The part of a poller's configuration that asks it about zones, as YAML. Its key is in the variable
    /// [`KEY_VARIABLE`].
    #[must_use]
    pub fn providers(&self, zones: &[&str]) -> String {
        let zones: Vec<String> = zones.iter().map(|zone| format!("{zone}: {{}}")).collect();
        let (url, zones) = (self.0.uri(), zones.join(", "));
        format!(
            "{{electricityMaps: {{baseUrl: '{url}', keyEnv: {KEY_VARIABLE}}}, zones: {{{zones}}}}}"
        )
    }
}

/// The variable of a poller that has the key; any key will do.
pub const KEY_VARIABLE: &str = "E2E_ELECTRICITY_MAPS_KEY";

fn now() -> Time {
    Time::from_millis(jiff::Timestamp::now().as_millisecond())
}

fn item(hour: Time, now: Time) -> Value {
    let of_day = hour.millis() / Span::HOUR.millis() % HOURS;
    json!({"carbonIntensity": 200 + 5 * of_day, "datetime": hour, "updatedAt": now,
        "emissionFactorType": "direct", "isEstimated": false, "temporalGranularity": "hourly"})
}

fn latest(zone: &str, now: Time) -> Value {
    let mut latest = item(now.floor(Span::HOUR), now);
    latest["zone"] = zone.into();
    latest
}

fn history(zone: &str, now: Time) -> Value {
    let hour = |ago: i64| item(now.floor(Span::HOUR) - Span::HOUR * ago, now);
    json!({"zone": zone, "history": (0..HOURS).rev().map(hour).collect::<Vec<_>>()})
}
