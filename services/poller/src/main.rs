//! `carbon-kube-poller`: live grid data and thresholds for a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use carbon_kube_poller::config::{Config, Configuration, OutputName};
use carbon_kube_poller::run;
use carbon_kube_telemetry::{logs, program};
use clap::Parser;

/// Polls the carbon intensity of grid zones, tunes thresholds by a Carbon-Kube policy, and writes both
/// for the extender to read.
#[derive(Debug, Parser)]
#[command(
    name = "carbon-kube-poller",
    version,
    after_help = "Exit status: 0 ended in order, 2 could not run.\n\n\
                  Examples:\n  carbon-kube-poller --config poller.yaml\n  \
                  carbon-kube-poller --config poller.yaml --once --output stdout\n  \
                  carbon-kube-poller --config poller.yaml --check\n  \
                  carbon-kube-poller --schema > poller.schema.json"
)]
struct Args {
    /// The configuration file (YAML); without one every field has its default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One look at the grid, and end
    #[arg(long)]
    once: bool,
    /// Where the documents go, instead of the configuration's `output`
    #[arg(long, value_name = "cluster|file:DIR|stdout", value_parser = str::parse::<OutputName>)]
    output: Option<OutputName>,
    /// Check the configuration, print it with its defaults, and end
    #[arg(long, conflicts_with = "once")]
    check: bool,
    /// Print the JSON Schema of the configuration, and end
    #[arg(long, conflicts_with_all = ["config", "check", "once"])]
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
    // Every client takes the process's provider of cryptography.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let telemetry = &config.telemetry;
    let (format, filter) = (telemetry.log_format, &telemetry.log_filter);
    let otlp = telemetry.otlp_endpoint.as_deref();
    // Its drop sends the last spans.
    let guard = logs::init(Config::PROGRAM, format, filter, otlp)?;
    // One thread does: it waits for others nearly all the time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if args.once {
            return run::once(config).await;
        }
        let levels = args.config.clone().map(|path| run::Levels { path, levels: guard.levels() });
        run::serve(config, levels).await
    })?;
    Ok(())
}
