//! What a training took: processor time of all its seeds and of all its runs, and what that emitted.
//! It has a file of its own: whatever else a training writes is the same bytes each time.

use std::fs;
use std::io;
use std::path::Path;

use carbon_kube_trainer::tuner::Lesson;
use serde::{Deserialize, Serialize};

use crate::cpu_time;

/// Name of the file, in a training's folder and in those of its policies.
pub const FILE: &str = "cost.json";

/// What a training took. A run that was killed is not in it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Processor time, in seconds of one core.
    pub cpu_seconds: f64,
    /// What that emitted, in grams: at the power of a busy core of the training's own world, and
    /// the mean intensity of its zones.
    pub grams_co2e: f64,
}

impl Cost {
    /// Adds what this process took to what the folder says of earlier ones, and writes it there.
    /// Called once, as a run ends.
    pub fn settle(folder: &Path, lesson: &Lesson) -> io::Result<Self> {
        // An account that can't be read is begun anew: no training fails for it.
        let before = Self::read(folder).unwrap_or_default();
        let cpu_seconds = before.cpu_seconds + cpu_time::seconds().unwrap_or_default();
        let cost = Self { cpu_seconds, grams_co2e: cpu_seconds * grams_per_second(lesson) };
        fs::write(folder.join(FILE), cost.json())?;
        Ok(cost)
    }

    /// What the file in a folder says; `None` where there is none, or one that says nothing.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// The part of each of so many seeds.
    pub fn part(&self, seeds: usize) -> Self {
        let part = |whole: f64| whole / seeds.max(1) as f64;
        Self { cpu_seconds: part(self.cpu_seconds), grams_co2e: part(self.grams_co2e) }
    }

    /// The file.
    pub fn json(&self) -> String {
        format!("{:#}\n", serde_json::json!(self))
    }
}

fn grams_per_second(lesson: &Lesson) -> f64 {
    let cluster = lesson.world().cluster;
    let kilowatts = cluster.busy_watts / f64::from(cluster.cores) / 1_000.0;
    let zones = &lesson.data().training;
    let means = zones.iter().map(|zone| zone.series.overall_mean().get());
    let intensity = means.sum::<f64>() / zones.len().max(1) as f64;
    kilowatts * intensity / 3_600.0
}
