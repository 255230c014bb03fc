//! Logs on standard error: lines of JSON for a cluster, text for a person.
//!
//! With the feature `otlp`, spans also go to an OpenTelemetry collector over OTLP/HTTP where an
//! endpoint is configured.

use std::io::IsTerminal;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "LogFormat")]
pub enum Format {
    /// An object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A filter that can't be understood.
    #[error("log filter `{0}` is none such as `info` or `info,carbon_kube_extender=debug`")]
    Filter(String),
    /// Somebody else has set logs up already.
    #[error("logs were set up twice")]
    Twice,
    /// The collector's address can't be used, or this binary was built without the feature.
    #[error("OTLP: {0}")]
    Otlp(String),
}

/// Keeps the exporter of spans alive; what it still has is sent when it is dropped.
#[must_use]
pub struct Guard {
    levels: Levels,
    #[cfg(feature = "otlp")]
    provider: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// Changes which lines are written, while the process runs. Clones change the same.
#[derive(Clone)]
pub struct Levels(Handle<EnvFilter, Registry>);

impl Levels {
    /// Puts another filter in force, as `RUST_LOG` has it.
    ///
    /// # Errors
    ///
    /// [`LogError::Filter`] for one that can't be understood; the one before stays.
    pub fn set(&self, filter: &str) -> Result<(), LogError> {
        let refused = || LogError::Filter(filter.to_owned());
        let new = EnvFilter::try_new(filter).map_err(|_| refused())?;
        self.0.reload(new).map_err(|_| refused())
    }
}

impl Guard {
    /// What changes the levels at run time.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.levels.clone()
    }
}

/// Sets up logs for the whole process. `filter` is as `RUST_LOG` has it. `otlp` is the address of
/// a collector, such as `http://otel-collector:4318`.
///
/// # Errors
///
/// [`LogError`] says what of the configuration can't be used.
pub fn init(
    service: &'static str,
    format: Format,
    filter: &str,
    otlp: Option<&str>,
) -> Result<Guard, LogError> {
    let filter = EnvFilter::try_new(filter).map_err(|_| LogError::Filter(filter.to_owned()))?;
    let (filter, handle) = reload::Layer::new(filter);
    let levels = Levels(handle);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        Format::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
        Format::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    #[cfg(feature = "otlp")]
    {
        let provider = otlp.map(|endpoint| crate::otlp::provider(service, endpoint)).transpose()?;
        let spans = provider.as_ref().map(|provider| crate::otlp::layer(service, provider));
        registry.with(spans).try_init().map_err(|_| LogError::Twice)?;
        Ok(Guard { levels, provider })
    }
    #[cfg(not(feature = "otlp"))]
    {
        let _ = service;
        if otlp.is_some() {
            let problem = "this binary was built without the feature `otlp`";
            return Err(LogError::Otlp(problem.to_owned()));
        }
        registry.try_init().map_err(|_| LogError::Twice)?;
        Ok(Guard { levels })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        #[cfg(feature = "otlp")]
        if let Some(provider) = self.provider.take() {
            // The process ends anyway; there is nobody left to tell.
            let _ = provider.shutdown();
        }
    }
}
