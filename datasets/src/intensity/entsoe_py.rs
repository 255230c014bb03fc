//! Reads the frame that entsoe-py gives for generation per type, written with `to_csv`.
//!
//! The first column has no name; it is the start of the step with its offset. The others are
//! production types, or pairs such as `('Biomass', 'Actual Aggregated')`. Frames with a second
//! line of header are not read: write them with flat columns.

use carbon_kube_core::Time;

use super::Format;
use super::entsoe::production_type;
use super::mix::{Mix, Part};
use super::request::Request;
use super::rule::{Ending, Refusal, Rule, Texts};
use crate::error::ReadError;
use crate::instant;
use crate::table::{Column, Table};

pub(super) fn is_frame(table: &Table<'_>) -> bool {
    let mut names = table.header().iter().map(String::as_str);
    names.next() == Some("") && names.len() > 0 && names.any(|name| part(name).is_some())
}

fn part(name: &str) -> Option<Part> {
    match name.strip_prefix("('").and_then(|rest| rest.strip_suffix("')")) {
        Some(pair) => match pair.split_once("', '")? {
            (kind, "Actual Aggregated") => production_type(kind),
            (kind, "Actual Consumption") => production_type(kind).map(|_| Part::Aside),
            _ => None,
        },
        None => production_type(name),
    }
}

#[derive(Clone)]
pub(super) struct Frame<'a> {
    request: &'a Request,
    time: [Column; 1],
    mix: Mix,
}

impl<'a> Frame<'a> {
    pub(super) fn bind(table: &Table<'_>, request: &'a Request) -> Result<Self, ReadError> {
        let part = |name: &str| if name.is_empty() { Some(Part::Aside) } else { part(name) };
        let mix = Mix::bind(table, Format::EntsoePy, request, part)?;
        Ok(Self { request, time: [table.column("")?], mix })
    }
}

impl Rule for Frame<'_> {
    fn texts(&self) -> &[Column] {
        &self.time
    }

    fn mix(&self) -> Option<&Mix> {
        Some(&self.mix)
    }

    fn at(&mut self, texts: &Texts<'_>) -> Result<Option<Time>, Refusal> {
        let problem = "is not an instant with an offset such as `2020-01-01 00:00:00+01:00`";
        let text = texts[0];
        // Without an offset it would be taken for UTC, which entsoe-py never writes that way.
        let zoned = text.parse::<jiff::Timestamp>().is_ok();
        instant::parse(text).filter(|_| zoned).map(Some).ok_or(Refusal::Text(0, problem))
    }

    fn ending(self, path: &str) -> Result<Ending, ReadError> {
        Ok(self.request.mixed(path, None).into())
    }
}
