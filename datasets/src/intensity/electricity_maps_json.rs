//! Reads answers of Electricity Maps' API: latest, history, past range and forecast, and those of
//! the older CO2signal.
//!
//! A point is the start of its step. `carbonIntensity: null` is a gap. `emissionFactorType` says
//! whether the numbers are lifecycle, which they are where it is missing. A forecast is an issue at
//! its `updatedAt`: it makes no series, it goes with one.

use carbon_kube_core::forecast::Issue;
use carbon_kube_core::intensity::{Scope, Signal};

use super::electricity_maps::{self, PROVIDER};
use super::issued::issue;
use super::readings::Readings;
use super::request::Request;
use super::rule::Ending;
use crate::error::ReadError;
use crate::json::{Document, Node};

/// Keys of lists of points.
const LISTS: [&str; 2] = ["history", "data"];

pub(super) fn is_answer(root: &Node<'_>) -> bool {
    let place = root.get("zone").or_else(|| root.get("countryCode"));
    place.is_some_and(|place| place.text().is_some())
}

pub(super) fn read(
    document: &Document,
    request: &Request,
) -> Result<(Readings, Ending), ReadError> {
    let root = document.root();
    let mut readings = Readings::new(document.path(), None);
    let mut area = electricity_maps::area("zone", request);
    let place = match root.get("countryCode") {
        Some(place) => place,
        None => root.need("zone")?,
    };
    area.takes(&place.text().ok_or_else(|| place.wrong("is no text"))?);
    let mut scope = None;
    let mut issues = Vec::new();
    if let Some(points) = root.get("forecast") {
        issues.push((root.need("updatedAt")?.instant()?, forecast(&points.items()?)?));
    } else {
        for point in points(&root) {
            scope = Some(scope_of(&point, scope)?);
            push(&mut readings, &point)?;
        }
    }
    let area = Some(area.name(document.path())?);
    let scope = scope.unwrap_or(Scope::Lifecycle);
    let label = request.label(document.path(), area, Signal::Average, scope, PROVIDER);
    Ok((readings.complete(), Ending { label, issues }))
}

/// The points of a list, or the only one: the document itself, or its `data`.
fn points<'a>(root: &Node<'a>) -> Vec<Node<'a>> {
    let list = LISTS.iter().find_map(|key| root.get(key));
    match list {
        Some(list) => list.list().unwrap_or_else(|| vec![list]),
        None => vec![root.clone()],
    }
}

fn push(readings: &mut Readings, point: &Node<'_>) -> Result<(), ReadError> {
    let at = point.need("datetime")?.instant()?;
    let value = point.need("carbonIntensity")?.grams(1.0)?;
    let estimated = match point.get("isEstimated") {
        Some(node) => node.is_true().ok_or_else(|| node.wrong("is neither true nor false"))?,
        None => false,
    };
    readings.push(point.line(), at, value, estimated)
}

/// What the point says it counts, which has to be what the others say.
fn scope_of(point: &Node<'_>, before: Option<Scope>) -> Result<Scope, ReadError> {
    let Some(kind) = point.get("emissionFactorType") else {
        return Ok(before.unwrap_or(Scope::Lifecycle));
    };
    let scope = match kind.text().as_deref() {
        Some("lifecycle") => Scope::Lifecycle,
        Some("direct") => Scope::Direct,
        _ => return Err(kind.wrong("is neither `lifecycle` nor `direct`")),
    };
    match before {
        Some(other) if other != scope => Err(kind.wrong("is not what the points before it count")),
        _ => Ok(scope),
    }
}

fn forecast(points: &[Node<'_>]) -> Result<Issue, ReadError> {
    let pairs = points.iter().map(|point| {
        let grams = point.need("carbonIntensity")?;
        let value = grams.grams(1.0)?.ok_or_else(|| grams.wrong("is no forecast"))?;
        Ok((point.need("datetime")?, value))
    });
    issue(pairs)
}
