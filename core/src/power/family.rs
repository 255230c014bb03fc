//! Machine types of Google Cloud and Azure, read from their names.
//!
//! Their names say vCPUs and memory: `n2-highmem-8` has 8 vCPUs of family n2 and 8 GiB for each,
//! `Standard_D8as_v5` 8 vCPUs of AMD's D family, version 5. Types that don't fit the pattern are
//! in `core/data/machines.csv`, what families have in common in `core/data/machine_families.csv`.
//! The watts are a model ([`super::cpu`]), not a measurement.

use std::sync::OnceLock;

use serde::Deserialize;

use super::cpu;
use super::instance::Instance;
use crate::compiled_in;
use crate::embodied;
use crate::units::Watts;

/// A row of `machine_families.csv`.
#[derive(Debug, Deserialize)]
struct Family {
    provider: String,
    family: String,
    architecture: String,
    /// Virtual CPUs of its largest size.
    vcpu: u32,
    standard_gib_per_vcpu: Option<f64>,
    highmem_gib_per_vcpu: Option<f64>,
    highcpu_gib_per_vcpu: Option<f64>,
    most_memory_gib: Option<f64>,
    #[cfg(test)]
    source: String,
}

/// A row of `machines.csv`.
#[derive(Debug, Deserialize)]
struct Machine {
    machine_type: String,
    provider: String,
    family: String,
    vcpu: u32,
    share_vcpu: Option<f64>,
    memory_gib: f64,
    gpu: u32,
    gpu_model: Option<String>,
}

/// How much memory a vCPU of a type comes with.
enum Memory {
    Standard,
    High,
    Low,
    /// A custom type says it.
    Gib(f64),
}

/// What a type's name says.
struct Named {
    provider: &'static str,
    family: String,
    vcpu: u32,
    memory: Memory,
}

/// The instance type of that name; `None` where it is of neither provider, or unknown.
pub(super) fn instance(name: &str) -> Option<Instance> {
    if let Some(machine) = machines().iter().find(|machine| machine.machine_type == name) {
        return from_table(machine);
    }
    let named = google(name).or_else(|| azure(name))?;
    let family = family(named.provider, &named.family)?;
    let vcpu = Some(named.vcpu).filter(|&vcpu| vcpu > 0 && vcpu <= family.vcpu)?;
    let ratio = match named.memory {
        Memory::Standard => family.standard_gib_per_vcpu,
        Memory::High => family.highmem_gib_per_vcpu,
        Memory::Low => family.highcpu_gib_per_vcpu,
        Memory::Gib(gib) => Some(gib / f64::from(vcpu)),
    };
    let most = family.most_memory_gib.unwrap_or(f64::INFINITY);
    let memory_gib = (ratio? * f64::from(vcpu)).min(most);
    build(name, family, Size { vcpu, share_vcpu: f64::from(vcpu), memory_gib, gpu: 0 }, None)
}

/// Names for hints: the irregular types, and the smallest regular size of each family.
pub(super) fn examples() -> impl Iterator<Item = &'static str> {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    let of_family = |family: &Family| match family.provider.as_str() {
        "gcp" => format!("{}-standard-4", family.family),
        _ => {
            let (series, version) = family.family.split_at(family.family.rfind('v').unwrap_or(0));
            let (letter, maker) = series.split_at(1.min(series.len()));
            format!("Standard_{letter}4{maker}s_{version}")
        }
    };
    let names = NAMES.get_or_init(|| {
        let regular = families().iter().filter(|family| family.standard_gib_per_vcpu.is_some());
        regular.map(of_family).filter(|name| instance(name).is_some()).collect()
    });
    machines()
        .iter()
        .map(|machine| machine.machine_type.as_str())
        .chain(names.iter().map(String::as_str))
}

fn from_table(machine: &Machine) -> Option<Instance> {
    let family = family(&machine.provider, &machine.family)?;
    let size = Size {
        vcpu: machine.vcpu,
        share_vcpu: machine.share_vcpu.unwrap_or_else(|| machine.vcpu.into()),
        memory_gib: machine.memory_gib,
        gpu: machine.gpu,
    };
    build(&machine.machine_type, family, size, machine.gpu_model.clone())
}

struct Size {
    vcpu: u32,
    share_vcpu: f64,
    memory_gib: f64,
    gpu: u32,
}

