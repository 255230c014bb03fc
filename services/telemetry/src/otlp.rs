//! Spans to an OpenTelemetry collector, OTLP over HTTP with protobuf.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::logs::LogError;

/// Collects spans and sends them in batches from a thread of its own.
pub(crate) fn provider(
    service: &'static str,
    endpoint: &str,
) -> Result<SdkTracerProvider, LogError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|error| LogError::Otlp(error.to_string()))?;
    let resource = Resource::builder().with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// Hands the spans of `tracing` to the provider.
pub(crate) fn layer<S>(
    service: &'static str,
    provider: &SdkTracerProvider,
) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    tracing_opentelemetry::layer().with_tracer(provider.tracer(service))
}
