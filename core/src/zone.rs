//! Grid zones: the names that a user may write, and what is known of each.
//!
//! A *zone* here is a part of the power grid (`US-CA`, `EU-DE`). Kubernetes' own zone is the
//! *topology zone*. The table is `core/data/zones.csv`; a zone that is not in it is legal
//! everywhere, it only has no aliases and counts its hours in UTC.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

/// The name of a grid zone in canonical form, such as `US-CA`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(Arc<str>);

/// A zone's clock, for local hours and weekdays.
pub type Clock = jiff::tz::TimeZone;

/// Why a text can't name a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` can't name a grid zone: use 1 to 63 letters, digits, `-` or `_`, such as `US-CA`")]
pub struct ZoneNameError(String);

/// What is known of a zone: a row of `core/data/zones.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct ZoneInfo {
    /// Canonical name.
    pub zone: Zone,
    /// What the zone covers, for people: `US-NE` is New England, not Nebraska.
    pub title: String,
    /// IANA time zone, for local hours.
    pub time_zone: String,
    /// Electricity Maps' name, or empty.
    pub electricity_maps: String,
    /// Balancing authority or region in EIA form 930, or empty.
    pub eia: String,
    /// ENTSO-E bidding zone, or empty.
    pub entsoe: String,
    /// Other names that users write, separated by `;`.
    pub aliases: String,
}

impl ZoneInfo {
    /// The zone's clock; UTC where the name is not in the compiled-in database.
    #[must_use]
    pub fn clock(&self) -> Clock {
        jiff::tz::TimeZone::get(&self.time_zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        [self.zone.as_str(), &self.electricity_maps, &self.eia, &self.entsoe]
            .into_iter()
            .chain(self.aliases.split(';'))
            .filter(|name| !name.is_empty())
    }
}

impl Zone {
    /// The canonical name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The row of the table, if the zone is in it.
    #[must_use]
    pub fn info(&self) -> Option<&'static ZoneInfo> {
        catalogue().iter().find(|info| info.zone == *self)
    }

    /// The zone's clock; UTC for a zone that the table doesn't know.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.info().map_or(jiff::tz::TimeZone::UTC, ZoneInfo::clock)
    }
}

impl FromStr for Zone {
    type Err = ZoneNameError;

    /// Reads a name; an alias (Electricity Maps, EIA, ENTSO-E) becomes the canonical name.
    fn from_str(text: &str) -> Result<Self, ZoneNameError> {
        let legal = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !legal {
            return Err(ZoneNameError(text.chars().take(80).collect()));
        }
        let known = catalogue()
            .iter()
            .find(|info| info.names().any(|name| name.eq_ignore_ascii_case(text)));
        Ok(known.map_or_else(|| Self(text.into()), |info| info.zone.clone()))
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneNameError;
    fn try_from(text: String) -> Result<Self, ZoneNameError> {
        // The table itself is read through this: no alias look-up, or it would wait for itself.
        if text.is_empty() { Err(ZoneNameError(text)) } else { Ok(Self(text.into())) }
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.0.to_string()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The zones that are known by name, in the order of the table: the seven of the mission first.
pub fn catalogue() -> &'static [ZoneInfo] {
    static TABLE: OnceLock<Vec<ZoneInfo>> = OnceLock::new();
    TABLE.get_or_init(|| {
        csv::Reader::from_reader(include_str!("../data/zones.csv").as_bytes())
            .deserialize()
            .collect::<Result<_, _>>()
            .expect("the compiled-in zone table is read by a test")
    })
}

/// The known name nearest to a misspelt one, for hints.
#[must_use]
pub fn nearest(text: &str) -> Option<&'static str> {
    nearest_name(text, catalogue().iter().flat_map(ZoneInfo::names))
}

/// The candidate most like `text`, if any is like enough to be what was meant.
pub fn nearest_name<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |candidate: &str| {
        strsim::jaro_winkler(&text.to_ascii_lowercase(), &candidate.to_ascii_lowercase())
    };
    candidates
        .map(|candidate| (similarity(candidate), candidate))
        // Below 0.8 suggestions start to look like guesses: `cpu` for `count`.
        .filter(|(similarity, _)| *similarity >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_become_the_canonical_name() {
        for (alias, zone) in [
            ("US-CAL-CISO", "US-CA"),
            ("CISO", "US-CA"),
            ("ercot", "US-TX"),
            ("GB", "EU-UK"),
            ("DE-LU", "EU-DE"),
            ("US-NE-ISNE", "US-NE"),
            ("SE-SE3", "SE-SE3"),
        ] {
            assert_eq!(alias.parse::<Zone>().unwrap().as_str(), zone);
        }
        for text in ["", "US CA", "../../etc", &"x".repeat(64)] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_name_means_two_zones_and_every_clock_exists() {
        let mut names: Vec<String> = catalogue()
            .iter()
            .flat_map(|info| {
                assert!(jiff::tz::TimeZone::get(&info.time_zone).is_ok(), "{}", info.time_zone);
                let mut own: Vec<String> = info.names().map(str::to_ascii_lowercase).collect();
                own.sort();
                own.dedup();
                own
            })
            .collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_misspelt_zone_has_a_nearest_name() {
        assert_eq!(nearest("US-CAL-CIS0"), Some("US-CAL-CISO"));
        assert_eq!(nearest("zzzz"), None);
    }
}