fn build(name: &str, family: &Family, size: Size, gpu_model: Option<String>) -> Option<Instance> {
    let cpu = cpu::find(&family.provider, &family.architecture)?;
    let (idle, busy) = cpu.watts(size.share_vcpu, size.memory_gib);
    // A server is as many of this machine as its CPUs carry.
    let times = f64::from(family.vcpu) / size.share_vcpu;
    let server = embodied::CloudServer {
        memory_gib: size.memory_gib * times,
        chips: cpu.chips(family.vcpu),
        gpus: f64::from(size.gpu) * times,
    };
    Some(Instance {
        instance_type: name.to_owned(),
        vcpu: size.vcpu,
        memory_gib: size.memory_gib,
        gpu: size.gpu,
        gpu_model,
        idle_watts: Watts::new(idle)?,
        busy_watts: Watts::new(busy)?,
        // Whole numbers: a quarter of a core is a quarter of the server's part, not of none.
        server_vcpu: (f64::from(size.vcpu) * times).round() as u32,
        server_embodied_kg: server.kg_co2e(),
    })
}

/// `family-class-vcpus`, `family-custom-vcpus-mebibytes`, `custom-vcpus-mebibytes` (which is n1);
/// `-lssd` at the end is local disks, `-ext` more memory than the family's ratio.
fn google(name: &str) -> Option<Named> {
    let name = name.strip_suffix("-lssd").or_else(|| name.strip_suffix("-ext")).unwrap_or(name);
    let parts: Vec<&str> = name.split('-').collect();
    let (family, class, sizes) = match parts.as_slice() {
        ["custom", sizes @ ..] => ("n1", "custom", sizes),
        [family, class, sizes @ ..] => (*family, *class, sizes),
        _ => return None,
    };
    let (vcpu, memory) = match (class, sizes) {
        ("standard", [vcpu]) => (vcpu, Memory::Standard),
        ("highmem", [vcpu]) => (vcpu, Memory::High),
        ("highcpu", [vcpu]) => (vcpu, Memory::Low),
        ("custom", [vcpu, mebibytes]) => {
            let mebibytes: u32 = number(mebibytes)?;
            (vcpu, Memory::Gib(f64::from(mebibytes) / 1024.0))
        }
        _ => return None,
    };
    Some(Named { provider: "gcp", family: family.to_owned(), vcpu: number(vcpu)?, memory })
}

/// `Standard_<series><vcpus>[-<constrained>]<features>_v<version>`; the family is series, maker (`a`
/// AMD, `p` Arm) and version: `Dav5`. A constrained size has the memory and the power of the whole.
fn azure(name: &str) -> Option<Named> {
    let name = name.strip_prefix("Standard_")?;
    let (size, version) = name.rsplit_once('_')?;
    let digits = size.find(|c: char| c.is_ascii_digit())?;
    let (series, rest) = size.split_at(digits);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (vcpu, features) = rest.split_at(end);
    // d: local disk; s: premium storage; l: little memory; i: isolated; others are not simulated.
    if !features.chars().all(|feature| "adilps".contains(feature)) {
        return None;
    }
    let maker = features.chars().find(|feature| "ap".contains(*feature));
    let maker = maker.map(String::from).unwrap_or_default();
    let memory = if features.contains('l') { Memory::Low } else { Memory::Standard };
    Some(Named {
        provider: "azure",
        family: format!("{series}{maker}{version}"),
        vcpu: number(vcpu)?,
        memory,
    })
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn family(provider: &str, name: &str) -> Option<&'static Family> {
    families().iter().find(|family| family.provider == provider && family.family == name)
}

fn families() -> &'static [Family] {
    static TABLE: OnceLock<Vec<Family>> = OnceLock::new();
    TABLE.get_or_init(|| compiled_in::rows(include_str!("../../data/machine_families.csv")))
}

