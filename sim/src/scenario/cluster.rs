//! From the scenario's pools and workloads to those of [`World`](crate::world::World). Pure: what
//! is read from files is in [`super::build`].

use std::collections::BTreeMap;

use carbon_kube_core::power::{Curve, CurveError, Shape};
use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Watts, embodied};

use super::rules;
use super::spec::{
    self, NodePool, PodEntry, PodTemplate, Power, PowerModel, Workload, WorkloadKind,
};
use crate::world::{
    Affinity, Autoscaling, Operator, Outage, OutageKind, Owner, PodClass, Pool, Requirement,
    Resources, Taint, TaintEffect, Toleration,
};

/// The node label that says which grid zone a node draws from.
pub(super) const GRID_ZONE: &str = "carbon-kube.io/grid-zone";

/// The pool; `None` where capacity or power is missing.
pub(super) fn pool(pool: &NodePool, zone: usize) -> Option<Pool> {
    let curve = curve(pool.power.as_ref()?)?.ok()?;
    let gpus = pool.allocatable.gpu.unwrap_or(0);
    let gpu = pool.gpu.clone().unwrap_or_default();
    let gpu_idle = Watts::new(gpu.idle_watts.unwrap_or(0.0))?;
    let gpu_busy = Watts::new(gpu.busy_watts.unwrap_or(0.0))?;
    let idle = curve.watts(0.0) + gpu_idle * f64::from(gpus);
    let embodied = pool.embodied.as_ref();
    let paid = pool.price.as_ref().and_then(|price| price.paid().0);
    Some(Pool {
        name: pool.name.clone(),
        zone,
        count: pool.autoscaling.as_ref().map_or(pool.count, |scaling| scaling.max),
        allocatable: Resources {
            cpu: pool.allocatable.cpu.as_ref()?.0,
            memory: pool.allocatable.memory.as_ref()?.0,
            gpu: MilliGpu::whole(gpus),
        },
        max_pods: pool.max_pods,
        labels: labels(pool),
        taints: pool.taints.iter().map(taint).collect(),
        idle,
        busy: curve.watts(1.0) + gpu_idle * f64::from(gpus),
        curve: Some(curve).filter(|curve| !curve.is_line()),
        watts_per_gpu: gpu_busy - gpu_idle,
        pue: pool.pue.unwrap_or(spec::USUAL_PUE),
        embodied_kg: embodied.and_then(|embodied| embodied.kg_co2e).unwrap_or(0.0),
        lifetime_years: embodied.map_or(spec::LIFETIME_YEARS, |embodied| embodied.lifetime_years),
        usd_per_hour: paid.unwrap_or(pool.usd_per_hour),
        prepaid: pool.prepaid,
        speed: pool.speed,
        autoscaling: pool.autoscaling.as_ref().map(|scaling| Autoscaling {
            min: scaling.min,
            initial: pool.count,
            boot_time: scaling.boot_time.0,
            boot: scaling.boot_watts.and_then(Watts::new).unwrap_or(idle),
            scale_down_delay: scaling.scale_down_delay.0,
        }),
        outages: outages(pool),
    })
}

fn outages(pool: &NodePool) -> Vec<Outage> {
    let failures = pool.failures.as_ref().map(|failures| Outage {
        kind: OutageKind::Failure,
        mean_between: failures.mean_between.0,
        away: failures.mean_repair.0,
    });
    let spot = pool.spot.as_ref().map(|spot| Outage {
        kind: OutageKind::Reclaim,
        mean_between: spot.mean_between.0,
        away: spot.replaced_after.0,
    });
    failures.into_iter().chain(spot).collect()
}

/// The curve from CPU use to watts; `None` where its ends are missing.
pub(super) fn curve(power: &Power) -> Option<Result<Curve, CurveError>> {
    let watts = |value: Option<f64>| Watts::new(value?);
    let points = || power.points.iter().map(|&point| watts(Some(point))).collect::<Option<_>>();
    let (idle, busy, shape) = if power.points.is_empty() {
        (watts(power.idle_watts)?, watts(power.busy_watts)?, shape(power))
    } else {
        (Watts::ZERO, Watts::ZERO, Shape::Points(points()?))
    };
    let curve = Curve::new(idle, busy, shape);
    Some(if power.zero_when_idle { curve.map(Curve::zero_when_idle) } else { curve })
}

