//! `datasets download`: history from a live source, in the forms that `datasets import` writes.
//!
//! The same providers that feed a cluster bring it, with the same checks; keys come from the same
//! configuration, or from the variables that are named there by default.

use std::collections::BTreeMap;
use std::process::ExitCode;

use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope};
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_datasets::stats::Stats;
use carbon_kube_providers::config::{
    EiaConfig, ElectricityMapsConfig, EntsoeConfig, GbCarbonIntensityConfig, ProviderName,
    ProvidersConfig, WatttimeConfig,
};
use carbon_kube_providers::transport::Https;
use carbon_kube_providers::{Context, ErrorKind, ProviderError, Reading, plausibility, sources};
use serde_json::json;

use super::import::storage::Storage;
use super::{describe, written, zone};
use crate::args::DownloadArgs;
use crate::failure::Failure;
use crate::output;

/// The key of what was asked for, in what is written.
const DOWNLOAD: &str = "carbon-kube.download";

pub fn run(args: &DownloadArgs) -> Result<ExitCode, Failure> {
    let storage = Storage::of(&args.out)?;
    written::refuse_existing(&args.out, args.overwrite)?;
    let zone = zone(&args.zone)?;
    if args.from >= args.to {
        return Err(Failure::new(format!("--to: {} is not after {}", args.to, args.from)));
    }
    let config = config(args)?;
    let mut reading = fetch(args, &config, &zone)?;
    let left_out = plausibility::leave_out(&mut reading, config.plausibility(&zone));
    plausibility::check_values(&reading, &zone, config.plausibility(&zone))
        .map_err(|problem| Failure::new(format!("{}: the answer {problem}", reading.source)))?;
    let series = series(&reading)?;
    let estimated = reading.points.iter().filter(|point| point.is_estimated).count();
    let counts = Counts { estimated, left_out };
    let notes = BTreeMap::from([(DOWNLOAD.to_owned(), notes(args, &reading, &counts))]);
    storage.write(&args.out, args.overwrite, &series, &notes)?;
    report(args, &series, &counts)?;
    Ok(ExitCode::SUCCESS)
}

/// What a reader should know of the values.
struct Counts {
    /// Estimates, as the source says.
    estimated: usize,
    /// Values that no grid has, which are gaps.
    left_out: usize,
}

