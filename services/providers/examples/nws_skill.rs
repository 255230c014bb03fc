//! What the weather proxy and the decay are worth, measured on real intensity.
//!
//! ```sh
//! CARBON_KUBE_TEST_DATA=... cargo run --release -p carbon-kube-providers --example nws_skill
//! ```
//!
//! The proxy is fitted on 2020 and judged on 2021; `--table` prints what belongs into
//! `data/nws_proxy.csv`. The typical year that both are held against is of 2019 to 2021, so it knows
//! the level of the year that it is judged on: real skill against it is, if anything, larger.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{GramsPerKwh, Span, Time, Zone};
use carbon_kube_providers::config::FallbackConfig;
use carbon_kube_providers::fallback::memory::Memory;
use carbon_kube_providers::fallback::{decay, typical_year};
use carbon_kube_providers::nws::proxy::{self, Worth};
use carbon_kube_providers::nws::sun::{self, Place};
use carbon_kube_providers::{Point, Reading, Source};

type Failure = Box<dyn std::error::Error>;

/// A zone, where its wind and clouds come from, and a place in the middle of its solar farms.
struct Case {
    zone: &'static str,
    wind: &'static str,
    clouds: &'static str,
    place: Place,
}

const CASES: [Case; 4] = [
    case("US-CA", "gfs_region", "openmeteo", 35.5, -119.0),
    case("US-TX", "openmeteo", "openmeteo", 32.0, -100.5),
    case("US-NY", "openmeteo", "openmeteo", 42.9, -76.5),
    case("US-NE", "gfs_region", "gfs_region", 42.5, -71.8),
];

const fn case(
    zone: &'static str,
    wind: &'static str,
    clouds: &'static str,
    latitude: f64,
    longitude: f64,
) -> Case {
    Case { zone, wind, clouds, place: Place { latitude, longitude } }
}

/// Ages of the last known value for which the decay is judged, in hours.
const AGES: [i64; 6] = [1, 3, 6, 12, 24, 48];

fn main() -> Result<(), Failure> {
    let root = std::env::var("CARBON_KUBE_TEST_DATA")
        .map_err(|_| "CARBON_KUBE_TEST_DATA does not name the folder of real files")?;
    let data = PathBuf::from(root).join("data");
    let table = std::env::args().any(|argument| argument == "--table");
    if table {
        let months: Vec<String> = (1..=12).map(|month| format!("month_{month:02}")).collect();
        println!("zone,quantity,worth_g_per_kwh,{}", months.join(","));
    } else {
        println!("RMSE in g/kWh            typical year   proxy 2020   typical year   proxy 2021");
    }
    for case in &CASES {
        let (fitted, judged) = (hours(&data, case, 2020)?, hours(&data, case, 2021)?);
        let worth = fit(case.zone.parse()?, &fitted);
        if table {
            print_rows(&worth);
            continue;
        }
        let [a, b] = errors(&worth, &fitted);
        let [c, d] = errors(&worth, &judged);
        println!("{:24} {a:12.1} {b:12.1} {c:14.1} {d:12.1}", case.zone);
    }
    if !table {
        println!("\nRMSE in g/kWh of 2021 by the age of the last known value, in hours {AGES:?}");
        println!("decay | the value itself on its way to the mean | held as it was");
        for file in [
            "US-CA_2021_eia930",
            "US-TX_2021_eia930",
            "US-NY_2021_eia930",
            "US-NE_2021_eia930",
            "EU-DE_2021_entsoe",
            "EU-FR_2021_eco2mix",
        ] {
            judge_decay(&data, file)?;
        }
    }
    Ok(())
}

/// An hour: intensity, output of wind turbines, part of the light that comes through, clear sky.
struct Hour {
    at: Time,
    intensity: f64,
    wind: f64,
    sky: f64,
    clear: f64,
}

