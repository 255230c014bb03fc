//! Forecast models and weather from files, for whoever may read files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

use carbon_kube_datasets::weather::{Quantity, Weather as WeatherHours};
use carbon_kube_policies::file::promised_sha256_of;
use carbon_kube_policies::forecast::file::{ForecastFileError, Loaded, MAX_BYTES, WEIGHTS, YAML};
use carbon_kube_policies::forecast::{Weather, library};

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file can't be read.
    #[error("{}: can't read the forecast: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        error: io::Error,
    },
    /// A file is wrong.
    #[error("{}: {error}", folder.display())]
    Refused {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        error: ForecastFileError,
    },
}

/// A shipped forecast by name, or the folder with [`YAML`] and [`WEIGHTS`], which is relative to
/// `base_dir`. A `SHA256SUMS` beside them is held to.
///
/// # Errors
///
/// [`LoadError`] names the file.
pub fn load(source: &str, base_dir: &Path) -> Result<Loaded, LoadError> {
    let folder = base_dir.join(source);
    let sums = match library::find(source) {
        Some(shipped) => shipped.checksums.to_owned(),
        // Without a file of checksums nothing was promised.
        None => fs::read_to_string(folder.join("SHA256SUMS")).unwrap_or_default(),
    };
    let (yaml, weights) = files(source, base_dir)?;
    Loaded::parse(&yaml, &weights, promised_sha256_of(&sums, YAML))
        .map_err(|error| LoadError::Refused { folder, error })
}

/// The two files of a forecast, as they are.
///
/// # Errors
///
/// [`LoadError`] where one can't be read, or the description is no text.
pub fn files(source: &str, base_dir: &Path) -> Result<(String, Vec<u8>), LoadError> {
    if let Some(shipped) = library::find(source) {
        return Ok((shipped.yaml.to_owned(), shipped.weights.to_owned()));
    }
    let folder = base_dir.join(source);
    let read = |name: &str| {
        let path = folder.join(name);
        let mut bytes = Vec::new();
        // A file that never ends is refused for its size, too.
        fs::File::open(&path)
            .and_then(|file| file.take(2 * MAX_BYTES as u64).read_to_end(&mut bytes))
            .map_err(|error| LoadError::Io { path, error })?;
        Ok(bytes)
    };
    let yaml = String::from_utf8(read(YAML)?).map_err(|error| LoadError::Refused {
        folder: folder.clone(),
        error: ForecastFileError::Malformed(error.to_string()),
    })?;
    Ok((yaml, read(WEIGHTS)?))
}

/// The weather as models take it. A quantity that the file lacks is missing in each hour.
#[must_use]
pub fn weather(hours: &WeatherHours) -> Weather {
    let of = |quantity: Quantity, at: usize| *hours.hours(quantity)?.get(at)?;
    let count = hours.hours(Quantity::WindMetresPerSecond).map_or(0, <[_]>::len);
    Weather::new(
        hours.start(),
        (0..count).map(|at| {
            [
                of(Quantity::WindMetresPerSecond, at),
                of(Quantity::TemperatureCelsius, at),
                of(Quantity::ShortWaveWattsPerSquareMetre, at),
            ]
        }),
    )
}
