//! From what was recorded to what can be judged on: one signal, one set of factors, no gaps, split in two.
//!
//! ```text
//!            from                     held_out_from                 to
//!  US-CA  ____|__________________________|___________________________|
//!  EU-DE  .. _|__________________________|___________________________|__
//!              rules look back, settings       policies are judged
//!              are chosen
//! ```
//!
//! Values of two signals or factor sets are never put side by side: of the sets that cover every zone that is
//! needed, the one that covers most counts. A short gap holds the value before it, as a cluster does; a long one
//! ends what can be used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use carbon_kube_core::documents::HistoryDocument;
use carbon_kube_core::intensity::{
    IntensityError, IntensitySeries, Label, Provenance, Scope, Signal,
};
use carbon_kube_core::view::ZoneSet;
use carbon_kube_core::{Span, Time, Zone};

use crate::config::{History, Split};

/// How much earlier than the others' a zone's history may end before it is left out, where nobody asked for the
/// zone: grids publish hours apart.
const LATEST: Span = Span::from_millis(6 * 3_600_000);

/// How far ahead a history may end: two clocks differ a little, and an hour that has begun is measured to its end.
const MOST_AHEAD: Span = Span::from_millis(2 * 3_600_000);

/// What policies are judged on.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The intensity of each zone; without a gap from `from` to `to`.
    pub zones: BTreeMap<Zone, Arc<IntensitySeries>>,
    /// First full hour that every zone has.
    pub from: Time,
    /// Start of the held-out days.
    pub held_out_from: Time,
    /// Their end.
    pub to: Time,
    /// Average or marginal.
    pub signal: Signal,
    /// Emission factors behind the values.
    pub factor_set: String,
    /// Zones with a history that can't be used.
    pub left_out: Vec<Zone>,
}

/// Why nothing can be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HistoryError {
    /// No value at all.
    #[error("the history has no values{0}")]
    Empty(String),
    /// Less than the days that are held out and those before them.
    #[error(
        "too little history: {days:.1} days without a gap, from {from} to {to}; {needed} are needed"
    )]
    TooShort {
        /// Start of what there is.
        from: Time,
        /// Its end.
        to: Time,
        /// Its length in days.
        days: f64,
        /// The held-out days and the least before them.
        needed: u32,
    },
    /// It ended long ago.
    #[error("the history ends at {to}, {age} ago; at most {max_age} (`history.maxAge`)")]
    Old {
        /// Its end.
        to: Time,
        /// How long ago that is.
        age: Span,
        /// How long ago it may be.
        max_age: Span,
    },
    /// Somebody's clock is wrong.
    #[error("the history ends at {0}, which is still to come")]
    Ahead(Time),
    /// No set of factors has every zone.
    #[error(
        "no signal and factor set has each of {zones}: {sets}; values of two sets are never put side by side"
    )]
    Mixed {
        /// The zones of the workload.
        zones: String,
        /// What each set has.
        sets: String,
    },
    /// A series that no grid has.
    #[error("{0}")]
    Series(#[from] IntensityError),
}

/// The series of a document.
///
/// # Errors
///
/// [`IntensityError`] for one without values.
pub fn series(document: &HistoryDocument) -> Result<Vec<IntensitySeries>, IntensityError> {
    let one = |row: &carbon_kube_core::documents::HistorySeries| {
        let label = Label {
            zone: row.scale.zone.clone(),
            area: row.scale.zone.to_string(),
            signal: row.scale.signal,
            // Only the factor set says which; nothing here compares by scope.
            scope: Scope::Direct,
            factor_set: row.scale.factor_set.clone(),
            provenance: Provenance::Measured,
            source: row.source.clone(),
        };
        let values = row.steps().map(|(_, value)| value.map(|value| value.get()));
        IntensitySeries::new(label, row.from, row.step(), values)
    };
    document.series.iter().filter(|row| !row.values.is_empty()).map(one).collect()
}

