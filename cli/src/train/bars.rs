//! A bar per seed, with what it has come to; nothing where nobody looks at a terminal.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bars of a training.
pub struct Bars(MultiProgress);

impl Bars {
    /// No bars yet; all hidden when `quiet` or when standard error is piped.
    pub fn new(quiet: bool) -> Self {
        let all = MultiProgress::new();
        if quiet || !std::io::stderr().is_terminal() {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self(all)
    }

    /// A bar of a seed over so many steps, some of them done earlier.
    pub fn seed(&self, seed: u64, steps: u64, done: u64) -> ProgressBar {
        let bar = self.0.add(ProgressBar::new(steps));
        let template = "seed {prefix:4} {wide_bar:.green/dim} {human_pos} of {human_len}, {msg}, \
                        {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(seed.to_string());
        bar.set_message("no evaluation yet");
        bar.set_position(done);
        // What was done earlier says nothing about the speed of today.
        bar.reset_eta();
        bar
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        // A terminal that is gone needs no clearing.
        let _ = self.0.clear();
    }
}
