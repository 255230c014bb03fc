//! Generators with the figures of three public traces.
//!
//! A real trace is not in the project (their licences are unclear, or they are large); what is
//! here are statistics of them, held against the traces by a test.
//!
//! | | `azure-2017` | `pai-2020` | `openb-2023` |
//! |---|---|---|---|
//! | trace | Azure VMs 2017, sample of GAIA | Alibaba PAI 2020, sample of GAIA | Alibaba `openb`, pods |
//! | jobs | 99,988 | 99,998 | 8,152 pods; lengths of the 7,228 that ran from day 115 on |
//! | pods per day | 273.9 | 274.0 | 219.0 |
//! | median length | 35 min | 39.87 min | 10.17 min |
//! | sd of ln(length) | 1.545 | 1.445 | 1.812 |
//! | shortest, longest | 10 min, 71.92 h | 5.02 min, 71.14 h | 4 s, 725.8 h |
//! | mean length | 3.83 h | 2.27 h | 2.14 h |
//! | mean cores | 3.96 | 3.42 | 10.48 |
//! | memory | 4 GiB per core, assumed | 4 GiB per core, assumed | 36.4 GiB mean |
//! | GPUs | none in the sample | none in the sample | 0.91 mean |
//!
//! **Lengths** are cut to the shortest and longest seen. The cut takes spread away, so `sigma` is
//! larger than the trace's for the two that begin at a high cut; it was chosen so that the drawn
//! lengths have the trace's spread. Their mean then is about 3.7 h, 2.2 h and 0.9 h: right for the
//! first two, too short for `openb-2023`, whose mean is made by a few services of many days.
//!
//! **Hours and weekends.** GAIA stretched its samples over a year, which mixed the hours of the
//! day (each has 0.91 to 1.15 of the mean). So all three take the pattern of `openb`, of its four
//! full weeks. That trace counts seconds from its start and names no clock: read with its hour 0
//! as 16:00 local, its dip in mid-day is noon, its six quiet hours are 01:00 to 07:00, and its two
//! quiet days have 0.62 of the others' pods and are taken for the weekend.
//!
//! **Shapes** are the requests seen, rare ones merged into their mean, so that the mean request
//! stays the trace's. The largest has 51.1 cores in `pai-2020` and 80.3 in `openb-2023`: a cluster
//! without such a node keeps those pods pending for ever.

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span};

use super::generated::{Generated, Lognormal, Shape};

/// The names of the presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The preset of that name.
#[must_use]
pub fn get(name: &str) -> Option<Generated> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, build)| build())
}

type Build = fn() -> Generated;

const PRESETS: [(&str, Build); 3] =
    [("azure-2017", azure_2017), ("pai-2020", pai_2020), ("openb-2023", openb_2023)];

/// Pods by local hour in parts of the mean: `openb`, 6,133 pods of four full weeks.
const HOURLY: [f64; 24] = [
    0.69, 0.40, 0.56, 0.61, 0.44, 0.38, 0.39, 0.74, 0.79, 1.27, 1.71, 1.50, 0.99, 1.32, 1.32, 1.61,
    1.47, 1.34, 1.12, 1.29, 1.32, 0.97, 0.84, 0.92,
];

/// Pods on a quiet day in parts of another day's: (709 + 514) / 2 over (6,133 - 1,223) / 5.
const WEEKEND: f64 = 0.62;

fn azure_2017() -> Generated {
    Generated {
        pods_per_day: 273.9,
        hourly: HOURLY,
        weekend: WEEKEND,
        duration: Lognormal {
            median: Span::from_seconds(2_100.0),
            sigma: 2.05,
            min: Span::from_seconds(600.0),
            max: Span::from_seconds(258_900.0),
        },
        shapes: by_cores(&[
            (0.5811, 2.0),
            (0.3024, 4.0),
            (0.0769, 8.0),
            (0.0352, 24.0),
            (0.0044, 30.0),
        ]),
    }
}

fn pai_2020() -> Generated {
    Generated {
        pods_per_day: 274.0,
        hourly: HOURLY,
        weekend: WEEKEND,
        duration: Lognormal {
            median: Span::from_seconds(2_392.0),
            sigma: 1.58,
            min: Span::from_seconds(301.0),
            max: Span::from_seconds(256_093.0),
        },
        // Above 5 cores: 6 to 9, 10, 11 to 16, 17 to 25 and 26 to 400, each with its mean.
        shapes: by_cores(&[
            (0.7353, 1.0),
            (0.0491, 2.0),
            (0.0407, 3.0),
            (0.0213, 4.0),
            (0.0334, 5.0),
            (0.0338, 7.57),
            (0.0199, 10.0),
            (0.0224, 14.37),
            (0.0279, 21.98),
            (0.0161, 51.11),
        ]),
    }
}

fn openb_2023() -> Generated {
    Generated {
        pods_per_day: 219.0,
        hourly: HOURLY,
        weekend: WEEKEND,
        duration: Lognormal {
            median: Span::from_seconds(610.0),
            sigma: 1.812,
            min: Span::from_seconds(4.0),
            max: Span::from_seconds(2_612_709.0),
        },
        shapes: OPENB_SHAPES
            .iter()
            .map(|&(pods, cpu_milli, memory_mib, gpu)| Shape {
                weight: f64::from(pods),
                cpu: MilliCpu(cpu_milli),
                memory: Bytes(memory_mib << 20),
                gpu: MilliGpu::whole(gpu),
            })
            .collect(),
    }
}

/// Pods, milli-CPU, MiB and GPUs: the twelve most common requests, then the rest by GPUs.
const OPENB_SHAPES: [(u32, u64, u64, u32); 17] = [
    (1592, 3_152, 5_600, 1),
    (857, 11_300, 49_152, 1),
    (778, 11_908, 47_104, 1),
    (534, 11_400, 48_128, 1),
    (486, 8_000, 30_517, 1),
    (364, 12_500, 57_344, 0),
    (284, 32_000, 49_152, 0),
    (255, 18_708, 64_512, 1),
    (195, 9_810, 41_560, 1),
    (189, 4_000, 22_888, 1),
    (182, 4_000, 15_258, 1),
    (163, 8_000, 30_517, 0),
    (277, 15_364, 48_170, 0),
    (1921, 10_286, 37_363, 1),
    (16, 16_925, 80_678, 2),
    (15, 37_760, 169_574, 4),
    (44, 80_273, 338_944, 8),
];

/// Shapes of a trace without memory: 4 GiB per core, what clouds sell as general purpose.
fn by_cores(shares: &[(f64, f64)]) -> Vec<Shape> {
    const GIB_PER_CORE: f64 = 4.0;
    shares
        .iter()
        .map(|&(weight, cores)| Shape {
            weight,
            cpu: MilliCpu((cores * 1_000.0).round() as u64),
            memory: Bytes((cores * GIB_PER_CORE * 1_073_741_824.0).round() as u64),
            gpu: MilliGpu(0),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_drawn_from() {
        assert_eq!(names().collect::<Vec<_>>().len(), 3);
        for name in names() {
            assert_eq!(get(name).unwrap().validate(), Ok(()), "{name}");
        }
        assert_eq!(get("azure"), None);
    }
}