/// What Fan et al. found for their servers.
const MSE_EXPONENT: f64 = 1.4;
/// OpenDC's default.
const ASYMPTOTIC_ONSET: f64 = 0.3;

fn shape(power: &Power) -> Shape {
    let onset = power.onset.unwrap_or(ASYMPTOTIC_ONSET);
    match power.model {
        PowerModel::Linear => Shape::Linear,
        PowerModel::Sqrt => Shape::Sqrt,
        PowerModel::Square => Shape::Square,
        PowerModel::Cubic => Shape::Cubic,
        PowerModel::Mse => Shape::Mse { exponent: power.exponent.unwrap_or(MSE_EXPONENT) },
        PowerModel::Asymptotic => Shape::Asymptotic { onset, dvfs: false },
        PowerModel::AsymptoticDvfs => Shape::Asymptotic { onset, dvfs: true },
    }
}

/// The node's part of making a server of these parts, in kg CO2e.
pub(super) fn server_kg(server: &spec::Server) -> f64 {
    let whole = embodied::Server {
        cpus: server.cpus,
        cores_per_cpu: server.cores_per_cpu,
        die_cm2_per_core: server.die_cm2_per_core,
        memory_gb: server.memory_gb,
        memory_modules: server.memory_modules,
        ssds: server.ssds,
        ssd_gb: server.ssd_gb,
        hdds: server.hdds,
        gpus: server.gpus,
        gpu_kg: server.gpu_kg_co2e,
        power_supplies: server.power_supplies,
    };
    whole.kg_co2e() * server.share
}

/// The labels of the pool's nodes: its own, and those that a cloud's kubelet would set.
fn labels(pool: &NodePool) -> BTreeMap<String, String> {
    let automatic = [
        (GRID_ZONE, Some(pool.zone.to_string())),
        ("node.kubernetes.io/instance-type", pool.instance_type.clone()),
        ("topology.kubernetes.io/region", pool.region.clone()),
        ("topology.kubernetes.io/zone", pool.topology_zone.clone()),
    ];
    let mut labels = pool.labels.clone();
    for (key, value) in automatic {
        labels.extend(value.map(|value| (key.to_owned(), value)));
    }
    labels
}

fn taint(taint: &spec::Taint) -> Taint {
    Taint { key: taint.key.clone(), value: taint.value.clone(), effect: effect(taint.effect) }
}

fn effect(effect: spec::TaintEffect) -> TaintEffect {
    match effect {
        spec::TaintEffect::NoSchedule => TaintEffect::NoSchedule,
        spec::TaintEffect::PreferNoSchedule => TaintEffect::PreferNoSchedule,
        spec::TaintEffect::NoExecute => TaintEffect::NoExecute,
    }
}

/// What the pods of a workload have in common.
pub(super) fn class(workload: &Workload) -> PodClass {
    let template = workload.template.clone().unwrap_or_default();
    PodClass {
        name: workload.name.clone(),
        owner: match workload.kind {
            WorkloadKind::Job => Owner::Job,
            WorkloadKind::Deployment => Owner::Deployment,
        },
        priority: template.spec.priority,
        affinity: affinity(&template),
        tolerations: template.spec.tolerations.iter().map(toleration).collect(),
        node_selector: template.spec.node_selector.clone(),
        interruptible: workload.interruptible.unwrap_or(false),
        migratable: workload.migratable.unwrap_or(false),
        checkpoint: workload.checkpoint.0,
        data: workload.data_size.0,
        cpu_utilisation: workload.cpu_utilisation,
        gpu_utilisation: workload.gpu_utilisation,
        speedup: workload.speedup.clone(),
        draw: draw(workload),
        expected_duration: workload.expected_duration.as_ref().map(|expected| expected.0),
        rules: rules::rules(&template),
        disruption: rules::disruption(workload),
        load: workload.load.as_ref().map(rules::load),
    }
}

