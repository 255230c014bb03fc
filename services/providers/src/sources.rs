//! From the configuration to the sources.

use std::sync::Arc;

use crate::chain::Chain;
use crate::config::ProvidersConfig;
use crate::electricity_maps::ElectricityMaps;
use crate::guard::Context;
use crate::provider::Provider;

/// Every source that has a section. A key that is missing is found when the source is asked: the
/// others work without it.
#[must_use]
pub fn all(config: &ProvidersConfig, context: &Context) -> Vec<Arc<dyn Provider>> {
    let mut sources: Vec<Arc<dyn Provider>> = Vec::new();
    if let Some(section) = &config.electricity_maps {
        sources.push(Arc::new(ElectricityMaps::new(section, context)));
    }
    sources
}

/// The chain of every source that has a section.
#[must_use]
pub fn chain(config: &ProvidersConfig, context: &Context) -> Chain {
    Chain::new(config, all(config, context), context)
}
