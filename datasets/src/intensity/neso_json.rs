//! Reads answers of the British carbon intensity API: national, regional, by postcode.
//!
//! Half-hours with `from` and `to`. National answers have `actual`, null for the future, which is
//! a gap; regional ones have `forecast` only, an estimate that is never corrected: their series is
//! labelled as modelled. NESO's own factors, direct, imports counted.

use carbon_kube_core::Span;
use carbon_kube_core::intensity::{Provenance, Scope, Signal};

use super::readings::Readings;
use super::request::Request;
use super::rule::Ending;
use crate::error::ReadError;
use crate::json::{Document, Node};

pub(super) fn is_answer(root: &Node<'_>) -> bool {
    root.get("data").is_some_and(|data| {
        let item = first(&data);
        item.get("intensity").is_some()
            || item.get("data").is_some_and(|inner| first(&inner).get("intensity").is_some())
    })
}

fn first<'a>(node: &Node<'a>) -> Node<'a> {
    node.list().and_then(|list| list.into_iter().next()).unwrap_or_else(|| node.clone())
}

pub(super) fn read(
    document: &Document,
    request: &Request,
) -> Result<(Readings, Ending), ReadError> {
    let path = document.path();
    let data = document.root().need("data")?;
    // A region is an object around its half-hours, or a list of one such object.
    let region = first(&data).get("data").is_some().then(|| first(&data));
    if region.is_some() && data.list().is_some_and(|regions| regions.len() > 1) {
        return Err(data.wrong("is about several regions; ask the API for one"));
    }
    let points = region.as_ref().map_or_else(|| Ok(data.clone()), |region| region.need("data"))?;
    let mut readings = Readings::new(path, None);
    for point in points.items()? {
        let (from, to) = (point.need("from")?.instant()?, point.need("to")?);
        let length = to.instant()? - from;
        if length != Span::MINUTE * 30 {
            return Err(to.wrong("is not half an hour after `from`"));
        }
        readings.step = Some(length);
        let intensity = point.need("intensity")?;
        let key = if region.is_some() { "forecast" } else { "actual" };
        let value = intensity.need(key)?.grams(1.0)?;
        readings.push(point.line(), from, value, false)?;
    }
    let name = region.as_ref().and_then(|region| region.get("shortname")?.text());
    let area = name.unwrap_or_else(|| "Great Britain".to_owned());
    let mut label = request.label(path, Some(area), Signal::Average, Scope::Direct, "NESO");
    if region.is_some() {
        label.provenance = Provenance::Modelled;
    }
    Ok((readings.complete(), label.into()))
}
