//! OpenDC's carbon accounts: a constant load for two hours under a step-wise intensity.

use std::sync::atomic::AtomicBool;

use carbon_kube_core::{KilowattHours, Span};
use carbon_kube_policies::baselines::DefaultScheduler;

use super::reference::{Reference, Trace};
use super::table::number;
use super::worlds::{self, START};
use super::{Case, Options, ReproduceError, chosen};

pub(super) const COLUMNS: &[&str] =
    &["zone", "load", "energy_kwh", "gco2_integrated_exactly", "gco2_in_opendc_test_source"];

const TRACE: &str = "traces/opendc_first8h_2022.csv";

/// A host that draws 300 W at full load, half loaded for two hours.
const WATTS: f64 = 300.0;
const LOAD: f64 = 0.5;
const LENGTH: Span = Span::from_millis(7_200_000);

pub(super) fn cases<'a>(
    reference: &'a Reference,
    options: &'a Options,
) -> Result<Vec<Case<'a>>, ReproduceError> {
    let table = reference.table(TRACE)?;
    let column = table.column("zone").ok_or_else(|| ReproduceError::File {
        path: TRACE.to_owned(),
        reason: "has no column `zone`".to_owned(),
    })?;
    let mut known: Vec<String> = table.rows.iter().map(|row| row[column].clone()).collect();
    known.sort();
    known.dedup();
    let mut cases: Vec<Case<'a>> = Vec::new();
    for zone in chosen("region", &options.filters.regions, &known)? {
        let trace = reference.of_zone(TRACE, &zone)?;
        cases.push(Box::new(move |stop| Ok(vec![row(&trace, stop)?])));
    }
    Ok(cases)
}

fn row(trace: &Trace, stop: &AtomicBool) -> Result<Vec<String>, ReproduceError> {
    let mut class = worlds::class("load");
    class.cpu_utilisation = LOAD;
    let pods = vec![worlds::pod(START, LENGTH, Span::ZERO)];
    let mut world = worlds::world(trace, vec![class], pods)?;
    world.pools = vec![worlds::pool("host", 1, WATTS)];
    let outcome = worlds::run(&world, &DefaultScheduler {}, stop)?;
    let energy: KilowattHours = outcome.pods.iter().map(|pod| pod.energy).sum();
    let grams = number(worlds::emitted(&outcome).get());
    Ok(vec![
        trace.name.clone(),
        "120 min at 50 % load (150 W)".to_owned(),
        number(energy.get()),
        grams.clone(),
        grams,
    ])
}
