//! The formats, their names, and how each is known by its content.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::{
    avert, carbon_aware_sdk, carboncast, eia_balance, eia_grid_monitor, electricity_maps,
    electricity_maps_json, electricity_maps_legacy, entsoe, entsoe_py, neso_json, neso_mix, open,
    open_intensity, sgip_moer, smard, stored, watttime,
};
use crate::json::Node;
use crate::table::Table;

macro_rules! formats {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)*) => {
        /// How a file is laid out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Format {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)*
        }

        impl Format {
            /// Every format.
            pub const ALL: &[Format] = &[$(Format::$variant),*];

            /// Its name in commands and scenarios.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it is, in a line.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),* }
            }
        }
    };
}

formats! {
    /// The open files of the project: a mix in megawatts per fuel.
    Open = "open";
    /// The columns of the open files without a mix: intensities as published.
    OpenIntensity = "open-intensity";
    /// A column of times and a column of intensities, named by the caller; CSV or Parquet.
    Columns = "columns";
    /// What `datasets import` and `convert` write; CSV or Parquet.
    Series = "series";
    /// Electricity Maps, CSV of the data portal (2021 to 2025).
    ElectricityMaps = "electricity-maps";
    /// Electricity Maps, bought export of 2021 and 2022.
    ElectricityMapsLegacy = "electricity-maps-legacy";
    /// Electricity Maps, answers of the API: latest, history, past range, forecast; JSON.
    ElectricityMapsJson = "electricity-maps-json";
    /// EIA form 930, six-month file of all balancing authorities.
    EiaBalance = "eia-balance";
    /// EIA form 930, export of the Hourly Electric Grid Monitor.
    EiaGridMonitor = "eia-grid-monitor";
    /// ENTSO-E, actual generation per production type, CSV of the transparency platform.
    Entsoe = "entsoe";
    /// ENTSO-E, the frame that entsoe-py gives, as CSV.
    EntsoePy = "entsoe-py";
    /// Great Britain, answers of the carbon intensity API; JSON.
    NesoJson = "neso-json";
    /// Great Britain, NESO's historic generation mix.
    NesoMix = "neso-mix";
    /// Germany, SMARD, actual generation.
    Smard = "smard";
    /// WattTime, answers of the API v3; JSON.
    Watttime = "watttime";
    /// California's SGIP marginal signal with the forecasts issued for it.
    SgipMoer = "sgip-moer";
    /// Data file or answers of the carbon-aware SDK; JSON.
    CarbonAwareSdk = "carbon-aware-sdk";
    /// CarbonCast and EnsembleCI, and the same from EIA's API: mix by balancing authority.
    Carboncast = "carboncast";
    /// EPA's AVERT: marginal intensity by hour of the year and region.
    Avert = "avert";
}

/// Tells by its content whether something is in a format.
type Test<T> = fn(&T) -> bool;

impl Format {
    /// Whether the files hold a generation mix, so that the intensity is one of our factors.
    #[must_use]
    pub fn is_mix(self) -> bool {
        use Format::{
            Carboncast, EiaBalance, EiaGridMonitor, Entsoe, EntsoePy, NesoMix, Open, Smard,
        };
        matches!(
            self,
            Open | EiaBalance | EiaGridMonitor | Entsoe | EntsoePy | NesoMix | Smard | Carboncast
        )
    }

    /// The format of a table, by its header.
    pub(super) fn of_table(table: &Table<'_>) -> Option<Self> {
        let tests: [(Test<Table<'_>>, Self); 14] = [
            (stored::is_ours, Self::Series),
            (open::is_open, Self::Open),
            (open_intensity::is_intensity, Self::OpenIntensity),
            (electricity_maps::is_portal, Self::ElectricityMaps),
            (electricity_maps_legacy::is_export, Self::ElectricityMapsLegacy),
            (eia_balance::is_balance, Self::EiaBalance),
            (eia_grid_monitor::is_export, Self::EiaGridMonitor),
            (entsoe::is_platform, Self::Entsoe),
            (entsoe_py::is_frame, Self::EntsoePy),
            (neso_mix::is_mix, Self::NesoMix),
            (smard::is_smard, Self::Smard),
            (sgip_moer::is_moer, Self::SgipMoer),
            (carboncast::is_mix, Self::Carboncast),
            (avert::is_avert, Self::Avert),
        ];
        tests.into_iter().find(|(test, _)| test(table)).map(|(_, format)| format)
    }

    /// The format of a JSON document, by its keys.
    pub(super) fn of_json(root: &Node<'_>) -> Option<Self> {
        let tests: [(Test<Node<'_>>, Self); 4] = [
            (watttime::is_answer, Self::Watttime),
            (carbon_aware_sdk::is_data, Self::CarbonAwareSdk),
            (neso_json::is_answer, Self::NesoJson),
            (electricity_maps_json::is_answer, Self::ElectricityMapsJson),
        ];
        tests.into_iter().find(|(test, _)| test(root)).map(|(_, format)| format)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|format| format.name() == text).ok_or_else(|| {
            let names: Vec<String> = Self::ALL.iter().map(|format| format!("`{format}`")).collect();
            format!("`{text}` is no format; there are {}", names.join(", "))
        })
    }
}
