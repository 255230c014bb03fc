//! Zones from the files that were named.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use carbon_kube_core::Span;
use carbon_kube_core::Zone;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_datasets::{generation, intensity, weather};
use carbon_kube_policies::forecast::{Forecaster, Mix, Weather};
use carbon_kube_sim::forecast;

use super::args::{DataArgs, ZoneFile};
use crate::datasets::{read_failure, request};
use crate::failure::Failure;

/// What is known of one zone.
#[derive(Clone, Debug)]
pub struct ZoneData {
    pub series: IntensitySeries,
    pub weather: Option<Arc<Weather>>,
    pub mix: Option<Arc<Mix>>,
    /// Names of the files, without their folders.
    #[cfg_attr(not(feature = "train"), expect(dead_code, reason = "a card names them"))]
    pub files: Vec<String>,
}

impl ZoneData {
    /// Gives a forecaster the weather and the mix of the zone.
    pub fn tell(&self, forecaster: &mut Forecaster) {
        let zone = &self.series.label().zone;
        forecaster.weather.extend(self.weather.iter().map(|told| (zone.clone(), Arc::clone(told))));
        forecaster.mix.extend(self.mix.iter().map(|told| (zone.clone(), Arc::clone(told))));
    }
}

/// The zones in the order of their names; each with at least one file.
pub fn read(args: &DataArgs) -> Result<BTreeMap<Zone, ZoneData>, Failure> {
    let (mut weather, mut mix) = (by_zone(&args.weather), by_zone(&args.mix));
    let mut zones = BTreeMap::new();
    for (zone, paths) in by_zone(&args.intensity) {
        let request = request::request(&paths, zone.clone(), args.file_format, &args.read)?;
        let import = intensity::read(&paths, &request).map_err(read_failure)?;
        request::had_effect(&paths[0], &args.read, &import)?;
        let series = import.series;
        let weather = weather.remove(&zone).map(|paths| weather_of(&paths)).transpose()?;
        let mix = mix.remove(&zone).map(|paths| mix_of(&paths)).transpose()?;
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into();
        let files = paths.iter().map(name).collect();
        zones.insert(zone, ZoneData { series, weather, mix, files });
    }
    let left = [("--weather", weather), ("--mix", mix)];
    match left.into_iter().find_map(|(option, zones)| Some((option, zones.into_keys().next()?))) {
        Some((option, zone)) => Err(Failure::new(format!("no intensity for zone `{zone}`"))
            .of(option)
            .hint(format!("add `--intensity {zone}=FILE`"))),
        None => Ok(zones),
    }
}

/// The only zone of a command that is about one.
pub fn one(args: &DataArgs) -> Result<ZoneData, Failure> {
    let mut zones = read(args)?;
    match (zones.pop_first(), zones.len()) {
        (Some((_, zone)), 0) => Ok(zone),
        _ => Err(Failure::new("this command is about one zone").of("--intensity")),
    }
}

fn by_zone(files: &[ZoneFile]) -> BTreeMap<Zone, Vec<PathBuf>> {
    let mut zones: BTreeMap<Zone, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        zones.entry(file.zone.clone()).or_default().push(file.path.clone());
    }
    zones
}

/// Files of one zone, joined; hours between two of them are a gap.
fn mix_of(paths: &[PathBuf]) -> Result<Arc<Mix>, Failure> {
    let mut hours = BTreeMap::new();
    for path in paths {
        let read = generation::read(path).map_err(read_failure)?;
        let at = |index: usize| read.start + Span::HOUR * index as i64;
        hours.extend(read.hours.iter().enumerate().map(|(index, hour)| (at(index), *hour)));
    }
    let (Some((&start, _)), Some((&last, _))) = (hours.first_key_value(), hours.last_key_value())
    else {
        return Ok(Arc::default());
    };
    let count = (last - start).millis() / Span::HOUR.millis() + 1;
    let hour = |index: i64| hours.get(&(start + Span::HOUR * index)).copied().flatten();
    Ok(Arc::new(Mix::new(start, (0..count).map(hour))))
}

/// Files of one zone, joined: they must follow each other.
fn weather_of(paths: &[PathBuf]) -> Result<Arc<Weather>, Failure> {
    let mut files: Vec<Weather> = Vec::new();
    for path in paths {
        files.push(forecast::weather(&weather::read(path).map_err(read_failure)?));
    }
    files.sort_by_key(Weather::start);
    let joined = files.into_iter().try_fold(Weather::default(), |joined, next| joined.then(&next));
    joined.map(Arc::new).map_err(|gap| {
        Failure::new(format!("no weather from {} to {}", gap.0, gap.1))
            .of("--weather")
            .hint("files of one zone have to follow each other without a gap")
    })
}