/// What can be judged on. `wanted` are the zones of the workload; `None`: whichever there are.
///
/// # Errors
///
/// [`HistoryError`] says why there is nothing.
pub fn past(
    all: &[IntensitySeries],
    wanted: Option<&BTreeSet<Zone>>,
    history: &History,
    split: &Split,
    now: Time,
) -> Result<Past, HistoryError> {
    let counts = |series: &&IntensitySeries| {
        let label = series.label();
        history.signal.is_none_or(|signal| signal == label.signal)
            && history.factor_set.as_ref().is_none_or(|set| *set == label.factor_set)
    };
    let mut sets: BTreeMap<(Signal, &str), Vec<Stretch>> = BTreeMap::new();
    for series in all.iter().filter(counts) {
        let label = series.label();
        let set = sets.entry((label.signal, label.factor_set.as_str())).or_default();
        if set.iter().all(|known| known.zone() != &label.zone) {
            set.extend(Stretch::last(series, history.longest_gap.0)?);
        }
    }
    if sets.values().all(Vec::is_empty) {
        let filtered = history.signal.is_some() || history.factor_set.is_some();
        let hint = if filtered { " of `history.signal` and `history.factorSet`" } else { "" };
        return Err(HistoryError::Empty(hint.to_owned()));
    }
    let needed = split.held_out_days.saturating_add(split.least_days_before);
    let held_out = Span::DAY * i64::from(split.held_out_days);
    let least = Span::DAY * i64::from(needed);
    let of_set = |set: &[Stretch]| match wanted {
        Some(wanted) => all_of(set, wanted),
        None => most_of(set, least),
    };
    // More zones, then more days, then the order of the names.
    let mut best: Option<(Chosen, Signal, &str)> = None;
    for ((signal, factor_set), set) in &sets {
        if let Some(chosen) = of_set(set)
            && best.as_ref().is_none_or(|(best, ..)| chosen.rank() > best.rank())
        {
            best = Some((chosen, *signal, *factor_set));
        }
    }
    let Some((chosen, signal, factor_set)) = best else {
        return Err(mixed(wanted, &sets));
    };
    let Chosen { from, to, stretches, left_out } = chosen;
    if to - from < least {
        return Err(HistoryError::TooShort { from, to, days: (to - from).hours() / 24.0, needed });
    }
    if to > now.saturating_add(MOST_AHEAD) {
        return Err(HistoryError::Ahead(to));
    }
    let (age, max_age) = (now - to, history.max_age.0);
    if max_age.is_positive() && age > max_age {
        return Err(HistoryError::Old { to, age, max_age });
    }
    let zones = stretches.into_iter().map(|stretch| (stretch.zone().clone(), stretch.series));
    Ok(Past {
        zones: zones.collect(),
        from,
        held_out_from: to - held_out,
        to,
        signal,
        factor_set: factor_set.to_owned(),
        left_out,
    })
}

fn mixed(
    wanted: Option<&BTreeSet<Zone>>,
    sets: &BTreeMap<(Signal, &str), Vec<Stretch>>,
) -> HistoryError {
    let of_set = |((signal, factors), set): (&(Signal, &str), &Vec<Stretch>)| {
        format!("{signal}, {factors} has {}", names(set.iter().map(Stretch::zone)))
    };
    HistoryError::Mixed {
        zones: names(wanted.into_iter().flatten()),
        sets: sets.iter().map(of_set).collect::<Vec<_>>().join("; "),
    }
}

fn names<'a>(zones: impl Iterator<Item = &'a Zone>) -> String {
    let names: Vec<String> = zones.map(ToString::to_string).collect();
    if names.is_empty() { "no zone".to_owned() } else { names.join(", ") }
}

/// The last part of a series without a long gap.
#[derive(Clone, Debug)]
struct Stretch {
    series: Arc<IntensitySeries>,
}

impl Stretch {
    /// `None` where nothing is known. Short gaps hold the value before them; what is not known at the end stays
    /// out.
    fn last(series: &IntensitySeries, longest_gap: Span) -> Result<Option<Self>, IntensityError> {
        let step = series.step();
        let (mut start, mut values): (Option<Time>, Vec<f64>) = (None, Vec::new());
        let mut unknown = 0usize;
        for (at, value) in series.steps() {
            let Some(value) = value else {
                unknown += 1;
                continue;
            };
            if step * unknown as i64 > longest_gap || start.is_none() {
                (start, values) = (Some(at), Vec::new());
            } else if let Some(&before) = values.last() {
                values.extend(std::iter::repeat_n(before, unknown));
            }
            unknown = 0;
            values.push(value.get());
        }
        let Some(start) = start else { return Ok(None) };
        let series = IntensitySeries::new(
            series.label().clone(),
            start,
            step,
            values.into_iter().map(Some),
        )?;
        Ok(Some(Self { series: Arc::new(series) }))
    }

