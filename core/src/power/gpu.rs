//! Idle and busy watts of GPU models: `core/data/gpus.csv`.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::compiled_in;
use crate::units::Watts;
use crate::zone::nearest_name;

/// One GPU model. A board with two GPUs counts as two, as in Kubernetes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Gpu {
    /// Canonical name, such as `A100-SXM4`.
    pub model: String,
    /// Other names that users write, separated by `;`.
    pub aliases: String,
    /// Draw without work.
    pub idle_watts: Watts,
    /// Draw at full load: the vendor's thermal design power.
    pub busy_watts: Watts,
    /// Its memory in GiB.
    pub memory_gib: f64,
    /// Where the numbers come from.
    pub source: String,
}

impl Gpu {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.model.as_str())
            .chain(self.aliases.split(';'))
            .filter(|name| !name.is_empty())
    }
}

/// The model of that name, also as `nvidia-smi` and the label `nvidia.com/gpu.product` write it
/// (`NVIDIA A100-SXM4-80GB`, `Tesla-T4`).
#[must_use]
pub fn find(name: &str) -> Option<&'static Gpu> {
    let name = bare(name);
    table().iter().find(|gpu| gpu.names().any(|known| known.eq_ignore_ascii_case(&name)))
}

/// The known model nearest to a misspelt one, for hints.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    nearest_name(&bare(name), table().iter().flat_map(Gpu::names))
}

/// Every row, in the order of the file.
pub fn table() -> &'static [Gpu] {
    static TABLE: OnceLock<Vec<Gpu>> = OnceLock::new();
    TABLE.get_or_init(|| compiled_in::rows(include_str!("../../data/gpus.csv")))
}

/// The name without its maker and brand.
fn bare(name: &str) -> String {
    let mut name = name.trim().replace(' ', "-").to_ascii_uppercase();
    for brand in ["NVIDIA-", "AMD-", "TESLA-", "INSTINCT-", "RADEON-PRO-"] {
        if let Some(rest) = name.strip_prefix(brand) {
            name = rest.to_owned();
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_as_people_and_drivers_write_it() {
        for (written, model) in [
            ("a100", "A100-SXM4"),
            ("NVIDIA A100-SXM4-80GB", "A100-SXM4"),
            ("Tesla-T4", "T4"),
            ("NVIDIA-H100-80GB-HBM3", "H100-SXM5"),
            ("AMD Instinct MI300X", "MI300X"),
        ] {
            assert_eq!(find(written).unwrap().model, model, "{written}");
        }
        assert_eq!(find("H900"), None);
        assert_eq!(nearest("H10O"), Some("H100"));
    }

    #[test]
    fn the_table_is_sorted_unique_positive_and_has_sources() {
        assert!(table().windows(2).all(|pair| pair[0].model < pair[1].model));
        let mut names: Vec<_> = table().iter().flat_map(Gpu::names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for gpu in table() {
            let (idle, busy) = (gpu.idle_watts.get(), gpu.busy_watts.get());
            // The rule that the file states, to 0.1 W.
            assert!((idle - 0.116 * busy).abs() < 0.06, "{gpu:?}");
            assert!(gpu.memory_gib > 0.0 && !gpu.source.is_empty(), "{gpu:?}");
        }
    }
}
