//! The node pools, and the users' tables that their machines are looked up in.

use std::path::Path;

use carbon_kube_datasets::power::{self, Found};

use crate::scenario::check;
use crate::scenario::cluster;
use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::path::shortened;
use crate::scenario::resolve;
use crate::scenario::schema::did_you_mean;
use crate::scenario::spec::{NodePool, Spec, ZoneName};
use crate::world::Pool;

/// The pools; the check of the scenario has seen to it that each is complete and its zone known.
pub(super) fn pools(spec: &Spec, base_dir: &Path, report: &mut Report<'_>) -> Vec<Pool> {
    let zone = |name: &ZoneName| spec.grid.zones.iter().position(|zone| zone.zone == *name);
    let mut pools = Vec::with_capacity(spec.node_pools.len());
    for (i, pool) in spec.node_pools.iter().enumerate() {
        let looked_up = looked_up(pool, &format!("spec.nodePools[{i}]"), base_dir, report);
        let pool = looked_up.as_ref().unwrap_or(pool);
        pools.extend(zone(&pool.zone).and_then(|zone| cluster::pool(pool, zone)));
    }
    let any_table = spec.node_pools.iter().any(|pool| pool.instance_table.is_some());
    if any_table && pools.len() == spec.node_pools.len() {
        // Before the table was read, nobody knew how large its machines are.
        check::rooms(spec, &pools, report);
    }
    pools
}

/// The pool with what its table says of its instance type; `None` where it has no table, or where
/// that was no help.
fn looked_up(
    pool: &NodePool,
    path: &str,
    base_dir: &Path,
    report: &mut Report<'_>,
) -> Option<NodePool> {
    let (table, name) = pool.instance_table.as_ref().zip(pool.instance_type.as_ref())?;
    match power::find(&base_dir.join(table), name) {
        Ok(Found::Machine(machine)) => {
            let mut pool = pool.clone();
            resolve::fill_from_instance(&mut pool, (*machine).into());
            Some(pool)
        }
        Ok(Found::Nothing { nearest }) => {
            let message = format!("`{}` is not in {}", shortened(name), shortened(table));
            let near = nearest.as_deref().map(shortened);
            report
                .error(Code::UnknownInstanceType, &format!("{path}.instanceType"), message)
                .maybe_hint(did_you_mean(near.as_deref()));
            None
        }
        Err(error) => {
            let path = format!("{path}.instanceTable");
            report
                .error(Code::UnreadableTrace, &path, error.to_string())
                .maybe_hint(super::hint(&error));
            None
        }
    }
}
