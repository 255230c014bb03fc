//! Writes the inputs that the fuzzers begin with: `fuzz_seeds DIR` fills `DIR/grid`,
//! `DIR/workload` and `DIR/kubernetes` with the samples of `tests/samples/`.
//!
//! Short inputs are most of what a fuzzer can do in an hour, so a cluster is taken apart: each
//! object is a seed of its own, as well as the whole list.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use carbon_kube_datasets::intensity::{self, Format, Request, stored};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).ok_or("usage: fuzz_seeds DIR")?;
    let folder = Path::new(&folder);
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    write(&folder.join("grid"), grid(&samples)?)?;
    write(&folder.join("workload"), files(&samples.join("workload"))?)?;
    write(&folder.join("kubernetes"), objects(&samples.join("workload/kubernetes.json"))?)
}

/// Each sample as its own format and as one to be detected. The first two bytes of an input are
/// the format's number and the options.
fn grid(samples: &Path) -> Result<Vec<Vec<u8>>> {
    let formats = Format::ALL.len() as u8;
    let (detect, weather) = (formats, formats + 1);
    let mut seeds = Vec::new();
    for bytes in files(samples)? {
        seeds.extend((0..8).map(|zone| [&[detect, zone], &*bytes].concat()));
        seeds.extend((0..formats).map(|format| [&[format, 2], &*bytes].concat()));
    }
    let parquet = parquet(&samples.join("series.csv"))?;
    seeds.extend([detect, 1].map(|format| [&[format, 3], &*parquet].concat()));
    for text in [
        "timestamp_utc,temperature_2m_c,cloudcover_pct,windspeed_10m_kmh\n2020-01-01T07:00Z,11.5,67,36\n",
        "timestamp_utc,wind_speed,temperature,dewpoint,dswrf,precipitation\n2020-01-01T00:00Z,5.5,283,277,300,0.5\n",
    ] {
        seeds.push([&[weather, 0], text.as_bytes()].concat());
    }
    Ok(seeds)
}

fn parquet(series: &Path) -> Result<Vec<u8>> {
    let series = intensity::read(&[series], &Request::of("EU-FR".parse()?))?.series;
    let mut bytes = Vec::new();
    stored::write_parquet(&series, &BTreeMap::new(), &mut bytes)?;
    Ok(bytes)
}

/// The list, and each of its objects.
fn objects(list: &Path) -> Result<Vec<Vec<u8>>> {
    let list = fs::read(list)?;
    let parsed: serde_json::Value = serde_json::from_slice(&list)?;
    let items = parsed["items"].as_array().ok_or("the sample is no list")?;
    let mut seeds =
        items.iter().map(serde_json::to_vec).collect::<std::result::Result<Vec<_>, _>>()?;
    seeds.push(list);
    Ok(seeds)
}

/// The content of each file of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut paths = folder
        .read_dir()?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths.into_iter().map(fs::read).collect::<std::io::Result<_>>()?)
}

fn write(folder: &Path, seeds: Vec<Vec<u8>>) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (index, seed) in seeds.into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{index:04}")), seed)?;
    }
    Ok(())
}
