//! What is known of each zone's past: bounded, and corrected as measured values replace estimates.
//!
//! ```text
//!  readings --take--> (zone, signal, factor set): start -> value, estimated, version
//!                        |
//!                        '--series--> IntensitySeries: what a rule's threshold and a forecast are made from
//!  history.json <--write / read--> another replica, the next run
//! ```
//!
//! Values of two signals or factor sets are never put into one series. A measured value is never
//! replaced by an estimate; else the later version wins. Only what somebody observed comes in here:
//! a decayed value, a typical year or a proxy says nothing of what the grid was.

use std::collections::BTreeMap;

pub use carbon_kube_core::documents::{HISTORY, Scale};
use carbon_kube_core::documents::{HistoryDocument, HistorySeries};
use carbon_kube_core::intensity::{IntensitySeries, Label, Provenance, Scope};
use carbon_kube_core::{GramsPerKwh, Span, Time};
use carbon_kube_providers::{Point, Reading, Source};

/// The steps that a series can have. What fits none of them is put on the finest.
const STEPS: [Span; 4] = [
    Span::HOUR,
    Span::from_millis(30 * 60_000),
    Span::from_millis(15 * 60_000),
    Span::from_millis(5 * 60_000),
];

/// How far ahead a value of the past may begin: two clocks differ a little.
const MOST_AHEAD: Span = Span::HOUR;

/// A value longer than this is of no hour: monthly accounts are not a signal.
const LONGEST: Span = Span::DAY;

/// The scale of a reading.
#[must_use]
pub fn scale_of(reading: &Reading) -> Scale {
    Scale {
        zone: reading.zone.clone(),
        signal: reading.signal,
        factor_set: reading.factor_set.clone(),
    }
}

/// The label of a series on a scale.
pub(crate) fn label(scale: &Scale) -> Label {
    Label {
        zone: scale.zone.clone(),
        area: scale.zone.to_string(),
        signal: scale.signal,
        // Only the factor set says which; nothing here compares by scope.
        scope: Scope::Direct,
        factor_set: scale.factor_set.clone(),
        provenance: Provenance::Measured,
        source: "history".to_owned(),
    }
}

/// A value of the past.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Known {
    span: Span,
    value: GramsPerKwh,
    is_estimated: bool,
    /// When the source computed it, or it was fetched.
    version: Time,
}

/// What became of the points of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Of periods that were not known.
    pub new: usize,
    /// Measured values in the place of estimates.
    pub measured: usize,
    /// Other later versions.
    pub revised: usize,
}

/// Every zone's past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    series: BTreeMap<Scale, Series>,
}

/// The past on one scale.
#[derive(Clone, Debug, PartialEq)]
struct Series {
    /// Who spoke last.
    source: Source,
    /// How far it was trusted then, 0 to 1.
    confidence: f64,
    /// By start of the period.
    known: BTreeMap<Time, Known>,
}

impl Series {
    fn of(source: Source, confidence: f64) -> Self {
        Self { source, confidence, known: BTreeMap::new() }
    }
}

impl History {
    /// Takes up the points of a reading.
    pub fn take(&mut self, reading: &Reading) -> Taken {
        let mut taken = Taken::default();
        if !reading.source.is_observation() {
            return taken;
        }
        // Nobody has computed a value after it was fetched; such a version would never be replaced.
        let fetched_at = reading.fetched_at;
        let version = reading.updated_at.unwrap_or(fetched_at).min(fetched_at);
        let Reading { source, confidence, .. } = *reading;
        let series =
            self.series.entry(scale_of(reading)).or_insert_with(|| Series::of(source, confidence));
        (series.source, series.confidence) = (source, confidence);
        for point in &reading.points {
            let Point { start, span, value, is_estimated } = *point;
            if span.is_positive() && span <= LONGEST {
                let known = Known { span, value, is_estimated, version };
                taken.count(put(&mut series.known, start, known), known);
            }
        }
        taken
    }

