//! Nodes: which grid zone they draw from, what they draw, and an index by name.
//!
//! A thousand nodes are a handful of classes: same zone, same watts, same price. A decision is
//! taken per class, so a request costs a look-up per node and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use carbon_kube_core::cluster::{GRID_ZONE_LABEL, INSTANCE_TYPE_LABEL, REGION_LABEL};
use carbon_kube_core::power::{NodePower, instance};
use carbon_kube_core::view::{NodeView, ZoneSet};
use carbon_kube_core::{MilliCpu, Watts, Zone, cloud_region};

use crate::config::{Config, NodeClass};

/// What a decision needs of a node, before zones have positions.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeFacts {
    /// The grid zone; `None` where no label and no table says which.
    pub zone: Option<Zone>,
    /// Watts at the meter that one more busy core adds, per core of work: over the node's speed.
    pub watts_per_core: Watts,
    /// Price of one core for an hour, in US dollars.
    pub usd_per_core_hour: f64,
}

impl NodeFacts {
    /// Reads a node's labels and allocatable CPU.
    pub fn of<'a>(
        config: &Config,
        label: impl Fn(&str) -> Option<&'a str>,
        allocatable: Option<MilliCpu>,
    ) -> Self {
        let class = config.power.classes.iter().find(|class| class.fits(&label));
        Self {
            zone: zone(config, &label),
            watts_per_core: watts_per_core(config, class, &label, allocatable),
            usd_per_core_hour: class.zip(allocatable).map_or(0.0, |(class, cpu)| {
                class.usd_per_hour / ((cpu.0 as f64 / 1_000.0).max(1e-9) * class.speed)
            }),
        }
    }
}

impl NodeClass {
    fn fits<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.labels.iter().all(|(key, value)| label(key) == Some(value))
    }
}

/// The label, then the configured regions, then the table of cloud regions.
fn zone<'a>(config: &Config, label: impl Fn(&str) -> Option<&'a str>) -> Option<Zone> {
    if let Some(name) = label(GRID_ZONE_LABEL) {
        return name.parse().ok();
    }
    let region = label(REGION_LABEL)?;
    config.grid.regions.get(region).cloned().or_else(|| cloud_region::zone(region))
}

/// A class of the configuration, then the table of instance types, then the default.
fn watts_per_core<'a>(
    config: &Config,
    class: Option<&NodeClass>,
    label: impl Fn(&str) -> Option<&'a str>,
    allocatable: Option<MilliCpu>,
) -> Watts {
    let pue = config.power.pue;
    let of_class = || {
        let class = class?;
        Some(NodePower {
            idle: Watts::new(class.idle_watts)?,
            busy: Watts::new(class.busy_watts)?,
            pue: class.pue.unwrap_or(pue),
        })
    };
    let of_instance = || {
        let row = instance(label(INSTANCE_TYPE_LABEL)?)?;
        Some(NodePower { idle: row.idle_watts, busy: row.busy_watts, pue })
    };
    let speed = class.map_or(1.0, |class| class.speed);
    match of_class().or_else(of_instance).zip(allocatable) {
        Some((power, cpu)) => power.watts_per_core(cpu) * (1.0 / speed),
        None => Watts::new(config.power.default_watts_per_core * pue).unwrap_or(Watts::ZERO),
    }
}

/// Position of a class in [`NodeIndex::classes`].
pub type ClassIndex = u16;

/// Every known node by name, and the classes that they form.
#[derive(Clone, Debug, Default)]
pub struct NodeIndex {
    /// Zones that nodes draw from or that have data, in order of name; a [`ZoneSet`] refers to them by position.
    pub zones: Vec<Zone>,
    /// Classes of equal nodes.
    pub classes: Vec<NodeView>,
    /// Known nodes per zone, in the order of `zones`.
    pub nodes_per_zone: Vec<u64>,
    by_name: HashMap<Box<str>, ClassIndex>,
}

