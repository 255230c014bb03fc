//! A forecaster that remembers what it said: episodes of a training meet the same hours again and
//! again, and a forecast of an hour is always the same one.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use carbon_kube_core::forecast::History;
use carbon_kube_core::forecaster::{Forecaster, SteppedForecast};
use carbon_kube_core::{Time, Zone};

/// What a forecaster said, by zone and instant. It must always be asked about the same series of a
/// zone. A year of hours takes 14 MB.
#[derive(Debug)]
pub struct Remembered {
    forecaster: Arc<dyn Forecaster>,
    said: RwLock<BTreeMap<Zone, BTreeMap<Time, Option<SteppedForecast>>>>,
}

impl Remembered {
    /// A forecaster that has said nothing yet.
    pub fn new(forecaster: Arc<dyn Forecaster>) -> Self {
        Self { forecaster, said: RwLock::default() }
    }

    fn said(&self, zone: &Zone, now: Time) -> Option<Option<SteppedForecast>> {
        // What a thread that panicked wrote was written whole.
        let said = self.said.read().unwrap_or_else(PoisonError::into_inner);
        said.get(zone)?.get(&now).cloned()
    }
}

impl Forecaster for Remembered {
    fn issue(&self, zone: &Zone, past: &History<'_>) -> Option<SteppedForecast> {
        if let Some(said) = self.said(zone, past.now()) {
            return said;
        }
        let issued = self.forecaster.issue(zone, past);
        let mut said = self.said.write().unwrap_or_else(PoisonError::into_inner);
        said.entry(zone.clone()).or_default().insert(past.now(), issued.clone());
        issued
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use carbon_kube_core::Span;
    use carbon_kube_core::intensity::IntensitySeries;

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl Forecaster for Counting {
        fn issue(&self, _: &Zone, past: &History<'_>) -> Option<SteppedForecast> {
            let asked = self.0.fetch_add(1, Ordering::SeqCst) as f64;
            Some(SteppedForecast::new(past.now(), Span::HOUR, [(asked, 0.0)]))
        }
    }

    #[test]
    fn an_hour_is_forecast_once_for_each_zone() {
        let counting = Arc::new(Counting::default());
        let remembered = Remembered::new(counting.clone());
        let series = carbon_kube_datasets::bundled::series(
            &"EU-DE".parse().unwrap(),
            carbon_kube_core::mix::FactorSet::default(),
        );
        let series: IntensitySeries = series.unwrap().unwrap();
        let zone = |name: &str| -> Zone { name.parse().unwrap() };
        let at = |hour: i64| History::new(&series, series.start() + Span::HOUR * hour);
        let first = remembered.issue(&zone("EU-DE"), &at(9)).unwrap();
        assert_ne!(remembered.issue(&zone("EU-DE"), &at(10)), Some(first.clone()));
        assert_ne!(remembered.issue(&zone("EU-FR"), &at(9)), Some(first.clone()));
        assert_eq!(remembered.issue(&zone("EU-DE"), &at(9)), Some(first));
        assert_eq!(counting.0.load(Ordering::SeqCst), 3);
    }
}
