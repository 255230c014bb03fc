//! Writes the folder that an extender reads with `source: {folder: DIR}`, for load tests: nodes in
//! four zones, one of them over its threshold, and grid data as of now.
//!
//! The thresholds count for an hour and the intensities for three; write the folder anew then.

mod cluster;

use std::path::{Path, PathBuf};

use carbon_kube_core::Span;
use carbon_kube_extender::server::wall_clock;
use clap::Parser;

/// Write the state of a cluster into a folder
#[derive(Debug, Parser)]
struct Args {
    /// The folder; it is made where it is missing
    folder: PathBuf,
    /// How many nodes
    #[arg(long, default_value_t = 1_000)]
    nodes: usize,
    /// The rule: `percentile` refuses nodes, `lowest-zone` scores them
    #[arg(long, default_value = "percentile")]
    policy: String,
    /// The port of the extender
    #[arg(long, default_value_t = 18_443)]
    port: u16,
    /// The port of probes and metrics
    #[arg(long, default_value_t = 18_080)]
    telemetry_port: u16,
    /// Threads that answer
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let now = wall_clock()().floor(Span::SECOND);
    std::fs::create_dir_all(&args.folder)?;
    for (name, text) in cluster::state(args.nodes, &args.policy, now) {
        write(&args.folder.join(name), &text)?;
    }
    let config = format!(
        "server: {{listen: '127.0.0.1:{}', threads: {}, drain: 0s}}\n\
         telemetry: {{listen: '127.0.0.1:{}', logFilter: warn}}\n\
         source: {{folder: '{}'}}\n",
        args.port,
        args.threads,
        args.telemetry_port,
        args.folder.display()
    );
    write(&args.folder.join("config.yaml"), &config)
}

/// In one step, so that an extender never reads half a file.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let half = path.with_extension("half");
    std::fs::write(&half, text)?;
    std::fs::rename(half, path)
}
