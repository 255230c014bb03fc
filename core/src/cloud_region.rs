//! Which grid zone a cloud region draws from: `core/data/cloud_regions.csv`.
//!
//! A region's data centres can be fed by several zones, and a provider may place a new one in
//! another; the node label `carbon-kube.io/grid-zone` always wins over this table.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

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

/// Every row, in the order of the file.
pub fn table() -> &'static [CloudRegion] {
    static TABLE: OnceLock<Vec<CloudRegion>> = OnceLock::new();
    TABLE.get_or_init(|| {
        csv::Reader::from_reader(include_str!("../data/cloud_regions.csv").as_bytes())
            .deserialize()
            .collect::<Result<_, _>>()
            .expect("the compiled-in region table is read by a test")
    })
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
    fn no_region_is_listed_twice_whatever_the_provider() {
        let mut names: Vec<&str> = table().iter().map(|row| row.region.as_str()).collect();
        let rows = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows);
    }
}