fn hours(data: &Path, case: &Case, year: i16) -> Result<Vec<Hour>, Failure> {
    let intensity = intensity(data, &format!("{}_{year}_eia930", case.zone))?;
    let weather =
        |kind: &str| columns(&data.join(format!("weather/{}_{year}_{kind}.csv.gz", case.zone)));
    let (winds, clouds) = (weather(case.wind)?, weather(case.clouds)?);
    let mut hours = Vec::new();
    for (at, intensity) in intensity {
        let (Some(wind), Some(cloud)) = (winds.get(&at), clouds.get(&at)) else { continue };
        let speed = wind.get("wind_speed").copied();
        let speed = speed.or_else(|| Some(wind.get("windspeed_10m_kmh")? / 3.6));
        let clear = sun::clear_sky(case.place, at);
        let sky = match (cloud.get("cloudcover_pct"), cloud.get("dswrf")) {
            (Some(cover), _) => sun::through_clouds(cover / 100.0),
            // At night there is nothing to come through, and at dusk the quotient is noise.
            (None, Some(light)) if clear > 0.05 => (light / 1_000.0 / clear).clamp(0.25, 1.0),
            _ => 1.0,
        };
        let Some(speed) = speed else { continue };
        hours.push(Hour { at, intensity, wind: proxy::wind_power(speed), sky, clear });
    }
    Ok(hours)
}

/// Least squares of what the typical hour leaves open, neither worth above zero.
fn fit(zone: Zone, hours: &[Hour]) -> Worth {
    let mut worth = Worth {
        usual_wind: by_month(hours, |hour| (hour.wind, 1.0)),
        // Weighted with the clear sky: what clouds take at dusk is not worth much.
        usual_sky: by_month(hours, |hour| (hour.sky * hour.clear, hour.clear)),
        zone,
        wind: 0.0,
        sun: 0.0,
    };
    let (mut ww, mut ws, mut ss, mut wy, mut sy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for hour in hours {
        let Some(typical) = typical_year::mean(&worth.zone, hour.at) else { continue };
        let left = hour.intensity - typical.get();
        let (w, s) = worth.unusual(hour.at, hour.wind, hour.sky, hour.clear);
        ww += w * w;
        ws += w * s;
        ss += s * s;
        wy += w * left;
        sy += s * left;
    }
    let determinant = ww * ss - ws * ws;
    worth.wind = (wy * ss - sy * ws) / determinant;
    worth.sun = (sy * ww - wy * ws) / determinant;
    if worth.sun > 0.0 {
        (worth.wind, worth.sun) = ((wy / ww).min(0.0), 0.0);
    } else if worth.wind > 0.0 {
        (worth.wind, worth.sun) = (0.0, (sy / ss).min(0.0));
    }
    worth
}

fn by_month(hours: &[Hour], part: impl Fn(&Hour) -> (f64, f64)) -> [f64; 12] {
    let (mut sums, mut weights) = ([0.0; 12], [0.0; 12]);
    for hour in hours {
        let month = hour.at.utc().month() as usize - 1;
        let (value, weight) = part(hour);
        sums[month] += value;
        weights[month] += weight;
    }
    std::array::from_fn(|month| sums[month] / weights[month])
}

/// RMSE of the typical year and of the proxy.
fn errors(worth: &Worth, hours: &[Hour]) -> [f64; 2] {
    let typical = |hour: &Hour| typical_year::mean(&worth.zone, hour.at).map(GramsPerKwh::get);
    let proxy = |hour: &Hour| {
        worth.intensity(hour.at, hour.wind, hour.sky, hour.clear).map(GramsPerKwh::get)
    };
    let rmse = |said: &dyn Fn(&Hour) -> Option<f64>| {
        root_mean_square(hours.iter().filter_map(|hour| Some(hour.intensity - said(hour)?)))
    };
    [rmse(&typical), rmse(&proxy)]
}

fn root_mean_square(errors: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) =
        errors.fold((0.0, 0.0), |(sum, count), error| (sum + error * error, count + 1.0));
    (sum / count).sqrt()
}

