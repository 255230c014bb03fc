//! `carbon-kube-tuner`: judges the policy in force on what happened, and promotes a better one.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use carbon_kube_telemetry::{logs, program};
use carbon_kube_tuner::config::{Config, Configuration, OutputName};
use carbon_kube_tuner::{report, run};
use clap::Parser;

/// Back-tests the policy in force and others on the last days of the recorded carbon intensity, and promotes a
/// better one where it is told to.
#[derive(Debug, Parser)]
#[command(
    name = "carbon-kube-tuner",
    version,
    after_help = "Exit status: 0 judged, or found that nothing can be judged, 2 could not run.\n\n\
                  Examples:\n  carbon-kube-tuner --config tuner.yaml\n  \
                  carbon-kube-tuner --config tuner.yaml --output stdout\n  \
                  carbon-kube-tuner --config tuner.yaml --check\n  \
                  carbon-kube-tuner --schema > tuner.schema.json"
)]
struct Args {
    /// The configuration file (YAML); without one every field has its default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the result goes, instead of the configuration's `output`; `stdout` changes nothing anywhere
    #[arg(long, value_name = "cluster|file:DIR|stdout", value_parser = str::parse::<OutputName>)]
    output: Option<OutputName>,
    /// Check the configuration, print it with its defaults, and end
    #[arg(long)]
    check: bool,
    /// Print the JSON Schema of the configuration, and end
    #[arg(long, conflicts_with_all = ["config", "check"])]
    schema: bool,
}

fn main() -> ExitCode {
    program::exit(start(&Args::parse()))
}

fn start(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    if args.schema {
        return program::print_schema::<Config>();
    }
    let mut config: Config = program::configuration(args.config.as_deref())?;
    if let Some(output) = &args.output {
        config.output = output.clone();
    }
    if args.check {
        return program::print_configuration(&config);
    }
    // The exporter of spans and kube take the process's provider of cryptography.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let telemetry = &config.telemetry;
    let (format, filter) = (telemetry.log_format, &telemetry.log_filter);
    let otlp = telemetry.otlp_endpoint.as_deref();
    // Its drop sends the last spans.
    let _guard = logs::init(Config::PROGRAM, format, filter, otlp)?;
    let as_json = config.output == OutputName::Stdout;
    // It waits for others, and one thread judges; the simulations have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(run::run(config))?;
    let text = match as_json {
        true => serde_json::to_string_pretty(&status)? + "\n",
        false => report::table(&status),
    };
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}
