//! What nodes draw, what making them emitted, and what they cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a node turns CPU use into power: from `idleWatts` to `busyWatts` by a model, or measured
/// `points`. GPUs are apart, under `gpu`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Power {
    /// Power drawn at zero CPU use, in watts. Required without `points`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub idle_watts: Option<f64>,
    /// Power drawn with every allocatable core busy, in watts; at least `idleWatts`. Required
    /// without `points`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub busy_watts: Option<f64>,
    /// The way from one to the other. Default `linear`.
    #[serde(skip_serializing_if = "is_default")]
    pub model: PowerModel,
    /// The r of `model: mse`, 1 to 2. Default 1.4.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    pub exponent: Option<f64>,
    /// The a of `model: asymptotic` and `asymptoticDvfs`: the utilisation at which power flattens,
    /// 0.001 to 1. Default 0.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1))]
    pub onset: Option<f64>,
    /// Measured watts at equally spaced utilisations from 0 to 1, never falling, joined by
    /// straight lines: the eleven of a SPECpower result, from active idle to 100 %.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1001), inner(range(min = 0, max = 1_000_000)))]
    pub points: Vec<f64>,
    /// Whether a node without busy CPU draws nothing, as if it slept. What it draws from the first
    /// busy core on then counts as operational. Default `false`.
    #[serde(skip_serializing_if = "is_default")]
    pub zero_when_idle: bool,
}

/// How power rises with utilisation u, in parts of the way from idle to busy. The models of OpenDC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PowerModel {
    /// u.
    #[default]
    Linear,
    /// The square root of u.
    Sqrt,
    /// u squared.
    Square,
    /// u cubed.
    Cubic,
    /// 2u - u^exponent.
    Mse,
    /// (1 + u - e^(-u/onset)) / 2; a little below `busyWatts` at full load.
    Asymptotic,
    /// The same of u cubed, for CPUs that slow their clock at low load.
    AsymptoticDvfs,
}

/// Power of each GPU of a node, apart from the node's `power`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct GpuPower {
    /// Model, such as `A100` or `T4`. Fills in the watts where they are not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Power of one GPU without work, in watts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub idle_watts: Option<f64>,
    /// Power of one GPU at full load, in watts; at least `idleWatts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub busy_watts: Option<f64>,
}

/// Emissions of making a node: a number, or an estimate from the parts of its server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Embodied {
    /// Emissions of making and scrapping one node, in kg CO2e. Default: estimated from `server`;
    /// required without it.
    #[serde(rename = "kgCo2e", default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub kg_co2e: Option<f64>,
    /// The parts of the server, for Boavizta's bottom-up estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Years over which they are spread. Default 4.
    #[serde(default = "default_lifetime")]
    #[schemars(range(min = 0.1, max = 100))]
    pub lifetime_years: f64,
}

/// Years over which clouds and the SCI's examples spread a server's embodied emissions.
pub(in crate::scenario) const LIFETIME_YEARS: f64 = 4.0;

fn default_lifetime() -> f64 {
    LIFETIME_YEARS
}

/// The parts of a server. Board, case and assembly are added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Server {
    /// CPU packages.
    #[schemars(range(min = 1, max = 64))]
    pub cpus: u32,
    /// Cores of one package.
    #[schemars(range(min = 1, max = 1024))]
    pub cores_per_cpu: u32,
    /// Die area per core in cm2. Default 0.245.
    #[serde(default = "default_die")]
    #[schemars(range(min = 0, max = 100))]
    pub die_cm2_per_core: f64,
    /// Memory in GB.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub memory_gb: f64,
    /// Modules that hold it. Default 12.
    #[serde(default = "default_modules")]
    #[schemars(range(min = 0, max = 1024))]
    pub memory_modules: u32,
    /// Solid-state disks. Default none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1024))]
    pub ssds: u32,
    /// Size of one of them in GB. Default 1,000.
    #[serde(default = "default_ssd")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub ssd_gb: f64,
    /// Hard disks. Default none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1024))]
    pub hdds: u32,
    /// GPUs. Default none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1024))]
    pub gpus: u32,
    /// Making one GPU, in kg CO2e. Default 150.
    #[serde(rename = "gpuKgCo2e", default = "default_gpu")]
    #[schemars(range(min = 0, max = 100_000))]
    pub gpu_kg_co2e: f64,
    /// Power supplies. Default 2.
    #[serde(default = "default_supplies")]
    #[schemars(range(min = 0, max = 64))]
    pub power_supplies: u32,
    /// The node's part of the server, above 0 to 1. Default 1: the node is the server.
    #[serde(default = "whole")]
    #[schemars(range(min = 0.000_001, max = 1))]
    pub share: f64,
}

fn default_die() -> f64 {
    carbon_kube_core::embodied::Server::DIE_CM2_PER_CORE
}

fn default_modules() -> u32 {
    12
}

fn default_ssd() -> f64 {
    1_000.0
}

fn default_gpu() -> f64 {
    carbon_kube_core::embodied::GPU_KG
}

fn default_supplies() -> u32 {
    2
}

fn whole() -> f64 {
    1.0
}

/// Prices of one node in US dollars per hour, by the way it is bought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct NodePrice {
    /// Paid by the hour, no commitment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub on_demand: Option<f64>,
    /// With a commitment of a year or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub reserved: Option<f64>,
    /// Spare capacity that the provider may take back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub spot: Option<f64>,
    /// Which of them the pool pays. Default `onDemand`.
    pub purchase: Purchase,
}

/// How nodes are bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Purchase {
    /// By the hour.
    #[default]
    OnDemand,
    /// With a commitment.
    Reserved,
    /// Spare capacity.
    Spot,
}

impl NodePrice {
    /// The price that the pool pays, and its key.
    #[must_use]
    pub fn paid(&self) -> (Option<f64>, &'static str) {
        match self.purchase {
            Purchase::OnDemand => (self.on_demand, "onDemand"),
            Purchase::Reserved => (self.reserved, "reserved"),
            Purchase::Spot => (self.spot, "spot"),
        }
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