fn machines() -> &'static [Machine] {
    static TABLE: OnceLock<Vec<Machine>> = OnceLock::new();
    TABLE.get_or_init(|| compiled_in::rows(include_str!("../../data/machines.csv")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::gpu;
    use super::*;

    fn check(name: &str, vcpu: u32, memory_gib: f64, gpu: u32) {
        let found = instance(name).unwrap_or_else(|| panic!("{name} is unknown"));
        assert_eq!((found.vcpu, found.gpu), (vcpu, gpu), "{name}");
        assert!((found.memory_gib - memory_gib).abs() < 1e-9, "{name}: {}", found.memory_gib);
    }

    #[test]
    fn names_of_both_providers_are_read() {
        check("n2-standard-8", 8, 32.0, 0);
        check("n2-highmem-128", 128, 864.0, 0);
        check("n1-standard-4", 4, 15.0, 0);
        check("c2d-highcpu-16", 16, 32.0, 0);
        check("c3-standard-8-lssd", 8, 32.0, 0);
        check("n2-custom-6-20480", 6, 20.0, 0);
        check("custom-2-4096", 2, 4.0, 0);
        check("e2-medium", 2, 4.0, 0);
        check("a2-highgpu-1g", 12, 85.0, 1);
        check("Standard_D8s_v5", 8, 32.0, 0);
        check("Standard_D4as_v4", 4, 16.0, 0);
        check("Standard_D2lds_v5", 2, 4.0, 0);
        check("Standard_E96s_v5", 96, 672.0, 0);
        check("Standard_E64_v3", 64, 432.0, 0);
        check("Standard_F16s_v2", 16, 32.0, 0);
        check("Standard_NC24ads_A100_v4", 24, 220.0, 1);
    }

    #[test]
    fn what_no_provider_sells_is_unknown() {
        for name in [
            "",
            "n2",
            "n2-standard",
            "n2-standard-0",
            "n2-standard-1000",
            "n2-standard-+4",
            "n9-standard-4",
            "c2-highmem-4",
            "n2-standard-4294967296",
            "Standard_",
            "Standard_D",
            "Standard_D8s",
            "D8s_v5",
            "Standard_D8s_v9",
            "Standard_D8xs_v5",
            "Standard_Dé8s_v5",
            "Standard_v5",
            "custom-0-0",
        ] {
            assert!(instance(name).is_none(), "{name}");
        }
    }

    #[test]
    fn an_instance_has_its_part_of_a_server() {
        // 4 of 32 vCPUs of an e2 server: 128 GiB, one chip: 1,000 + 112 x 533 / 384 = 1,155.458 kg.
        let found = instance("e2-standard-4").unwrap();
        assert!((found.server_embodied_kg - 1_155.458_333).abs() < 1e-3);
        assert!((found.embodied_kg() - 144.432_292).abs() < 1e-3);
        // Half a core of 32: 2 vCPUs of 128 are the same part.
        assert_eq!(instance("e2-small").unwrap().server_vcpu, 128);
        // Eight A100s in the server of 96 vCPUs: 150 kg each.
        let whole = instance("a2-highgpu-8g").unwrap().server_embodied_kg;
        // 680 GiB and two chips: 1,000 + 664 x 533 / 384 + 100 + 8 x 150.
        assert!((whole - 3_221.645_833).abs() < 1e-3, "{whole}");
    }

    #[test]
    fn the_tables_are_sorted_unique_and_lead_somewhere() {
        let names: Vec<_> = families().iter().map(|row| (&row.provider, &row.family)).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
        for row in families() {
            assert!(cpu::find(&row.provider, &row.architecture).is_some(), "{row:?}");
            assert!(row.vcpu > 0 && row.source.starts_with("https://"), "{row:?}");
        }
        assert!(machines().windows(2).all(|pair| pair[0].machine_type < pair[1].machine_type));
        for row in machines() {
            let found = from_table(row).unwrap_or_else(|| panic!("{row:?}"));
            assert!(Watts::ZERO < found.idle_watts && found.idle_watts < found.busy_watts);
            let model = row.gpu_model.as_deref().and_then(gpu::find);
            assert_eq!(model.is_some(), row.gpu > 0, "{row:?}");
        }
        for name in examples() {
            assert!(instance(name).is_some(), "{name}");
        }
        assert!(examples().any(|name| name == "Standard_D4as_v5"));
    }

    proptest! {
        #[test]
        fn no_name_is_too_strange(name in "(Standard_)?[a-zA-Z0-9_é-]{0,24}") {
            if let Some(found) = instance(&name) {
                prop_assert!(found.idle_watts.get() > 0.0 && found.busy_watts > found.idle_watts);
                prop_assert!(found.embodied_kg().is_finite());
            }
        }
    }
}
