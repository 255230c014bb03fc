//! A bar per run while a comparison goes on, or one over the bytes of files; nothing where nobody
//! looks at a terminal.

use std::io::IsTerminal;

use carbon_kube_core::{Span, Time};
use carbon_kube_sim::comparison::Entry;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bars of a comparison.
pub struct Progress {
    start: Time,
    all: MultiProgress,
    bars: Vec<ProgressBar>,
}

impl Progress {
    /// Bars for these runs over a window; hidden when `quiet` or when standard error is piped.
    pub fn new(entries: &[Entry], start: Time, end: Time, quiet: bool) -> Self {
        let all = MultiProgress::new();
        if quiet || !std::io::stderr().is_terminal() {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template(
            "{prefix:24} {wide_bar:.green/dim} {percent:>3} % of {msg}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        let hours = whole_hours(end - start);
        let bar = |entry: &Entry| {
            let bar = all.add(ProgressBar::new(hours));
            bar.set_style(style.clone());
            bar.set_prefix(entry.name.clone());
            bar.set_message(format!("{} days", hours / 24));
            bar
        };
        let bars = entries.iter().map(bar).collect();
        Self { start, all, bars }
    }

    /// The run at `position` has reached `now`.
    pub fn advance(&self, position: usize, now: Time) {
        if let Some(bar) = self.bars.get(position) {
            bar.set_position(whole_hours(now - self.start).min(bar.length().unwrap_or(0)));
        }
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        for bar in &self.bars {
            bar.finish_and_clear();
        }
        // Bars that were full before are cleared here; a terminal that is gone needs no clearing.
        let _ = self.all.clear();
    }
}

/// One bar over many runs, with the time that is left.
pub struct Overall(ProgressBar);

impl Overall {
    /// A bar over `length` steps, `done` of them finished earlier; hidden as [`Progress`] is.
    pub fn new(length: u64, done: u64, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        if quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = "{wide_bar:.green/dim} {pos} of {len}, {elapsed} gone, about {eta} left";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_position(done);
        // What was done earlier says nothing about the speed of today.
        bar.reset_eta();
        Self(bar)
    }

    /// One more is finished.
    pub fn advance(&self) {
        self.0.inc(1);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// A bar over so many bytes; hidden when standard error is piped.
pub fn bytes(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar:.green/dim} {bytes} of {total_bytes}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}

fn whole_hours(span: Span) -> u64 {
    (span.millis().max(0) / Span::HOUR.millis()) as u64
}