    /// Forgets what ended longer than `keep` before `now`, and what begins long after it.
    pub fn forget(&mut self, now: Time, keep: Span) {
        for series in self.series.values_mut() {
            series.known.retain(|&start, known| {
                start <= now + MOST_AHEAD && start.saturating_add(known.span) > now - keep
            });
        }
        self.series.retain(|_, series| !series.known.is_empty());
    }

    /// The past of a scale as a series, with gaps where nothing is known; `None` where nothing is.
    #[must_use]
    pub fn series(&self, scale: &Scale) -> Option<IntensitySeries> {
        let known = &self.series.get(scale)?.known;
        let (start, step, values) = Grid::of(known)?.fill(known);
        let values = values.into_iter().map(|known| known.map(|known| known.value.get()));
        IntensitySeries::new(label(scale), start, step, values).ok()
    }

    /// The last instant of which something is known, where `now` is not known yet: a grid's value is
    /// published late, and the one before it stays in force.
    #[must_use]
    pub fn known_at(&self, scale: &Scale, now: Time) -> Option<Time> {
        let (&start, known) = self.series.get(scale)?.known.range(..=now).next_back()?;
        let last = start.saturating_add(known.span) - Span::from_millis(1);
        Some(now.min(last))
    }

    /// Everything as readings, for whoever starts anew.
    pub fn readings(&self) -> impl Iterator<Item = Reading> + '_ {
        self.series.iter().filter_map(|(scale, series)| {
            let version = series.known.values().map(|known| known.version).max()?;
            let point = |(&start, known): (&Time, &Known)| Point {
                start,
                span: known.span,
                value: known.value,
                is_estimated: known.is_estimated,
            };
            Some(Reading {
                zone: scale.zone.clone(),
                source: series.source,
                signal: scale.signal,
                factor_set: scale.factor_set.clone(),
                points: series.known.iter().map(point).collect(),
                fetched_at: version,
                updated_at: None,
                confidence: series.confidence,
            })
        })
    }

    /// As text, in at most so many bytes: the older half of the days is left out until it fits, down
    /// to the last day.
    #[must_use]
    pub fn write(&self, most_bytes: usize) -> String {
        let mut days = 64;
        loop {
            let series = self.series.iter();
            let series = series.filter_map(|(scale, series)| row(scale, series, days));
            let document = HistoryDocument::new(series.collect());
            // Numbers, texts and lists are JSON.
            let text = serde_json::to_string(&document).unwrap_or_default();
            if text.len() <= most_bytes || days == 1 {
                return text;
            }
            days /= 2;
        }
    }

    /// Takes up what another replica, or the last run, has written. A value that is known here
    /// stays unless the other one is measured and this is not. What begins long after `now` is left
    /// out: somebody's clock was wrong, and a series from now to then has no end.
    ///
    /// # Errors
    ///
    /// What is wrong with the text; nothing of it is taken up.
    pub fn read(&mut self, text: &str, now: Time) -> Result<(), String> {
        let document = HistoryDocument::parse(text).map_err(|error| error.to_string())?;
        let known = |row: HistorySeries| source(&row.source).map(|source| (source, row));
        let rows = document.series.into_iter().map(known).collect::<Result<Vec<_>, _>>()?;
        for (source, row) in rows {
            let (step, confidence) = (row.step(), row.confidence.clamp(0.0, 1.0));
            let scale = row.scale.clone();
            let series = self.series.entry(scale).or_insert_with(|| Series::of(source, confidence));
            for (at, (start, value)) in (0..).zip(row.steps()) {
                let Some(value) = value else { continue };
                if start > now + MOST_AHEAD {
                    break;
                }
                let is_estimated = row.estimated.binary_search(&at).is_ok();
                let version = row.updated_at.min(now);
                put(&mut series.known, start, Known { span: step, value, is_estimated, version });
            }
        }
        Ok(())
    }
}

