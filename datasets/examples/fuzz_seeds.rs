//! Writes the inputs that the fuzzers begin with: `fuzz_seeds DIR` fills `DIR/grid` with the
//! samples of `tests/samples/`, each as its own format and as one to be detected.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use carbon_kube_datasets::intensity::{self, Format, Request, stored};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: fuzz_seeds DIR")?;
    let folder = Path::new(&folder).join("grid");
    std::fs::create_dir_all(&folder)?;
    let (detect, weather) = (Format::ALL.len() as u8, Format::ALL.len() as u8 + 1);
    let mut seeds = Vec::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    for entry in samples.read_dir()? {
        let bytes = std::fs::read(entry?.path())?;
        for zone in 0..8 {
            seeds.push((detect, zone, bytes.clone()));
        }
        for format in 0..Format::ALL.len() as u8 {
            seeds.push((format, 2, bytes.clone()));
        }
    }
    let series = std::fs::read(samples.join("series.csv"))?;
    let series = intensity::parse("series.csv", series.as_slice(), &Request::of("EU-FR".parse()?))?;
    let mut parquet = Vec::new();
    stored::write_parquet(&series.series, &BTreeMap::new(), &mut parquet)?;
    seeds.push((detect, 3, parquet.clone()));
    seeds.push((1, 3, parquet));
    for text in [
        "timestamp_utc,temperature_2m_c,cloudcover_pct,windspeed_10m_kmh\n2020-01-01T07:00Z,11.5,67,36\n",
        "timestamp_utc,wind_speed,temperature,dewpoint,dswrf,precipitation\n2020-01-01T00:00Z,5.5,283,277,300,0.5\n",
    ] {
        seeds.push((weather, 0, text.as_bytes().to_vec()));
    }
    for (index, (format, options, bytes)) in seeds.into_iter().enumerate() {
        let seed = [&[format, options][..], &bytes].concat();
        std::fs::write(folder.join(format!("seed-{index:04}")), seed)?;
    }
    Ok(())
}
