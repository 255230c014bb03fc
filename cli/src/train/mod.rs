//! `train [train.yaml]`: tuners, a seed after the other or side by side, and the best of them.

pub mod args;
mod bars;
pub mod cost;
pub mod plan;
pub mod seed;
mod summary;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use carbon_kube_trainer::tuner::{Lesson, TrainConfig};
use rayon::prelude::*;

use crate::args::Format;
use crate::failure::{Failure, INTERRUPTED};
use crate::interrupt::stop_on_interrupt;
use crate::output;
use args::TrainArgs;
use bars::Bars;
use cost::Cost;
use plan::Plan;
use seed::{Ended, Learned};

pub fn run(args: &TrainArgs) -> Result<ExitCode, Failure> {
    if args.schema {
        output::print(&format!("{:#}\n", TrainConfig::json_schema()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Plan { lesson, folder } = plan::plan(args)?;
    for note in &lesson.data().notes {
        output::remark(&format!("note: {note}"));
    }
    let stop = stop_on_interrupt()?;
    let ended = all(&lesson, &folder, args, &stop)?;
    let cost = Cost::settle(&folder, &lesson)
        .map_err(|error| Failure::new(format!("{}: can't write: {error}", folder.display())))?;
    let mut learned = Vec::new();
    let mut saved = Vec::new();
    for ended in ended {
        match ended {
            Ended::Learned(seed) => learned.push(*seed),
            Ended::Interrupted(step) => saved.push(step),
        }
    }
    if let Some(step) = saved.iter().max() {
        output::remark(&format!(
            "interrupted, everything is saved (the furthest seed at step {step})\n\
             hint: go on with `carbon-kube train --resume {}`",
            folder.display()
        ));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    report(&lesson, &folder, &learned, cost, args.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Trains every seed; each in a folder of its own, so their order is nobody's business.
fn all(
    lesson: &Lesson,
    folder: &Path,
    args: &TrainArgs,
    stop: &AtomicBool,
) -> Result<Vec<Ended>, Failure> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.jobs.unwrap_or(0).into())
        .build()
        .map_err(|error| Failure::new(format!("can't start threads: {error}")))?;
    let bars = Bars::new(args.quiet);
    let seeds: Vec<u64> = lesson.seeds().collect();
    let one = |&seed: &u64| {
        let folder = folder.join(format!("seed-{seed}"));
        fs::create_dir_all(&folder)
            .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
        let ended = seed::train(lesson, seed, &folder, &bars, stop)
            .map_err(|failure| failure.of(&format!("seed {seed}")));
        if ended.is_err() {
            // The others save what they have; they can go on once the cause is gone.
            stop.store(true, Ordering::SeqCst);
        }
        ended
    };
    let ended = pool.install(|| seeds.par_iter().with_max_len(1).map(one).collect());
    bars.finish();
    ended
}

fn report(
    lesson: &Lesson,
    folder: &Path,
    learned: &[Learned],
    cost: Cost,
    format: Format,
) -> Result<(), Failure> {
    let validation = lesson.validation().map_err(seed::lesson_failure)?;
    let rule = validation.rule();
    let json = format!("{:#}\n", summary::json(lesson, learned, rule));
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text)
            .map_err(|error| Failure::new(format!("{}: can't write: {error}", path.display())))
    };
    let drawn = |name: &str, svg: Result<String, String>| match svg {
        Ok(svg) => write(name, &svg),
        Err(reason) => Err(Failure::new(format!("{name}: can't draw: {reason}"))),
    };
    write("summary.json", &json)?;
    drawn("learning-curve.svg", summary::learning_curve(lesson, learned, rule))?;
    let best = summary::best(learned);
    for seed in learned {
        let policy = seed.policy(lesson, rule).map_err(seed::lesson_failure)?;
        let mut targets = vec![folder.join(format!("seed-{}", seed.seed)).join("best")];
        targets.extend(best.filter(|best| best.seed == seed.seed).map(|_| folder.join("policy")));
        for target in targets {
            seed::write_folder(&target, &policy, cost.part(learned.len())).map_err(|error| {
                Failure::new(format!("{}: can't write: {error}", target.display()))
            })?;
        }
    }
    if let Some(best) = best {
        drawn("thresholds.svg", summary::thresholds(lesson, best))?;
        let target = folder.join("policy");
        output::remark(&format!("the policy of seed {} is in {}", best.seed, target.display()));
    }
    output::print(&match format {
        Format::Json => json,
        Format::Table => summary::table(lesson, learned, rule),
    })
}