/// Who a document says spoke last.
fn source(word: &str) -> Result<Source, String> {
    serde_json::from_value(word.into()).map_err(|error| error.to_string())
}

/// Puts a value where it belongs; what was there before, or `None` for one that stays out.
fn put(series: &mut BTreeMap<Time, Known>, start: Time, new: Known) -> Option<Option<Known>> {
    let before = series.get(&start).copied();
    let wins = before.is_none_or(|old| match (old.is_estimated, new.is_estimated) {
        (true, false) => true,
        (false, true) => false,
        _ => new.version > old.version,
    });
    wins.then(|| series.insert(start, new))
}

impl Taken {
    fn count(&mut self, replaced: Option<Option<Known>>, new: Known) {
        match replaced {
            None => {}
            Some(None) => self.new += 1,
            Some(Some(old)) if old.is_estimated && !new.is_estimated => self.measured += 1,
            Some(Some(_)) => self.revised += 1,
        }
    }
}

/// Equal steps from the first to the last value.
struct Grid {
    start: Time,
    step: Span,
    steps: usize,
}

impl Grid {
    fn of(known: &BTreeMap<Time, Known>) -> Option<Self> {
        let fits = |step: &Span| {
            let whole = |millis: i64| millis.rem_euclid(step.millis()) == 0;
            known.iter().all(|(start, k)| whole(start.millis()) && whole(k.span.millis()))
        };
        let step = STEPS.into_iter().find(fits).unwrap_or(STEPS[3]);
        let start = known.keys().next()?.floor(step);
        let end = known.iter().map(|(start, k)| start.saturating_add(k.span)).max()?.ceil(step);
        let steps = usize::try_from((end - start).millis() / step.millis()).ok()?;
        Some(Self { start, step, steps })
    }

    fn fill(&self, known: &BTreeMap<Time, Known>) -> (Time, Span, Vec<Option<Known>>) {
        let mut values = vec![None; self.steps];
        for (start, known) in known {
            let step = self.step.millis();
            let first = (*start - self.start).millis() / step;
            let count = (known.span.millis() / step).max(1);
            let (Ok(first), Ok(count)) = (usize::try_from(first), usize::try_from(count)) else {
                continue;
            };
            let last = (first + count).min(self.steps);
            if let Some(covered) = values.get_mut(first..last) {
                covered.fill(Some(*known));
            }
        }
        (self.start, self.step, values)
    }
}