    fn zone(&self) -> &Zone {
        &self.series.label().zone
    }
}

/// Zones of one set, and the full hours that all of them have.
struct Chosen {
    from: Time,
    to: Time,
    stretches: Vec<Stretch>,
    left_out: Vec<Zone>,
}

impl Chosen {
    fn of(stretches: Vec<Stretch>, left_out: Vec<Zone>) -> Option<Self> {
        let from = stretches.iter().map(|one| one.series.start()).max()?.ceil(Span::HOUR);
        let to = stretches.iter().map(|one| one.series.end()).min()?.floor(Span::HOUR);
        Some(Self { from, to, stretches, left_out })
    }

    fn rank(&self) -> (usize, Span) {
        (self.stretches.len(), self.to - self.from)
    }
}

/// Every zone that is wanted, or nothing.
fn all_of(set: &[Stretch], wanted: &BTreeSet<Zone>) -> Option<Chosen> {
    let (needed, others): (Vec<&Stretch>, Vec<&Stretch>) =
        set.iter().partition(|stretch| wanted.contains(stretch.zone()));
    if needed.len() < wanted.len() {
        return None;
    }
    let left_out = others.into_iter().map(|stretch| stretch.zone().clone()).collect();
    Chosen::of(needed.into_iter().cloned().collect(), left_out)
}

