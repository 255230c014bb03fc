//! `carbon-kube-poller`: live grid data and thresholds for a cluster.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use carbon_kube_poller::config::{Config, LogFormat, OutputName};
use carbon_kube_poller::run;
use carbon_kube_telemetry::logs;
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
    #[arg(long, value_name = "cluster|file:DIR|stdout", value_parser = output)]
    output: Option<OutputName>,
    /// Check the configuration, print it with its defaults, and end
    #[arg(long, conflicts_with = "once")]
    check: bool,
    /// Print the JSON Schema of the configuration, and end
    #[arg(long, conflicts_with_all = ["config", "check", "once"])]
    schema: bool,
}

fn output(text: &str) -> Result<OutputName, String> {
    match (text, text.strip_prefix("file:")) {
        ("cluster", _) => Ok(OutputName::Cluster),
        ("stdout", _) => Ok(OutputName::Stdout),
        (_, Some(folder)) if !folder.is_empty() => Ok(OutputName::File(folder.into())),
        _ => Err("expected `cluster`, `stdout` or `file:DIR`".to_owned()),
    }
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
    let mut config = args.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    if let Some(output) = &args.output {
        config.output = output.clone();
    }
    if args.check {
        return Ok(write!(out, "{}", serde_saphyr::to_string(&config)?)?);
    }
    let format = match config.telemetry.log_format {
        LogFormat::Json => logs::Format::Json,
        LogFormat::Text => logs::Format::Text,
    };
    // Every client takes the process's provider of cryptography.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let otlp = config.telemetry.otlp_endpoint.as_deref();
    // Its drop sends the last spans.
    let guard = logs::init("carbon-kube-poller", format, &config.telemetry.log_filter, otlp)?;
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