/// The last `days` days of a scale, as they are written.
fn row(scale: &Scale, series: &Series, days: i64) -> Option<HistorySeries> {
    let known = &series.known;
    let from = *known.keys().next_back()? - Span::DAY * days;
    let recent: BTreeMap<Time, Known> = known.range(from..).map(|(t, k)| (*t, *k)).collect();
    let updated_at = recent.values().map(|known| known.version).max()?;
    let (from, step, values) = Grid::of(&recent)?.fill(&recent);
    let estimated = (0..).zip(&values).filter(|(_, v)| v.is_some_and(|v| v.is_estimated));
    Some(HistorySeries {
        scale: scale.clone(),
        source: series.source.to_string(),
        confidence: series.confidence,
        from,
        step_minutes: u32::try_from(step.millis() / 60_000).ok()?,
        updated_at,
        estimated: estimated.map(|(at, _)| at).collect(),
        values: values.iter().map(|v| v.map(|v| v.value.get())).collect(),
    })
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::intensity::Signal;
    use carbon_kube_providers::Source;
    use proptest::prelude::*;

    use super::*;

    fn hour(h: i64) -> Time {
        Time::from_millis(1_780_000_000_000).floor(Span::DAY) + Span::HOUR * h
    }

    fn point(h: i64, value: f64, is_estimated: bool) -> Point {
        let value = GramsPerKwh::new(value).unwrap();
        Point { start: hour(h), span: Span::HOUR, value, is_estimated }
    }

    fn reading(fetched_at: i64, points: Vec<Point>) -> Reading {
        Reading {
            zone: "EU-DE".parse().unwrap(),
            source: Source::ElectricityMaps,
            signal: Signal::Average,
            factor_set: "lifecycle".into(),
            points,
            fetched_at: hour(fetched_at),
            updated_at: None,
            confidence: 1.0,
        }
    }

    fn values(history: &History) -> Vec<Option<f64>> {
        let scale = scale_of(&reading(0, Vec::new()));
        let series = history.series(&scale).unwrap();
        series.steps().map(|(_, v)| v.map(GramsPerKwh::get)).collect()
    }

    #[test]
    fn a_measured_value_replaces_an_estimate_once_and_is_not_replaced_by_one() {
        let mut history = History::default();
        let taken = history.take(&reading(1, vec![point(0, 100.0, true), point(1, 110.0, true)]));
        assert_eq!(taken, Taken { new: 2, ..Taken::default() });
        let taken = history.take(&reading(3, vec![point(0, 130.0, false), point(1, 115.0, true)]));
        assert_eq!(taken, Taken { measured: 1, revised: 1, ..Taken::default() });
        let taken = history.take(&reading(4, vec![point(0, 99.0, true)]));
        assert_eq!(taken, Taken::default());
        // An answer that comes late, out of a cache: older than what is known.
        assert_eq!(history.take(&reading(2, vec![point(1, 7.0, true)])), Taken::default());
        assert_eq!(format!("{:?}", values(&history)), "[Some(130.0), Some(115.0)]");
    }

    #[test]
    fn only_what_was_observed_is_history_and_scales_are_kept_apart() {
        let mut history = History::default();
        for source in [Source::Decay, Source::TypicalYear, Source::NwsProxy] {
            let made_up = Reading { source, ..reading(1, vec![point(0, 100.0, true)]) };
            assert_eq!(history.take(&made_up), Taken::default());
        }
        let direct =
            Reading { factor_set: "direct".into(), ..reading(1, vec![point(0, 1.0, false)]) };
        history.take(&direct);
        history.take(&reading(1, vec![point(1, 2.0, false)]));
        assert_eq!(format!("{:?}", values(&history)), "[Some(2.0)]");
    }

    #[test]
    fn a_gap_stays_one_and_a_finer_value_makes_finer_steps() {
        let mut history = History::default();
        history.take(&reading(1, vec![point(0, 100.0, false), point(2, 120.0, false)]));
        assert_eq!(format!("{:?}", values(&history)), "[Some(100.0), None, Some(120.0)]");
        let half = Point { span: Span::MINUTE * 30, ..point(3, 60.0, false) };
        history.take(&reading(1, vec![half]));
        assert_eq!(values(&history).len(), 7);
        let scale = scale_of(&reading(0, Vec::new()));
        let known = history.known_at(&scale, hour(5)).unwrap();
        assert_eq!(known, hour(3) + Span::MINUTE * 30 - Span::from_millis(1));
        assert_eq!(history.known_at(&scale, hour(2)), Some(hour(2)));
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_a_text_is_bounded() {
        let mut history = History::default();
        for zone in 0..40 {
            let points = (0..40 * 288).map(|step| Point {
                start: hour(0) + Span::MINUTE * 5 * step,
                span: Span::MINUTE * 5,
                value: GramsPerKwh::new(100.0 + step as f64 / 7.0).unwrap(),
                is_estimated: false,
            });
            let zone = format!("ZONE-{zone}").parse().unwrap();
            history.take(&Reading { zone, ..reading(0, points.collect()) });
        }
        let text = history.write(600_000);
        assert!(text.len() <= 600_000, "{}", text.len());
        assert!(text.contains("ZONE-39"), "every zone keeps its last days");
        history.forget(hour(40 * 24), Span::DAY * 14);
        let first = history.series.values().next().unwrap().known.keys().next();
        assert_eq!(first, Some(&hour(26 * 24)));
        history.forget(hour(400 * 24), Span::DAY * 14);
        assert_eq!(history, History::default());
    }

    #[test]
    fn a_text_that_is_no_history_leaves_what_is_known() {
        let mut history = History::default();
        history.take(&reading(1, vec![point(0, 100.0, false)]));
        let before = history.clone();
        for text in ["", "[]", r#"{"version":2,"series":[]}"#, r#"{"version":1,"series":[{}]}"#] {
            assert!(history.read(text, hour(1)).is_err(), "{text}");
        }
        let absurd = before.write(usize::MAX).replace("[100.0]", "[-5.0,1e9,null]");
        history.read(&absurd, hour(1)).unwrap();
        assert_eq!(history, before);
    }

    #[test]
    fn the_confidence_of_a_source_outlives_a_restart() {
        let mut history = History::default();
        let said = Reading { confidence: 0.7, ..reading(1, vec![point(0, 100.0, false)]) };
        history.take(&said);
        let text = history.write(usize::MAX);
        let confidence = |text: &str| {
            let mut read = History::default();
            read.read(text, hour(1)).unwrap();
            let reading = read.readings().next().unwrap();
            format!("{:.1}", reading.confidence)
        };
        assert_eq!(confidence(&text), "0.7");
        let before = text.replace(r#""confidence":0.7,"#, "");
        assert_ne!(before, text);
        assert_eq!(confidence(&before), "1.0", "as it was written before");
    }

    #[test]
    fn what_is_far_ahead_is_neither_read_nor_kept_and_freezes_nothing() {
        let mut far = History::default();
        let years = 24 * 365 * 200;
        far.take(&reading(1, vec![point(0, 100.0, false), point(1, 110.0, false)]));
        let text = far.write(usize::MAX);
        // Only the version is of the future: the next one replaces the value all the same.
        let version = format!(r#""updatedAt":"{}""#, hour(1));
        assert!(text.contains(&version), "{text}");
        let mut history = History::default();
        let later = text.replace(&version, &format!(r#""updatedAt":"{}""#, hour(years)));
        history.read(&later, hour(2)).unwrap();
        history.take(&reading(3, vec![point(1, 120.0, false)]));
        assert_eq!(format!("{:?}", values(&history)), "[Some(100.0), Some(120.0)]");
        // Nor does a source that says it computed its value tomorrow.
        let ahead =
            Reading { updated_at: Some(hour(30)), ..reading(4, vec![point(1, 130.0, false)]) };
        history.take(&ahead);
        history.take(&reading(5, vec![point(1, 140.0, false)]));
        assert_eq!(format!("{:?}", values(&history)), "[Some(100.0), Some(140.0)]");
        // A start of the future would make a series without end.
        let from = format!(r#""from":"{}""#, hour(0));
        assert!(text.contains(&from), "{text}");
        let mut history = History::default();
        history
            .read(&text.replace(&from, &format!(r#""from":"{}""#, hour(years))), hour(2))
            .unwrap();
        history.forget(hour(2), Span::DAY * 14);
        assert_eq!(history, History::default());
        history.take(&reading(1, vec![point(0, 100.0, false), point(years, 110.0, false)]));
        history.forget(hour(2), Span::DAY * 14);
        assert_eq!(format!("{:?}", values(&history)), "[Some(100.0)]");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_bit_for_bit(
            points in prop::collection::btree_map(0..400i64, (0.0..900.0f64, any::<bool>()), 1..60)
        ) {
            let mut history = History::default();
            let points = points.into_iter().map(|(h, (v, estimated))| point(h, v, estimated));
            history.take(&reading(500, points.collect()));
            let mut read = History::default();
            read.read(&history.write(usize::MAX), hour(500)).unwrap();
            prop_assert_eq!(read, history);
        }
    }
}
