//! From a generation mix to carbon intensity: fuels and emission factors.
//!
//! Factors are the rows of `core/data/emission_factors.csv`, a source in each row. Three sets:
//! `local` (direct, by zone and year: closest to official national numbers, the default),
//! `global` (direct, one set for the world) and `lifecycle` (one set for the world).

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::intensity::Scope;
use crate::units::GramsPerKwh;
use crate::zone::Zone;

/// What electricity is made from, as the open files group it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it all")]
pub enum Fuel {
    Coal,
    Lignite,
    Gas,
    Oil,
    Nuclear,
    Hydro,
    Wind,
    Solar,
    Biomass,
    Geothermal,
    Other,
}

impl Fuel {
    /// Every fuel, in the column order of the open files.
    pub const ALL: [Fuel; 11] = [
        Fuel::Coal,
        Fuel::Lignite,
        Fuel::Gas,
        Fuel::Oil,
        Fuel::Nuclear,
        Fuel::Hydro,
        Fuel::Wind,
        Fuel::Solar,
        Fuel::Biomass,
        Fuel::Geothermal,
        Fuel::Other,
    ];

    /// The word in column names: `coal` of `coal_mw`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fuel::Coal => "coal",
            Fuel::Lignite => "lignite",
            Fuel::Gas => "gas",
            Fuel::Oil => "oil",
            Fuel::Nuclear => "nuclear",
            Fuel::Hydro => "hydro",
            Fuel::Wind => "wind",
            Fuel::Solar => "solar",
            Fuel::Biomass => "biomass",
            Fuel::Geothermal => "geothermal",
            Fuel::Other => "other",
        }
    }
}

/// Which emission factors turn a mix into an intensity.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum FactorSet {
    /// Direct, with the factors of that zone and year.
    #[default]
    Local,
    /// Direct, one set for the whole world (IPCC 2014).
    Global,
    /// Lifecycle, one set for the whole world (IPCC 2014).
    Lifecycle,
}

impl FactorSet {
    /// What the set counts.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self::Local | Self::Global => Scope::Direct,
            Self::Lifecycle => Scope::Lifecycle,
        }
    }
}

impl fmt::Display for FactorSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Global => "global",
            Self::Lifecycle => "lifecycle",
        })
    }
}

impl FromStr for FactorSet {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "local" => Ok(Self::Local),
            "global" => Ok(Self::Global),
            "lifecycle" => Ok(Self::Lifecycle),
            _ => {
                Err(format!("`{text}` is no factor set; there are `local`, `global`, `lifecycle`"))
            }
        }
    }
}

/// One row of `core/data/emission_factors.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct FactorRow {
    /// The set that the row belongs to.
    pub set: FactorSet,
    /// Zone, or empty for the whole world.
    pub zone: String,
    /// Calendar year, or empty for all years.
    pub year: Option<i16>,
    /// The fuel.
    pub fuel: Fuel,
    /// The factor, in g/kWh of electricity.
    pub g_per_kwh: f64,
    /// Who published it.
    pub source: String,
}

/// Emission factors in g/kWh, one for each of [`Fuel::ALL`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors([f64; 11]);

impl Factors {
    /// The factors of a set for a zone and year. A year that the table lacks takes the nearest
    /// one that it has; `None` where the set has nothing for the zone at all.
    #[must_use]
    pub fn find(set: FactorSet, zone: &Zone, year: i16) -> Option<Self> {
        let rows = || {
            factor_rows()
                .iter()
                .filter(|row| row.set == set && (row.zone.is_empty() || row.zone == zone.as_str()))
        };
        let nearest = rows()
            .filter_map(|row| row.year)
            .min_by_key(|candidate| (candidate.abs_diff(year), *candidate));
        let mut factors = [0.0; 11];
        let mut any = false;
        for row in rows().filter(|row| row.year.is_none() || row.year == nearest) {
            factors[row.fuel as usize] = row.g_per_kwh;
            any = true;
        }
        any.then_some(Self(factors))
    }

    /// The intensity of a mix given as power per fuel in the order of [`Fuel::ALL`], any unit.
    /// Negative generation (a plant's own use) counts as none. `None` where nothing runs.
    #[must_use]
    pub fn intensity(&self, generation: &[f64; 11]) -> Option<GramsPerKwh> {
        let total: f64 = generation.iter().map(|mw| mw.max(0.0)).sum();
        let grams: f64 =
            generation.iter().zip(self.0).map(|(mw, factor)| mw.max(0.0) * factor).sum();
        GramsPerKwh::new(grams / total)
    }
}

/// Every factor that is compiled in.
pub fn factor_rows() -> &'static [FactorRow] {
    static TABLE: OnceLock<Vec<FactorRow>> = OnceLock::new();
    TABLE.get_or_init(|| {
        csv::Reader::from_reader(include_str!("../data/emission_factors.csv").as_bytes())
            .deserialize()
            .collect::<Result<_, _>>()
            .expect("the compiled-in factor table is read by a test")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_of_gas_and_wind_has_half_the_factor_of_gas() {
        let factors = Factors::find(FactorSet::Global, &"XX".parse().unwrap(), 2020).unwrap();
        let mut mix = [0.0; 11];
        (mix[Fuel::Gas as usize], mix[Fuel::Wind as usize]) = (500.0, 500.0);
        // 500 x 370 g + 500 x 0 g over 1,000 = 185 g/kWh.
        assert!((factors.intensity(&mix).unwrap().get() - 185.0).abs() < 1e-9);
        mix[Fuel::Solar as usize] = -5.0;
        assert!((factors.intensity(&mix).unwrap().get() - 185.0).abs() < 1e-9);
        assert!(factors.intensity(&[0.0; 11]).is_none());
    }

    #[test]
    fn local_factors_take_the_nearest_year_and_exist_for_every_mission_zone() {
        let zone: Zone = "EU-DE".parse().unwrap();
        let of = |year| Factors::find(FactorSet::Local, &zone, year).unwrap();
        assert_eq!(of(2031), of(2021));
        assert_ne!(of(2018), of(2021));
        for zone in ["US-CA", "US-TX", "US-NY", "US-NE", "EU-DE", "EU-FR", "EU-UK"] {
            assert!(Factors::find(FactorSet::Local, &zone.parse().unwrap(), 2020).is_some());
        }
        assert!(Factors::find(FactorSet::Local, &"SG".parse().unwrap(), 2020).is_none());
    }

    #[test]
    fn every_factor_names_its_source() {
        assert!(factor_rows().iter().all(|row| !row.source.is_empty() && row.g_per_kwh >= 0.0));
    }
}
