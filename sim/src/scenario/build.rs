//! From a checked scenario to a [`World`]: reads traces, draws generated pods, and checks what
//! only the data can tell.

mod intensity;
mod learned;
mod machines;
mod pods;
mod prices;
mod traces;

use std::path::Path;
use std::sync::Arc;

use carbon_kube_core::forecast::{ForecastModel, RecordedForecasts};
use carbon_kube_core::{Span, Time};
use carbon_kube_datasets::{ReadError, bundled};
use carbon_kube_policies::Holding;
use carbon_kube_policies::cycle::SCHEDULER_RETRY;

use self::pods::Pods;
use super::Parsed;
use super::diagnostic::{Code, Diagnostic, Report};
use super::spec::{self, Forecast, ForecastKind, ScoringStrategy, ScoringType, Source, Spec};
use crate::world::{AccountingSettings, Pod, ReleaseOrder, SchedulerSettings, Scoring, World};

/// How far modelled and constant intensities reach beyond the window: before it for the policies'
/// look back at the trailing week, after it for work that ends late.
const MARGIN: Span = Span::from_millis(14 * 86_400_000);
/// They follow late work for so long at most; what ends later is charged at the zone's mean.
const LONGEST_TAIL: Span = Span::from_millis(5 * 366 * 86_400_000);

/// Builds the world. Relative paths are relative to `base_dir`, the folder of the scenario file.
///
/// # Errors
///
/// Everything that is wrong with the data: files that can't be read, zones without intensity in
/// the window, pods that fit nowhere.
pub fn build(parsed: &Parsed, base_dir: &Path) -> Result<World, Vec<Diagnostic>> {
    let spec = &parsed.spec.spec;
    let mut report = Report::new(&parsed.file).with_tree(&parsed.tree);
    let end = spec.start.0 + spec.duration.0;
    let pools = machines::pools(spec, base_dir, &mut report);
    let Pods { pods, classes, traces } = pods::read(spec, &pools, base_dir, &mut report);
    let covered = Covered {
        start: spec.start.0,
        end,
        from: spec.start.0 - MARGIN,
        to: end + tail(&pods, end) + MARGIN,
    };
    let intensity::Read { zones, forecasts } =
        intensity::read(&spec.grid, &covered, base_dir, &mut report);
    let forecast = forecast(spec, forecasts, base_dir, &mut report);
    if report.has_errors() {
        return Err(report.into_sorted());
    }
    Ok(World {
        name: parsed.spec.metadata.name.clone(),
        seed: spec.seed,
        start: spec.start.0,
        end,
        zones,
        pools,
        classes,
        pods,
        traces,
        forecast,
        scheduler: scheduler(spec),
        accounting: accounting(spec),
    })
}

/// The range of time that intensities are needed for, and are wished for.
struct Covered {
    /// Start of the window.
    start: Time,
    /// End of the window.
    end: Time,
    /// Where sources that can reach back begin.
    from: Time,
    /// Where sources that can go on end.
    to: Time,
}

/// How long after the window the last pod may end.
fn tail(pods: &[Pod], end: Time) -> Span {
    let latest = |pod: &Pod| {
        let delay = pod.max_delay.unwrap_or(Span::ZERO);
        pod.arrival.saturating_add(pod.duration.saturating_add(delay))
    };
    let last = pods.iter().map(latest).max().unwrap_or(end).max(end);
    let millis = last.millis().saturating_sub(end.millis());
    Span::from_millis(millis).min(LONGEST_TAIL)
}