impl NodeIndex {
    /// The index of all nodes. `measured` are zones with data: a node that comes whole may draw
    /// from one that no known node does. Zones beyond the 64 that a set can hold are as unknown as
    /// none.
    #[must_use]
    pub fn new<'z>(
        nodes: &'z BTreeMap<String, NodeFacts>,
        measured: impl IntoIterator<Item = &'z Zone>,
    ) -> Self {
        let of_nodes: BTreeSet<&Zone> =
            nodes.values().filter_map(|node| node.zone.as_ref()).collect();
        let others = measured.into_iter().filter(|zone| !of_nodes.contains(zone));
        let zones: BTreeSet<Zone> =
            of_nodes.iter().copied().chain(others).take(ZoneSet::MAX_ZONES).cloned().collect();
        let zones: Vec<Zone> = zones.into_iter().collect();
        let nodes_per_zone = vec![0; zones.len()];
        let mut index = Self { zones, nodes_per_zone, ..Self::default() };
        for (name, facts) in nodes {
            let view = index.view(facts);
            let class = index.class_of(view);
            if let Some(zone) = view.zone {
                index.nodes_per_zone[zone] += 1;
            }
            index.by_name.insert(name.as_str().into(), class);
        }
        index
    }

    /// The class of a known node.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ClassIndex> {
        self.by_name.get(name).copied()
    }

    /// How many nodes are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// A node as a decision sees it.
    #[must_use]
    pub fn view(&self, facts: &NodeFacts) -> NodeView {
        let position = |zone: &Zone| self.zones.binary_search(zone).ok();
        NodeView {
            zone: facts.zone.as_ref().and_then(position),
            watts_per_core: facts.watts_per_core,
            usd_per_core_hour: facts.usd_per_core_hour,
            // The extender reads no pods, and so does not know what is in use.
            free: None,
        }
    }

    /// The class with this view, a new one where there is none. With 65,536 different kinds of
    /// nodes the rest are taken for the first kind; nobody has them.
    fn class_of(&mut self, view: NodeView) -> ClassIndex {
        let position = self.classes.iter().position(|class| *class == view);
        let position = position.unwrap_or_else(|| {
            self.classes.push(view);
            self.classes.len() - 1
        });
        ClassIndex::try_from(position).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;

    fn facts(labels: &[(&str, &str)], cpu: u64) -> NodeFacts {
        let text = "power: {pue: 1.5, classes: [{labels: {rack: a}, idleWatts: 100, busyWatts: 300, \
                    pue: 2}]}\ngrid: {regions: {moon-1: EU-DE}}";
        let config = Config::parse("test", text).unwrap();
        let label = |key: &str| labels.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
        NodeFacts::of(&config, label, Some(MilliCpu(cpu)))
    }

    #[test]
    fn the_zone_is_the_label_then_the_configured_region_then_the_table() {
        let zone = |labels: &[(&str, &str)]| facts(labels, 1_000).zone.map(|zone| zone.to_string());
        let region = (REGION_LABEL, "eu-west-3");
        assert_eq!(zone(&[region]).unwrap(), "EU-FR");
        assert_eq!(zone(&[region, (GRID_ZONE_LABEL, "CAISO")]).unwrap(), "US-CA");
        assert_eq!(zone(&[(REGION_LABEL, "moon-1")]).unwrap(), "EU-DE");
        assert_eq!(zone(&[(REGION_LABEL, "moon-2")]), None);
        assert_eq!(zone(&[(GRID_ZONE_LABEL, "no zone"), region]), None, "a typo is not a region");
        assert_eq!(zone(&[]), None);
    }

    #[test]
    fn the_watts_are_the_class_then_the_instance_type_then_the_default() {
        let watts = |labels: &[(&str, &str)]| facts(labels, 4_000).watts_per_core.get();
        let m5 = (INSTANCE_TYPE_LABEL, "m5.xlarge");
        // (300 - 100) W / 4 cores x 2 = 100 W.
        assert!((watts(&[("rack", "a"), m5]) - 100.0).abs() < 1e-9);
        // (39.91 - 8.82) W / 4 cores x 1.5 = 11.66 W.
        assert!((watts(&[m5]) - 11.66).abs() < 0.01);
        // Read from its name: (36.649 - 12.132) W / 4 cores x 1.5 = 9.194 W.
        assert!((watts(&[(INSTANCE_TYPE_LABEL, "n2-standard-8")]) - 9.194).abs() < 0.001);
        // 6.5 W x 1.5.
        assert!((watts(&[("rack", "b")]) - 9.75).abs() < 1e-9);
    }

    #[test]
    fn a_thousand_equal_nodes_are_one_class() {
        let node = facts(&[(GRID_ZONE_LABEL, "EU-DE")], 4_000);
        let other = facts(&[(GRID_ZONE_LABEL, "EU-FR")], 4_000);
        let mut nodes: BTreeMap<String, NodeFacts> =
            (0..1_000).map(|i| (format!("node-{i}"), node.clone())).collect();
        nodes.insert("other".into(), other);
        nodes.insert("lost".into(), facts(&[], 4_000));
        let index = NodeIndex::new(&nodes, []);
        assert_eq!((index.classes.len(), index.len()), (3, 1_002));
        assert_eq!(index.nodes_per_zone, [1_000, 1]);
        let class = |name| index.find(name).map(|class| index.classes[usize::from(class)].zone);
        assert_eq!(class("node-7"), Some(Some(0)));
        assert_eq!(class("other"), Some(Some(1)));
        assert_eq!(class("lost"), Some(None));
        assert_eq!(class("ghost"), None);
    }

    #[test]
    fn the_default_is_the_median_of_the_table_of_instance_types() {
        let mut watts: Vec<f64> = carbon_kube_core::power::names()
            .filter_map(instance)
            .map(|row| (row.busy_watts - row.idle_watts).get() / f64::from(row.vcpu))
            .collect();
        watts.sort_by(f64::total_cmp);
        let median = watts[watts.len() / 2];
        let default = Config::default().power.default_watts_per_core;
        assert!((median - default).abs() < 0.5, "{median}");
    }
}