/// Every zone with enough days up to about the newest value; where none has, the one with most.
fn most_of(set: &[Stretch], least: Span) -> Option<Chosen> {
    let newest = set.iter().map(|stretch| stretch.series.end()).max()?;
    let is_fresh = |stretch: &&Stretch| stretch.series.end() >= newest - LATEST;
    let to = set.iter().filter(is_fresh).map(|stretch| stretch.series.end()).min()?;
    let (floor, ceil) =
        (to.floor(Span::HOUR), |stretch: &Stretch| stretch.series.start().ceil(Span::HOUR));
    let mut kept: Vec<&Stretch> =
        set.iter().filter(is_fresh).filter(|stretch| ceil(stretch) <= floor - least).collect();
    kept.truncate(ZoneSet::MAX_ZONES);
    if kept.is_empty() {
        kept.extend(set.iter().filter(is_fresh).min_by_key(|stretch| stretch.series.start()));
    }
    let names: BTreeSet<&Zone> = kept.iter().map(|stretch| stretch.zone()).collect();
    let left_out = set.iter().map(Stretch::zone).filter(|zone| !names.contains(zone)).cloned();
    Chosen::of(kept.into_iter().cloned().collect(), left_out.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Duration;

    fn at(hour: i64) -> Time {
        "2026-06-01T00:00:00Z".parse::<Time>().unwrap() + Span::HOUR * hour
    }

    /// Hours `from..to` of a zone, without those of `gap`.
    fn zone(
        name: &str,
        factors: &str,
        from: i64,
        to: i64,
        gap: std::ops::Range<i64>,
    ) -> IntensitySeries {
        let label = Label {
            zone: name.parse().unwrap(),
            area: name.to_owned(),
            signal: Signal::Average,
            scope: Scope::Direct,
            factor_set: factors.to_owned(),
            provenance: Provenance::Measured,
            source: "test".to_owned(),
        };
        let values = (from..to).map(|h| (!gap.contains(&h)).then_some(100.0 + h as f64));
        IntensitySeries::new(label, at(from), Span::HOUR, values).unwrap()
    }

    fn of(all: &[IntensitySeries], wanted: &[&str]) -> Result<Past, String> {
        let wanted: BTreeSet<Zone> = wanted.iter().map(|name| name.parse().unwrap()).collect();
        let wanted = (!wanted.is_empty()).then_some(&wanted);
        past(all, wanted, &History::default(), &Split::default(), at(14 * 24))
            .map_err(|e| e.to_string())
    }

    const DAYS: i64 = 24;

    #[test]
    fn the_last_days_are_held_out_and_those_before_them_are_not() {
        let past = of(&[zone("US-CA", "a", 0, 14 * DAYS, 0..0)], &[]).unwrap();
        assert_eq!((past.from, past.held_out_from, past.to), (at(0), at(7 * DAYS), at(14 * DAYS)));
        assert_eq!((past.factor_set.as_str(), past.left_out.len()), ("a", 0));
    }

    #[test]
    fn a_short_gap_holds_the_value_before_it_and_a_long_one_ends_what_can_be_used() {
        let short = of(&[zone("US-CA", "a", 0, 14 * DAYS, 100..103)], &[]).unwrap();
        let series = short.zones.values().next().unwrap();
        assert_eq!(format!("{:?}", series.at(at(102)).unwrap().get()), "199.0");
        assert_eq!(short.from, at(0));
        let long = of(&[zone("US-CA", "a", 0, 14 * DAYS, 100..104)], &[]).unwrap_err();
        assert!(
            long.starts_with(
                "too little history: 9.7 days without a gap, from 2026-06-05T08:00:00Z"
            ),
            "{long}"
        );
        assert!(long.ends_with("12 are needed"), "{long}");
    }

    #[test]
    fn values_of_two_factor_sets_are_never_put_side_by_side() {
        let all = [
            zone("US-CA", "lifecycle", 0, 14 * DAYS, 0..0),
            zone("EU-DE", "direct", 0, 14 * DAYS, 0..0),
        ];
        let problem = of(&all, &["US-CA", "EU-DE"]).unwrap_err();
        assert!(
            problem.contains("average, direct has EU-DE; average, lifecycle has US-CA"),
            "{problem}"
        );
        // One zone alone has one set.
        assert_eq!(of(&all, &["EU-DE"]).unwrap().factor_set, "direct");
        // Where nobody asks, the set with more zones.
        let more = [&all[..], &[zone("EU-FR", "direct", 0, 14 * DAYS, 0..0)]].concat();
        let past = of(&more, &[]).unwrap();
        assert_eq!((past.factor_set.as_str(), past.zones.len()), ("direct", 2));
    }

    #[test]
    fn a_zone_that_nobody_asked_for_does_not_shorten_the_others() {
        let all = [
            zone("US-CA", "a", 0, 14 * DAYS, 0..0),
            zone("EU-DE", "a", 10 * DAYS, 14 * DAYS, 0..0),
            zone("EU-FR", "a", 0, 13 * DAYS, 0..0),
            zone("EU-UK", "a", 0, 14 * DAYS - 2, 0..0),
        ];
        let past = of(&all, &[]).unwrap();
        let names =
            |zones: &mut dyn Iterator<Item = &Zone>| zones.map(Zone::to_string).collect::<Vec<_>>();
        assert_eq!(names(&mut past.zones.keys()), ["EU-UK", "US-CA"]);
        assert_eq!(names(&mut past.left_out.iter()), ["EU-DE", "EU-FR"]);
        assert_eq!(past.to, at(14 * DAYS - 2));
        let problem = of(&all, &["US-CA", "EU-DE"]).unwrap_err();
        assert!(problem.contains("4.0 days"), "{problem}");
    }

    #[test]
    fn an_old_history_is_not_judged_on_unless_it_is_said_to_be() {
        let all = [zone("US-CA", "a", 0, 14 * DAYS, 0..0)];
        let later = at(18 * DAYS);
        let judged = |history: &History| past(&all, None, history, &Split::default(), later);
        let problem = judged(&History::default()).unwrap_err().to_string();
        assert!(problem.contains("4d ago; at most 3d"), "{problem}");
        let early = past(&all, None, &History::default(), &Split::default(), at(13 * DAYS));
        assert!(early.unwrap_err().to_string().ends_with("which is still to come"));
        let any = History { max_age: Duration(Span::ZERO), ..History::default() };
        assert!(judged(&any).is_ok());
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        assert_eq!(of(&[], &[]).unwrap_err(), "the history has no values");
        assert!(of(&[zone("US-CA", "a", 0, 10, 0..10)], &[]).unwrap_err().contains("no values"));
        let document = HistoryDocument::new(Vec::new());
        assert_eq!(series(&document).unwrap(), []);
    }
}
