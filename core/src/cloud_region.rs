//! Which grid zone a cloud region draws from, and what its provider's buildings add to its power:
//! `core/data/cloud_regions.csv` and `core/data/providers.csv`.
//!
//! A region's data centres can be fed by several zones, and a provider may place a new one in
//! another; the node label `carbon-kube.io/grid-zone` always wins over this table.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::compiled_in;
use crate::zone::Zone;

/// One row of the table.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct CloudRegion {
    /// `aws`, `gcp` or `azure`.
    pub provider: String,
    /// The provider's name of the region, as in the label `topology.kubernetes.io/region`.
    pub region: String,
    /// The grid zone, a canonical name or the one of Electricity Maps.
    pub zone: String,
    /// Where the data centres are, for people.
    pub place: String,
}

/// The grid zone of a region; `None` where the table lacks it.
#[must_use]
pub fn zone(region: &str) -> Option<Zone> {
    static ZONES: OnceLock<BTreeMap<&'static str, Zone>> = OnceLock::new();
    let zones = ZONES.get_or_init(|| {
        let zone = |row: &CloudRegion| {
            row.zone.parse().expect("the compiled-in region table is read by a test")
        };
        table().iter().map(|row| (row.region.as_str(), zone(row))).collect()
    });
    zones.get(region).cloned()
}

/// Power usage effectiveness of a region's provider, the mean of all its data centres; `None` where
/// the table lacks the region. A provider's regions differ: 1.04 to 1.5 have been published.
#[must_use]
pub fn pue(region: &str) -> Option<f64> {
    let row = table().iter().find(|row| row.region == region)?;
    providers().iter().find(|provider| provider.provider == row.provider).map(|row| row.pue)
}

/// Every row, in the order of the file.
pub fn table() -> &'static [CloudRegion] {
    static TABLE: OnceLock<Vec<CloudRegion>> = OnceLock::new();
    TABLE.get_or_init(|| compiled_in::rows(include_str!("../data/cloud_regions.csv")))
}

/// One cloud provider.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Provider {
    /// `aws`, `gcp` or `azure`.
    pub provider: String,
    /// Its name, for people.
    pub title: String,
    /// Power usage effectiveness, the mean of its data centres.
    pub pue: f64,
    /// The year that it is of.
    pub year: u16,
    /// Who published it where.
    pub source: String,
}

/// The providers, in the order of the file.
pub fn providers() -> &'static [Provider] {
    static TABLE: OnceLock<Vec<Provider>> = OnceLock::new();
    TABLE.get_or_init(|| compiled_in::rows(include_str!("../data/providers.csv")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_three_clouds_have_a_zone() {
        for (region, expected) in [
            ("us-west-1", "US-CA"),
            ("europe-west9", "EU-FR"),
            ("uksouth", "EU-UK"),
            ("eu-central-1", "EU-DE"),
            ("southcentralus", "US-TX"),
            ("us-east-1", "US-MIDA-PJM"),
        ] {
            assert_eq!(zone(region).unwrap().as_str(), expected, "{region}");
        }
        assert_eq!(zone("moon-1"), None);
    }

    #[test]
    fn every_region_has_a_provider_with_a_pue() {
        assert_eq!(pue("eu-west-1"), Some(1.15));
        assert_eq!(pue("moon-1"), None);
        for row in table() {
            assert!(pue(&row.region).is_some_and(|pue| (1.0..2.0).contains(&pue)), "{row:?}");
            assert!(row.zone.parse::<Zone>().is_ok() && !row.place.is_empty(), "{row:?}");
        }
        assert!(providers().iter().all(|row| !row.source.is_empty() && row.year >= 2020));
    }

    #[test]
    fn no_region_is_listed_twice_whatever_the_provider() {
        let mut names: Vec<&str> = table().iter().map(|row| row.region.as_str()).collect();
        let rows = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows);
    }
}