/// Without a profile, each worker draws what one does.
fn draw(workload: &Workload) -> Vec<f64> {
    match workload.power_ratio.as_slice() {
        [] => (1..=workload.speedup.len()).map(|workers| workers as f64).collect(),
        stated => stated.to_vec(),
    }
}

fn affinity(template: &PodTemplate) -> Affinity {
    let rules = template.spec.affinity.as_ref();
    let Some(rules) = rules.and_then(|affinity| affinity.node_affinity.as_ref()) else {
        return Affinity::default();
    };
    let required = rules.required.iter();
    Affinity {
        required: required
            .flat_map(|selector| selector.node_selector_terms.iter().map(term))
            .collect(),
        preferred: rules
            .preferred
            .iter()
            .map(|preferred| (preferred.weight, term(&preferred.preference)))
            .collect(),
    }
}

fn term(term: &spec::NodeSelectorTerm) -> Vec<Requirement> {
    term.match_expressions.iter().map(requirement).collect()
}

pub(super) fn requirement(requirement: &spec::Requirement) -> Requirement {
    Requirement {
        key: requirement.key.clone(),
        operator: match requirement.operator {
            spec::Operator::In => Operator::In,
            spec::Operator::NotIn => Operator::NotIn,
            spec::Operator::Exists => Operator::Exists,
            spec::Operator::DoesNotExist => Operator::DoesNotExist,
            spec::Operator::Gt => Operator::Gt,
            spec::Operator::Lt => Operator::Lt,
        },
        values: requirement.values.clone(),
    }
}

fn toleration(toleration: &spec::Toleration) -> Toleration {
    Toleration {
        key: toleration.key.clone(),
        exists: toleration.operator == spec::TolerationOperator::Exists,
        value: toleration.value.clone(),
        effect: toleration.effect.map(effect),
    }
}

/// What the template's containers request together; `cpu` is `None` where no container says.
pub(super) struct TemplateRequests {
    pub cpu: Option<MilliCpu>,
    pub memory: Bytes,
    pub gpu: MilliGpu,
}

/// The sum over the containers; a limit counts where a request is missing, as in Kubernetes.
pub(super) fn requests(workload: &Workload) -> TemplateRequests {
    let mut sum = TemplateRequests { cpu: None, memory: Bytes(0), gpu: MilliGpu(0) };
    let containers = workload.template.iter().flat_map(|t| &t.spec.containers);
    for spec::ContainerResources { requests, limits } in containers.map(|c| &c.resources) {
        if let Some(cpu) = requests.cpu.as_ref().or(limits.cpu.as_ref()) {
            let before = sum.cpu.unwrap_or_default();
            sum.cpu = Some(MilliCpu(before.0.saturating_add(cpu.0.0)));
        }
        if let Some(memory) = requests.memory.as_ref().or(limits.memory.as_ref()) {
            sum.memory = Bytes(sum.memory.0.saturating_add(memory.0.0));
        }
        let gpu = requests.gpu.or(limits.gpu).unwrap_or(0);
        sum.gpu = MilliGpu(sum.gpu.0.saturating_add(MilliGpu::whole(gpu).0));
    }
    sum
}

/// Resources as a message shows them.
pub(super) fn shown(resources: &Resources) -> String {
    let mut text = format!("cpu {}, memory {}", resources.cpu, resources.memory);
    if resources.gpu > MilliGpu(0) {
        text += &format!(", gpu {}", resources.gpu);
    }
    text
}

/// What a listed pod requests: its own values, else those of the template.
pub(super) fn pod_requests(pod: &PodEntry, template: &TemplateRequests) -> Resources {
    let cpu = pod.cpu.as_ref().map(|cpu| cpu.0);
    let memory = pod.memory.as_ref().map(|memory| memory.0);
    Resources {
        cpu: cpu.or(template.cpu).unwrap_or_default(),
        memory: memory.unwrap_or(template.memory),
        gpu: pod.gpu.and_then(MilliGpu::new).unwrap_or(template.gpu),
    }
}
