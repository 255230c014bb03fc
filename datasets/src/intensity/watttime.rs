//! Reads answers of WattTime's API v3: history, forecast, and past forecasts as they were issued.
//!
//! Pounds per megawatt-hour, mostly marginal (`co2_moer`); `meta` says what they are, and what it
//! does not say is not guessed. Points start their step.

use carbon_kube_core::Span;
use carbon_kube_core::forecast::Issue;
use carbon_kube_core::intensity::{Scope, Signal};

use super::columns::IntensityUnit;
use super::issued::issue;
use super::readings::Readings;
use super::request::Request;
use super::rule::Ending;
use crate::error::ReadError;
use crate::json::{Document, Node};

pub(super) fn is_answer(root: &Node<'_>) -> bool {
    root.get("meta").is_some_and(|meta| meta.get("signal_type").is_some())
}

pub(super) fn read(
    document: &Document,
    request: &Request,
) -> Result<(Readings, Ending), ReadError> {
    let (path, root) = (document.path(), document.root());
    let meta = root.need("meta")?;
    let factor = factor(&meta.need("units")?)?;
    let signal = signal(&meta.need("signal_type")?)?;
    let data = root.need("data")?.items()?;
    let mut readings = Readings::new(path, None);
    let mut issues = Vec::new();
    if let Some(issued) = meta.get("generated_at") {
        issues.push((issued.instant()?, forecast(&data, factor)?));
    } else {
        for point in &data {
            if let Some(issued) = point.get("generated_at") {
                let points = point.need("forecast")?.items()?;
                issues.push((issued.instant()?, forecast(&points, factor)?));
            } else {
                let at = point.need("point_time")?.instant()?;
                let value = point.need("value")?.grams(factor)?;
                readings.push(point.line(), at, value, false)?;
            }
        }
    }
    readings.step = step(&meta)?;
    let region = meta.get("region").and_then(|region| region.text());
    let label = request.label(path, region, signal, Scope::Direct, "WattTime");
    Ok((readings.complete(), Ending { label, issues }))
}

fn factor(units: &Node<'_>) -> Result<f64, ReadError> {
    match units.text().as_deref() {
        Some("lbs_co2_per_mwh") => Ok(IntensityUnit::PoundsPerMwh.grams_per_kwh()),
        _ => Err(units.wrong("is no unit that is known: `lbs_co2_per_mwh` is")),
    }
}

fn signal(kind: &Node<'_>) -> Result<Signal, ReadError> {
    match kind.text().as_deref() {
        Some("co2_moer") => Ok(Signal::Marginal),
        Some("co2_aoer") => Ok(Signal::Average),
        _ => Err(kind.wrong("is no carbon intensity: `co2_moer` and `co2_aoer` are")),
    }
}

fn step(meta: &Node<'_>) -> Result<Option<Span>, ReadError> {
    let Some(period) = meta.get("data_point_period_seconds") else {
        return Ok(None);
    };
    let seconds = period.number()?.filter(|seconds| (1.0..=86_400.0).contains(seconds));
    let span = seconds.map(Span::from_seconds);
    span.map(Some).ok_or_else(|| period.wrong("is no length of a step in seconds"))
}

fn forecast(points: &[Node<'_>], factor: f64) -> Result<Issue, ReadError> {
    let pairs = points.iter().map(|point| {
        let node = point.need("value")?;
        let value = node.grams(factor)?.ok_or_else(|| node.wrong("is no forecast"))?;
        Ok((point.need("point_time")?, value))
    });
    issue(pairs)
}
