//! The forecast's settings: each belongs to some kinds only.

use carbon_kube_core::Span;

use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::spec::{ForecastKind, Signal, Source, Spec};

pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let forecast = &spec.forecast;
    let noisy = forecast.kind == ForecastKind::Noisy;
    let any_noise = noisy || forecast.kind == ForecastKind::NoisyIndependent;
    let seasonal = forecast.kind == ForecastKind::Seasonal;
    let model = forecast.kind == ForecastKind::Model;
    for (key, given, used, of) in [
        ("period", forecast.period.is_some(), seasonal, "`seasonal`"),
        ("error", forecast.error.is_some(), any_noise, "`noisy` and `noisy-independent`"),
        ("correlation", forecast.correlation.is_some(), noisy, "`noisy`"),
        ("file", forecast.file.is_some(), model, "`model`"),
        ("weather", forecast.weather.is_some(), model, "`model`"),
        ("mix", forecast.mix.is_some(), model, "`model`"),
    ] {
        if given && !used {
            let message = format!("this key is for {of} only");
            report.error(Code::ForecastSetting, &format!("spec.forecast.{key}"), message);
        }
    }
    if let Some(period) = forecast.period.as_ref().filter(|period| period.0 < Span::HOUR) {
        let message = format!("expected at least 1h, found {period}");
        report.error(Code::OutOfRange, "spec.forecast.period", message);
    }
    if forecast.kind == ForecastKind::Recorded && !recorded(spec) {
        report
            .error(
                Code::ForecastSetting,
                "spec.forecast.kind",
                "there are no recorded forecasts for this grid",
            )
            .hint(
                "they exist for one zone: `US-CA` with `source: {bundled: {signal: marginal}}`, or \
                 a file that holds them",
            );
    }
}

/// Whether the grid is one series that can have issued forecasts: the bundled one, or a file.
fn recorded(spec: &Spec) -> bool {
    let [zone] = spec.grid.zones.as_slice() else {
        return false;
    };
    match &zone.source {
        Some(Source::Bundled(source)) => {
            zone.zone.0.as_str() == "US-CA" && source.signal == Signal::Marginal
        }
        Some(Source::File(_)) => true,
        _ => false,
    }
}