/// The file's configuration, or else the source alone with the usual variables for its keys.
fn config(args: &DownloadArgs) -> Result<ProvidersConfig, Failure> {
    let Some(path) = &args.config else { return Ok(usual(args.source)) };
    let failure = |problem: String| Failure::new(format!("{}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failure(error.to_string()))?;
    let config: ProvidersConfig = serde_saphyr::from_str(&text).map_err(|error| {
        failure(error.to_string().lines().next().unwrap_or_default().to_owned())
    })?;
    config.check().map_err(|error| failure(error.to_string()))?;
    Ok(config)
}

fn usual(source: ProviderName) -> ProvidersConfig {
    let mut config = ProvidersConfig::default();
    let variable = |name: &str| Some(name.to_owned());
    match source {
        ProviderName::ElectricityMaps => {
            let key_env = variable("ELECTRICITY_MAPS_API_KEY");
            config.electricity_maps = Some(ElectricityMapsConfig { key_env, ..Default::default() });
        }
        ProviderName::Eia => {
            let key_env = variable("EIA_API_KEY");
            config.eia = Some(EiaConfig { key_env, ..Default::default() });
        }
        ProviderName::Entsoe => {
            let key_env = variable("ENTSOE_SECURITY_TOKEN");
            config.entsoe = Some(EntsoeConfig { key_env, ..Default::default() });
        }
        ProviderName::Watttime => {
            let (user_env, password_env) =
                (variable("WATTTIME_USER"), variable("WATTTIME_PASSWORD"));
            config.watttime = Some(WatttimeConfig { user_env, password_env, ..Default::default() });
        }
        ProviderName::GbCarbonIntensity => {
            config.gb_carbon_intensity = Some(GbCarbonIntensityConfig::default());
        }
        // Both need more than a key.
        ProviderName::CarbonAwareSdk | ProviderName::Nws => {}
    }
    config
}

fn fetch(args: &DownloadArgs, config: &ProvidersConfig, zone: &Zone) -> Result<Reading, Failure> {
    let source = args.source.as_str();
    let failure = |problem: String| Failure::new(format!("{source}: {problem}"));
    let transport = Https::shared().map_err(|error| failure(error.to_string()))?;
    let provider =
        sources::one(args.source, config, &Context::new(transport)).ok_or_else(|| {
            failure("has no section in the configuration".to_owned())
                .hint("give one with `--config`; docs/providers.md has the fields")
        })?;
    if !provider.serves(zone) {
        return Err(failure(format!("does not know zone `{zone}`"))
            .hint("name the source's own zone in its section, and give that with `--config`"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failure(format!("can't start: {error}")))?;
    let history = runtime.block_on(provider.history(zone, args.from, args.to));
    history.map_err(|error| failure(error.to_string()).maybe_hint(hint(&error)))
}

fn hint(error: &ProviderError) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::NotOffered => Some("this source has no history; choose another `--source`"),
        ErrorKind::Configuration => {
            Some("keys come from the section's `keyFile` or `keyEnv`; docs/providers.md has them")
        }
        ErrorKind::Throttled | ErrorKind::Unavailable => Some("try again later"),
        _ => None,
    }
}

/// The points as a series; what the source lacks is a gap.
fn series(reading: &Reading) -> Result<IntensitySeries, Failure> {
    let failure = |problem: &str| Failure::new(format!("{}: {problem}", reading.source));
    let (Some(first), Some(last)) = (reading.points.first(), reading.points.last()) else {
        return Err(failure("has no value"));
    };
    let step = first.span;
    let regular = |at: Time| (at - first.start).millis() % step.millis() == 0;
    if reading.points.iter().any(|point| point.span != step || !regular(point.start)) {
        return Err(failure("changes its step within the range; ask for a shorter one"));
    }
    let count = (last.end() - first.start).millis() / step.millis();
    let known: BTreeMap<Time, f64> =
        reading.points.iter().map(|point| (point.start, point.value.get())).collect();
    let values = (0..count).map(|i| known.get(&(first.start + step * i)).copied());
    IntensitySeries::new(label(reading), first.start, step, values)
        .map_err(|error| failure(&error.to_string()))
}

fn label(reading: &Reading) -> Label {
    let lifecycle = reading.factor_set.contains("lifecycle");
    Label {
        zone: reading.zone.clone(),
        area: reading.source.to_string(),
        signal: reading.signal,
        scope: if lifecycle { Scope::Lifecycle } else { Scope::Direct },
        factor_set: reading.factor_set.clone(),
        provenance: Provenance::Measured,
        source: format!("{}, as of {}", reading.source, reading.fetched_at.floor(Span::SECOND)),
    }
}

fn notes(args: &DownloadArgs, reading: &Reading, counts: &Counts) -> String {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "source": reading.source,
        "from": args.from,
        "to": args.to,
        "fetchedAt": reading.fetched_at,
        "estimatedValues": counts.estimated,
        "leftOutValues": counts.left_out,
    })
    .to_string()
}

fn report(args: &DownloadArgs, series: &IntensitySeries, counts: &Counts) -> Result<(), Failure> {
    let Counts { estimated, left_out } = *counts;
    let stats = Stats::of(series);
    if args.json {
        let mut json = describe::json(series, &stats, None);
        json["estimatedValues"] = json!(estimated);
        json["leftOutValues"] = json!(left_out);
        json["written"] = json!(args.out.display().to_string());
        return output::print(&format!("{json:#}\n"));
    }
    let mut text = describe::text(series, &stats);
    if estimated > 0 {
        text.push_str(&format!("estimated     {estimated} values, as the source says\n"));
    }
    if left_out > 0 {
        text.push_str(&format!("left out      {left_out} values that no grid has\n"));
    }
    text.push_str(&format!("written       {}\n", args.out.display()));
    output::print(&text)
}
