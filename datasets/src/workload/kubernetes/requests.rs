//! What a pod requests, as kube-scheduler adds it up: the containers and the sidecars together, or
//! one of the init containers where that asks for more, and the overhead of the runtime.

use std::collections::BTreeMap;

use carbon_kube_core::units::parse_quantity_milli;

use super::objects::{Container, PodSpec, Quantity};
use super::{Fault, Requests};

/// Resources that count as GPUs.
const GPUS: [&str; 2] = ["nvidia.com/gpu", "amd.com/gpu"];

impl Requests {
    fn plus(self, other: Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
            memory: self.memory.saturating_add(other.memory),
            gpu: self.gpu.saturating_add(other.gpu),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            cpu_milli: self.cpu_milli.max(other.cpu_milli),
            memory: self.memory.max(other.memory),
            gpu: self.gpu.max(other.gpu),
        }
    }
}

/// The requests of a pod.
pub(super) fn of_pod(spec: &PodSpec) -> Result<Requests, Fault> {
    let mut running = Requests::default();
    for container in &spec.containers {
        running = running.plus(of_container(container, "spec.containers")?);
    }
    // Sidecars are init containers that stay: those before an init container run beside it.
    let mut sidecars = Requests::default();
    let mut starting = Requests::default();
    for container in &spec.init_containers {
        let requests = of_container(container, "spec.initContainers")?;
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = sidecars.plus(requests);
        } else {
            starting = starting.max(sidecars.plus(requests));
        }
    }
    let overhead = of_list(&spec.overhead, &BTreeMap::new(), "spec.overhead")?;
    Ok(running.plus(sidecars).max(starting).plus(overhead))
}

fn of_container(container: &Container, path: &'static str) -> Result<Requests, Fault> {
    of_list(&container.resources.requests, &container.resources.limits, path)
}

/// A limit counts where there is no request.
fn of_list(
    requests: &BTreeMap<String, Quantity>,
    limits: &BTreeMap<String, Quantity>,
    path: &'static str,
) -> Result<Requests, Fault> {
    let milli = |name: &str| match requests.get(name).or_else(|| limits.get(name)) {
        Some(quantity) => milli(quantity, path, name),
        None => Ok(0),
    };
    let mut gpus = 0u64;
    for name in GPUS {
        gpus = gpus.saturating_add(milli(name)?.div_ceil(1_000));
    }
    Ok(Requests {
        cpu_milli: milli("cpu")?,
        memory: milli("memory")?.div_ceil(1_000),
        gpu: whole(gpus, path)?,
    })
}

/// The capacity of a node.
pub(super) fn of_node(allocatable: &BTreeMap<String, Quantity>) -> Result<(Requests, u32), Fault> {
    let path = "status.allocatable";
    let pods = allocatable.get("pods").map_or(Ok(110_000), |pods| milli(pods, path, "pods"))?;
    Ok((of_list(allocatable, &BTreeMap::new(), path)?, whole(pods / 1_000, path)?))
}

fn whole(count: u64, path: &'static str) -> Result<u32, Fault> {
    u32::try_from(count).map_err(|_| Fault::new(path, "counts more than any node has"))
}

fn milli(quantity: &Quantity, path: &'static str, name: &str) -> Result<u64, Fault> {
    let text = match quantity {
        Quantity::Text(text) => text.clone(),
        Quantity::Number(number) => number.to_string(),
    };
    parse_quantity_milli(&text)
        .map_err(|error| Fault::new(format!("{path}: {name}"), error.to_string()))
}
