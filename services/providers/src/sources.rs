//! From the configuration to the sources.

use std::sync::Arc;

use crate::carbon_aware_sdk::CarbonAwareSdk;
use crate::chain::Chain;
use crate::config::{ProviderName, ProvidersConfig};
use crate::eia::Eia;
use crate::electricity_maps::ElectricityMaps;
use crate::entsoe::Entsoe;
use crate::gb_carbon_intensity::GbCarbonIntensity;
use crate::guard::Context;
use crate::nws::Nws;
use crate::provider::Provider;
use crate::watttime::Watttime;

/// One source, if it has a section. A key that is missing is found when the source is asked: the
/// others work without it.
#[must_use]
pub fn one(
    name: ProviderName,
    config: &ProvidersConfig,
    context: &Context,
) -> Option<Arc<dyn Provider>> {
    Some(match name {
        ProviderName::ElectricityMaps => {
            Arc::new(ElectricityMaps::new(config.electricity_maps.as_ref()?, context))
        }
        ProviderName::Eia => Arc::new(Eia::new(config.eia.as_ref()?, context)),
        ProviderName::Entsoe => Arc::new(Entsoe::new(config.entsoe.as_ref()?, context)),
        ProviderName::GbCarbonIntensity => {
            Arc::new(GbCarbonIntensity::new(config.gb_carbon_intensity.as_ref()?, context))
        }
        ProviderName::Watttime => Arc::new(Watttime::new(config.watttime.as_ref()?, context)),
        ProviderName::CarbonAwareSdk => {
            Arc::new(CarbonAwareSdk::new(config.carbon_aware_sdk.as_ref()?, context))
        }
        ProviderName::Nws => Arc::new(Nws::new(config.nws.as_ref()?, context)),
    })
}

/// The chain of every source that has a section.
#[must_use]
pub fn chain(config: &ProvidersConfig, context: &Context) -> Chain {
    let sources = ProviderName::ALL.into_iter().filter_map(|name| one(name, config, context));
    Chain::new(config, sources.collect(), context)
}
