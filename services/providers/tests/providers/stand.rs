//! What the tests share: a server, keys in files, and a configuration that points at it.

use std::sync::Arc;

use carbon_kube_core::{Time, Zone};
use carbon_kube_providers::config::{ProviderName, ProvidersConfig};
use carbon_kube_providers::transport::Https;
use carbon_kube_providers::{Clock, Context, Provider, Reading, sources};
use tempfile::TempDir;
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// What no text may ever show.
pub const KEY: &str = "s3cr3t-k3y-0123456789abcdef";

/// The present of every test with a server: the hour after the clocks of Europe went forward.
pub const NOW: &str = "2026-03-29T01:30:00Z";

pub struct Stand {
    pub server: MockServer,
    pub context: Context,
    folder: TempDir,
}

pub fn time(text: &str) -> Time {
    text.parse().unwrap()
}

pub fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

/// The zone that a provider is asked for.
pub fn zone_of(name: ProviderName) -> Zone {
    zone(match name {
        ProviderName::ElectricityMaps | ProviderName::Entsoe => "EU-DE",
        ProviderName::GbCarbonIntensity => "EU-UK",
        ProviderName::CarbonAwareSdk => "EU-FR",
        ProviderName::Eia | ProviderName::Watttime | ProviderName::Nws => "US-CA",
    })
}

impl Stand {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
        let mut context = Context::new(Arc::new(Https::new().unwrap()));
        context.clock = Clock::starting_at(time(NOW));
        context.folder = Some(folder.path().join("cache"));
        Self { server: MockServer::start().await, context, folder }
    }

    /// A file with the key.
    #[cfg(feature = "aws-api")]
    pub fn key_file(&self) -> std::path::PathBuf {
        self.folder.path().join("key")
    }

    /// Answers every request so, but for WattTime's login.
    pub async fn answers(&self, template: ResponseTemplate) {
        self.server.reset().await;
        let login = ResponseTemplate::new(200).set_body_string(format!(r#"{{"token":"{KEY}"}}"#));
        Mock::given(path("/login")).respond_with(login).with_priority(1).mount(&self.server).await;
        Mock::given(any()).respond_with(template).mount(&self.server).await;
    }

    pub async fn says(&self, body: impl Into<String>) {
        self.answers(ResponseTemplate::new(200).set_body_string(body)).await;
    }

    /// How many requests came in since the last answer was set.
    pub async fn requests(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }

    /// Every section, each with this guard.
    pub fn config(&self, guard: &str) -> ProvidersConfig {
        let url = self.server.uri();
        let key = self.folder.path().join("key");
        let key = key.display();
        let text = format!(
            "electricityMaps: {{baseUrl: '{url}', keyFile: {key}, forecast: true, guard: {guard}}}\n\
             eia: {{baseUrl: '{url}', keyFile: {key}, guard: {guard}}}\n\
             entsoe: {{baseUrl: '{url}', keyFile: {key}, guard: {guard}}}\n\
             gbCarbonIntensity: {{baseUrl: '{url}', guard: {guard}}}\n\
             watttime: {{baseUrl: '{url}', userFile: {key}, passwordFile: {key}, guard: {guard}}}\n\
             carbonAwareSdk: {{baseUrl: '{url}', signal: average, locations: {{EU-FR: francecentral}}, guard: {guard}}}\n\
             nws: {{baseUrl: '{url}', contact: ops@example.org, guard: {guard}}}\n"
        );
        let config: ProvidersConfig = serde_saphyr::from_str(&text).unwrap();
        config.check().unwrap();
        config
    }

    /// A provider that is neither patient nor tries again.
    pub fn provider(&self, name: ProviderName) -> Arc<dyn Provider> {
        self.guarded(name, "{retries: 0, refresh: 0s}")
    }

    pub fn guarded(&self, name: ProviderName, guard: &str) -> Arc<dyn Provider> {
        sources::one(name, &self.config(guard), &self.context).unwrap()
    }

    /// The query of the last request, as it was sent.
    pub async fn last_query(&self) -> String {
        let requests = self.server.received_requests().await.unwrap();
        requests.last().unwrap().url.query().unwrap_or_default().to_owned()
    }
}

/// Start and value of each point, for comparisons that a person can read.
pub fn shown(reading: &Reading) -> Vec<String> {
    let point = |point: &carbon_kube_providers::Point| {
        let kind = if point.is_estimated { "estimated" } else { "measured" };
        format!("{} {} {:.2} {kind}", point.start, point.span, point.value.get())
    };
    reading.points.iter().map(point).collect()
}
