//! What can be typed after `carbon-kube train`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::args::Format;

/// What learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Algo {
    /// Soft actor-critic
    Sac,
    /// Deep Q-learning over 11 shifts
    Dqn,
    /// Advantage actor-critic over 11 shifts
    A2c,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "DIR holds `train.yaml` with every default spelled out, a folder per seed (checkpoints, \
                  metrics.csv, metrics.jsonl, tensorboard/, best/), and in the end the best policy by \
                  validation in `policy/`, `summary.json` and two pictures. Ctrl-C saves; `--resume DIR` \
                  goes on as if nothing had happened.\n\n\
                  Exit status: 0 done, 2 could not run or diverged, 130 interrupted and saved.\n\n\
                  Examples:\n  carbon-kube train\n  \
                  carbon-kube train train.yaml --seeds 5 --out runs/sac\n  \
                  carbon-kube train --algo dqn --steps 50000 --out runs/dqn\n  \
                  carbon-kube train --resume runs/sac\n  \
                  carbon-kube train --schema > train.schema.json"
)]
pub struct TrainArgs {
    /// Settings; without the file, soft actor-critic learns on the bundled data of 2020
    #[arg(value_name = "train.yaml")]
    pub file: Option<PathBuf>,
    /// Go on with the training in this folder; `--steps` may make it longer
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "out", "seeds", "algo", "num_envs"])]
    pub resume: Option<PathBuf>,
    /// How many seeds; in place of `seeds` in the file
    #[arg(long, value_name = "N")]
    pub seeds: Option<u32>,
    /// What learns, with its default settings where the file has another one
    #[arg(long, value_enum)]
    pub algo: Option<Algo>,
    /// Environments side by side; in place of `numEnvs` in the file
    #[arg(long, value_name = "N")]
    pub num_envs: Option<usize>,
    /// Steps of each seed; in place of `steps` in the file
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Folder to write, which must not exist; if not given, `runs/train-<name>`
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Threads; if not given, one per core. The result does not depend on it
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<u16>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// No progress bars
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the JSON Schema of train.yaml, and do nothing else
    #[arg(long, exclusive = true)]
    pub schema: bool,
}
