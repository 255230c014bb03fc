//! What a training took: processor time of all its seeds and of all its runs, and what that emitted.

use std::fs;
use std::io;
use std::path::Path;

use carbon_kube_trainer::tuner::Lesson;
use serde::{Deserialize, Serialize};

use crate::cpu_time;

/// Name of the account in a training's folder.
const ACCOUNT: &str = "cost.json";

/// What a training took so far. A run that was killed is not in it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Processor time, in seconds of one core.
    pub cpu_seconds: f64,
}

impl Cost {
    /// Adds what this process took to what the folder says of earlier ones, and writes it there.
    /// Called once, as a run ends.
    pub fn settle(folder: &Path) -> io::Result<Self> {
        let account = folder.join(ACCOUNT);
        let before: Self = match fs::read(&account) {
            // An account that can't be read is begun anew: no training fails for it.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_) => Self::default(),
        };
        let used = cpu_time::seconds().unwrap_or_default();
        let cost = Self { cpu_seconds: before.cpu_seconds + used };
        fs::write(&account, format!("{:#}\n", serde_json::json!(cost)))?;
        Ok(cost)
    }

    /// What that emitted, in grams: at the power of a busy core of the training's own world, and
    /// the mean intensity of its zones.
    pub fn grams(&self, lesson: &Lesson) -> f64 {
        let cluster = lesson.world().cluster;
        let kilowatts = cluster.busy_watts / f64::from(cluster.cores) / 1_000.0;
        let zones = &lesson.data().training;
        let means = zones.iter().map(|zone| zone.series.overall_mean().get());
        let intensity = means.sum::<f64>() / zones.len().max(1) as f64;
        self.cpu_seconds / 3_600.0 * kilowatts * intensity
    }
}