fn print_rows(worth: &Worth) {
    for (quantity, of, months) in
        [("wind", worth.wind, &worth.usual_wind), ("sun", worth.sun, &worth.usual_sky)]
    {
        let months: Vec<String> = months.iter().map(|part| format!("{part:.3}")).collect();
        // Neither is `-0.0`.
        println!("{},{quantity},{:.1},{}", worth.zone, of + 0.0, months.join(","));
    }
}

fn judge_decay(data: &Path, file: &str) -> Result<(), Failure> {
    let zone: Zone = file.split('_').next().unwrap_or_default().parse()?;
    let config = FallbackConfig { min_confidence: 0.0, ..FallbackConfig::default() };
    let values = intensity(data, file)?;
    let mut errors: Vec<[Vec<f64>; 3]> = AGES.iter().map(|_| Default::default()).collect();
    // Every 13 hours: each hour of the day as often, and the whole year in a minute.
    for (now, actual) in values.iter().skip(15 * 24).step_by(13) {
        for (age, errors) in AGES.iter().zip(&mut errors) {
            // The last known hour ended `age` hours before the hour that is asked about.
            let last = *now - Span::HOUR * (age + 1);
            let mut memory = Memory::default();
            let from = last - config.memory;
            memory.absorb(&known(&zone, values.range(from..=last)), config.memory);
            let Some(series) = memory.newest(Signal::Average) else { continue };
            let (Some(held), Some(said)) =
                (series.last(), decay::reading(&zone, series, *now, &config))
            else {
                continue;
            };
            let said = said.points[0].value.get();
            let means = series.hourly_means(&zone.clock()).ok_or("a day is missing")?;
            let mean = means[now.local(&zone.clock()).hour() as usize];
            let left = (-(*age as f64) / config.time_constant.hours()).exp();
            let itself = mean + (held.value.get() - mean) * left;
            errors[0].push(actual - said);
            errors[1].push(actual - itself);
            errors[2].push(actual - held.value.get());
        }
    }
    let column = |index: usize| -> Vec<String> {
        let rmse = |errors: &[Vec<f64>; 3]| root_mean_square(errors[index].iter().copied());
        errors.iter().map(|errors| format!("{:5.1}", rmse(errors))).collect()
    };
    println!(
        "{file:20} {} | {} | {}",
        column(0).join(" "),
        column(1).join(" "),
        column(2).join(" ")
    );
    Ok(())
}

fn known<'a>(zone: &Zone, values: impl Iterator<Item = (&'a Time, &'a f64)>) -> Reading {
    let point = |(start, value): (&Time, &f64)| Point {
        start: *start,
        span: Span::HOUR,
        value: GramsPerKwh::saturating(*value),
        is_estimated: false,
    };
    Reading {
        zone: zone.clone(),
        source: Source::Eia,
        signal: Signal::Average,
        factor_set: "local".to_owned(),
        points: values.map(point).collect(),
        fetched_at: Time::default(),
        updated_at: None,
        confidence: 1.0,
    }
}

fn intensity(data: &Path, file: &str) -> Result<BTreeMap<Time, f64>, Failure> {
    let rows = columns(&data.join(format!("intensity/open/{file}.csv")))?;
    let name = "carbon_intensity_localfactors_gco2_per_kwh";
    rows.into_iter().map(|(at, row)| Ok((at, *row.get(name).ok_or("no local factors")?))).collect()
}

/// The numbers of a file by instant and column.
fn columns(path: &Path) -> Result<BTreeMap<Time, BTreeMap<String, f64>>, Failure> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let text: Box<dyn Read> =
        if packed { Box::new(flate2::read::GzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers()?.clone();
    let mut rows = BTreeMap::new();
    for record in reader.records() {
        let record = record?;
        let pairs = header.iter().zip(record.iter());
        let numbers =
            pairs.filter_map(|(name, field)| Some((name.to_owned(), field.parse().ok()?)));
        rows.insert(record[0].parse()?, numbers.collect());
    }
    Ok(rows)
}