fn forecast(
    spec: &Spec,
    recorded: RecordedForecasts,
    base_dir: &Path,
    report: &mut Report<'_>,
) -> ForecastModel {
    let Forecast { kind, period, error, correlation, .. } = &spec.forecast;
    // Parsing has filled in the numbers that the kind uses.
    match kind {
        ForecastKind::Perfect => ForecastModel::Perfect,
        ForecastKind::Persistence => ForecastModel::Persistence,
        ForecastKind::Seasonal => {
            ForecastModel::Seasonal { period: period.as_ref().map_or(Span::DAY, |period| period.0) }
        }
        ForecastKind::NoisyIndependent => {
            ForecastModel::NoisyIndependent { error: error.unwrap_or_default() }
        }
        ForecastKind::Noisy => ForecastModel::NoisyAr {
            error: error.unwrap_or_default(),
            correlation: correlation.unwrap_or_default(),
        },
        ForecastKind::Recorded => issued(spec, recorded, report),
        ForecastKind::Model => learned::read(&spec.forecast, base_dir, report),
    }
}

/// The forecasts that came with the zone's file, else those that are bundled for the zone.
fn issued(spec: &Spec, read: RecordedForecasts, report: &mut Report<'_>) -> ForecastModel {
    if !read.issues.is_empty() {
        return ForecastModel::Recorded(Arc::new(read));
    }
    let bundled_zone = |zone: &&spec::GridZone| !matches!(zone.source, Some(Source::File(_)));
    let zone = spec.grid.zones.first().filter(bundled_zone).map(|zone| &zone.zone.0);
    match zone.and_then(bundled::marginal_forecasts) {
        Some(Ok(forecasts)) => return ForecastModel::Recorded(Arc::new(forecasts)),
        Some(Err(error)) => {
            report.error(Code::UnreadableTrace, "spec.forecast.kind", error.to_string());
        }
        None => {
            let message = "there are no recorded forecasts for this grid";
            report.error(Code::ForecastSetting, "spec.forecast.kind", message);
        }
    }
    ForecastModel::Perfect
}

fn scheduler(spec: &Spec) -> SchedulerSettings {
    let scheduler = &spec.scheduler;
    SchedulerSettings {
        holding: match scheduler.holding {
            spec::Holding::Gate => Holding::Gate,
            spec::Holding::Filter => Holding::Filter {
                retry: scheduler.retry_interval.as_ref().map_or(SCHEDULER_RETRY, |retry| retry.0),
            },
        },
        control_interval: scheduler.control_interval.0,
        signal_delay: scheduler.signal_delay.0,
        percentage_of_nodes_to_score: scheduler.percentage_of_nodes_to_score,
        place_weight: scheduler.place_weight,
        releases_per_minute: scheduler.releases_per_minute,
        release_order: ReleaseOrder::Urgency,
        backoff_initial: scheduler.backoff_initial.0,
        backoff_max: scheduler.backoff_max.0,
        preemption: scheduler.preemption,
        latency: scheduler.latency.0,
        cleanup: Span::ZERO,
        scoring: scoring(&scheduler.scoring_strategy),
    }
}

fn scoring(strategy: &ScoringStrategy) -> Scoring {
    match strategy.kind {
        ScoringType::LeastAllocated => Scoring::LeastAllocated,
        ScoringType::MostAllocated => Scoring::MostAllocated,
        ScoringType::RequestedToCapacityRatio => {
            let shape = strategy.requested_to_capacity_ratio.iter().flat_map(|ratio| &ratio.shape);
            let points = shape.map(|point| (point.utilization, point.score));
            Scoring::RequestedToCapacityRatio(points.collect())
        }
    }
}

fn accounting(spec: &Spec) -> AccountingSettings {
    let accounting = &spec.accounting;
    AccountingSettings {
        transfer_kwh_per_gb: accounting.transfer_kwh_per_gb,
        egress_usd_per_gb: accounting.egress_usd_per_gb,
        report_interval: accounting.report_interval.0,
    }
}

/// What to do about a file that can't be read.
fn hint(error: &ReadError) -> Option<String> {
    let opened = matches!(error, ReadError::Io { .. });
    let relative = || "paths are relative to the scenario file".to_owned();
    error.hint().or_else(|| opened.then(relative))
}
