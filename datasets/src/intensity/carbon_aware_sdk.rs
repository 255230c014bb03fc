//! Reads the data file of the Green Software Foundation's carbon-aware SDK, and what its Web API
//! answers.
//!
//! A list of `Location`, `Time`, `Rating` in g/kWh and `Duration`, or an object that has the list as
//! `Emissions`; keys in capitals or not, ratings as numbers or texts. The format does not say what
//! the ratings count: the request does.

use std::collections::BTreeMap;

use carbon_kube_core::Span;

use super::area::Area;
use super::columns;
use super::readings::Readings;
use super::request::Request;
use super::rule::Ending;
use crate::error::ReadError;
use crate::json::{Document, Node};

fn items<'a>(root: &Node<'a>) -> Option<Vec<Node<'a>>> {
    root.list().or_else(|| fields(root).remove("emissions")?.list())
}

pub(super) fn is_data(root: &Node<'_>) -> bool {
    let first = items(root).and_then(|items| items.into_iter().next());
    first.is_some_and(|item| {
        let fields = fields(&item);
        ["location", "time", "rating"].iter().all(|key| fields.contains_key(*key))
    })
}

/// The values of an object by key in small letters.
fn fields<'a>(node: &Node<'a>) -> BTreeMap<String, Node<'a>> {
    let fields = node.object().unwrap_or_default();
    fields.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value)).collect()
}

pub(super) fn read(
    document: &Document,
    request: &Request,
) -> Result<(Readings, Ending), ReadError> {
    let (path, root) = (document.path(), document.root());
    let mut area = Area::new("Location", request.area.as_ref(), None);
    let mut readings = Readings::new(path, None);
    for item in items(&root).ok_or_else(|| root.wrong("is no list of emissions"))? {
        let fields = fields(&item);
        let need = |key: &'static str| {
            fields.get(key).ok_or_else(|| item.wrong("lacks a location, a time or a rating"))
        };
        let location = need("location")?;
        if !area.takes(&location.text().ok_or_else(|| location.wrong("is no text"))?) {
            continue;
        }
        let at = need("time")?.instant()?;
        let value = need("rating")?.grams(1.0)?;
        if let Some(duration) = fields.get("duration").filter(|node| !node.is_null()) {
            readings.step = Some(length(duration)?);
        }
        readings.push(item.line(), at, value, false)?;
    }
    let name = area.name(path)?;
    let mut label = columns::label(path, request);
    label.area = request.area.clone().unwrap_or(name);
    Ok((readings.complete(), label.into()))
}

/// `HH:MM`, `HH:MM:SS`, or a number of minutes as the Web API has it.
fn length(node: &Node<'_>) -> Result<Span, ReadError> {
    let wrong = || node.wrong("is no duration such as `01:00`");
    let span = match node.text() {
        Some(text) => {
            let parts: Option<Vec<i64>> =
                text.split(':').map(|part| part.parse::<u16>().ok().map(i64::from)).collect();
            match parts.as_deref() {
                Some([hours, minutes]) => Some(Span::HOUR * *hours + Span::MINUTE * *minutes),
                Some([hours, minutes, seconds]) => {
                    Some(Span::HOUR * *hours + Span::MINUTE * *minutes + Span::SECOND * *seconds)
                }
                _ => None,
            }
        }
        None => {
            node.number()?.filter(|minutes| *minutes <= 1e6).map(|m| Span::from_hours(m / 60.0))
        }
    };
    span.filter(|span| span.is_positive()).ok_or_else(wrong)
}
