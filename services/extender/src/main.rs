//! `carbon-kube-extender`: kube-scheduler asks it where a pod emits least.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use carbon_kube_extender::config::{Config, LogFormat};
use carbon_kube_extender::run;
use carbon_kube_telemetry::logs;
use clap::Parser;

/// A kube-scheduler extender that filters and scores nodes by a Carbon-Kube policy.
#[derive(Debug, Parser)]
#[command(
    name = "carbon-kube-extender",
    version,
    after_help = "Exit status: 0 ended in order, 2 could not run.\n\n\
                  Examples:\n  carbon-kube-extender --config extender.yaml\n  \
                  carbon-kube-extender --config extender.yaml --check\n  \
                  carbon-kube-extender --schema > extender.schema.json"
)]
struct Args {
    /// The configuration file (YAML); without one every field has its default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration, print it with its defaults, and end
    #[arg(long)]
    check: bool,
    /// Print the JSON Schema of the configuration, and end
    #[arg(long, conflicts_with = "config", conflicts_with = "check")]
    schema: bool,
}

fn main() -> ExitCode {
    match start(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell where even standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

fn start(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    if args.schema {
        let schema = schemars::schema_for!(Config);
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&schema)?)?);
    }
    let config = args.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    if args.check {
        return Ok(write!(out, "{}", serde_saphyr::to_string(&config)?)?);
    }
    let format = match config.telemetry.log_format {
        LogFormat::Json => logs::Format::Json,
        LogFormat::Text => logs::Format::Text,
    };
    // The exporter of spans, kube and the server take the process's provider of cryptography; the
    // first needs one even without TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let otlp = config.telemetry.otlp_endpoint.as_deref();
    // Its drop sends the last spans.
    let _guard = logs::init("carbon-kube-extender", format, &config.telemetry.log_filter, otlp)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.server.threads)
        .enable_all()
        .build()?;
    Ok(runtime.block_on(run::run(config))?)
}
