//! `carbon-kube-extender`: kube-scheduler asks it where a pod emits least.

use std::path::PathBuf;
use std::process::ExitCode;

use carbon_kube_extender::config::{Config, Configuration};
use carbon_kube_extender::run;
use carbon_kube_telemetry::{logs, program};
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
    program::exit(start(&Args::parse()))
}

fn start(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    if args.schema {
        return program::print_schema::<Config>();
    }
    let config: Config = program::configuration(args.config.as_deref())?;
    if args.check {
        return program::print_configuration(&config);
    }
    // The exporter of spans, kube and the server take the process's provider of cryptography; the
    // first needs one even without TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let telemetry = &config.telemetry;
    let (format, filter) = (telemetry.log_format, &telemetry.log_filter);
    let otlp = telemetry.otlp_endpoint.as_deref();
    // Its drop sends the last spans.
    let _guard = logs::init(Config::PROGRAM, format, filter, otlp)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.server.threads)
        .enable_all()
        .build()?;
    Ok(runtime.block_on(run::run(config))?)
}
