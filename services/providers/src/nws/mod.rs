//! The US National Weather Service: not intensity, but the weather that moves it. A proxy, labelled
//! so, of low confidence, for US zones whose other sources are silent.
//!
//! Of some places of a zone, near its wind and solar farms, the wind and the clouds are taken: as a
//! station observed them, else as the forecast office expects them. [`proxy`] makes intensity of it.
//! The service asks every caller to say how it can be reached.

pub mod proxy;
pub mod sun;
pub mod weather;

use carbon_kube_core::intensity::Signal;
use carbon_kube_core::{Span, Time, Zone};
use futures::future::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::proxy::Worth;
use self::sun::Place;
use self::weather::{Grid, Held, Observation, Square};
use crate::config::{NwsConfig, ProviderName};
use crate::error::ProviderError;
use crate::fallback::typical_year;
use crate::guard::{Call, Context, Guard};
use crate::provider::{Health, Pending, Provider};
use crate::reading::{Point, Reading, Source};
use crate::transport::Request;

/// Barely more than the typical year is trusted: the proxy explains 20 % of what the typical hour
/// leaves open in Texas, 5 % in California, and nothing in the north-east.
const CONFIDENCE: f64 = 0.15;

/// A station that was silent for longer is passed over for the office's forecast.
const OBSERVED: Span = Span::from_millis(90 * 60_000);

/// The squares of places are drawn anew every few years.
const SQUARE: &str = "square";

/// Where the weather of a zone is looked at.
struct Site {
    zone: &'static str,
    /// Station, by its code of the civil aviation.
    station: &'static str,
    place: Place,
    farm: Farm,
}

/// What stands around a site.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Farm {
    Wind,
    Sun,
}

const fn site(
    zone: &'static str,
    station: &'static str,
    latitude: f64,
    longitude: f64,
    farm: Farm,
) -> Site {
    Site { zone, station, place: Place { latitude, longitude }, farm }
}

/// Airports near the large wind and solar farms of each zone.
const SITES: [Site; 14] = [
    // Tehachapi, San Gorgonio, Altamont.
    site("US-CA", "KMHV", 35.06, -118.15, Farm::Wind),
    site("US-CA", "KPSP", 33.83, -116.51, Farm::Wind),
    site("US-CA", "KLVK", 37.69, -121.82, Farm::Wind),
    // San Joaquin Valley, Imperial Valley.
    site("US-CA", "KBFL", 35.43, -119.06, Farm::Sun),
    site("US-CA", "KIPL", 32.83, -115.58, Farm::Sun),
    // Around Sweetwater and Abilene, and the coast.
    site("US-TX", "KSWW", 32.47, -100.47, Farm::Wind),
    site("US-TX", "KABI", 32.41, -99.68, Farm::Wind),
    site("US-TX", "KCRP", 27.77, -97.50, Farm::Wind),
    site("US-TX", "KMAF", 31.95, -102.19, Farm::Sun),
    // Tug Hill, and the capital district.
    site("US-NY", "KART", 43.99, -76.02, Farm::Wind),
    site("US-NY", "KALB", 42.75, -73.80, Farm::Sun),
    // Maine, and Massachusetts.
    site("US-NE", "KBGR", 44.81, -68.83, Farm::Wind),
    site("US-NE", "KPWM", 43.65, -70.31, Farm::Wind),
    site("US-NE", "KORH", 42.27, -71.87, Farm::Sun),
];

/// The US National Weather Service.
#[derive(Debug)]
pub struct Nws {
    config: NwsConfig,
    guard: Guard,
}

/// The weather of a site now.
#[derive(Clone, Copy, Debug, Default)]
struct Now {
    wind: Option<f64>,
    cover: Option<f64>,
}

impl Nws {
    /// The source of a section.
    #[must_use]
    pub fn new(config: &NwsConfig, context: &Context) -> Self {
        let guard = Guard::new(ProviderName::Nws.as_str(), &config.guard, context);
        Self { config: config.clone(), guard }
    }

    async fn ask_latest(&self, zone: &Zone) -> Result<Reading, ProviderError> {
        let unknown = || ProviderError::NoData(format!("no weather is known to move `{zone}`"));
        let worth = Worth::of(zone).ok_or_else(unknown)?;
        let now = self.guard.now();
        let (mut winds, mut skies, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut problem = None;
        for site in SITES.iter().filter(|site| site.zone == zone.as_str()) {
            let weather = match self.weather(zone, site, now).await {
                Ok(weather) => weather,
                Err(error) => {
                    problem = problem.or(Some(error));
                    continue;
                }
            };
            match site.farm {
                Farm::Wind => winds.extend(weather.wind.map(proxy::wind_power)),
                Farm::Sun => {
                    places.push(site.place);
                    skies.extend(weather.cover.map(sun::through_clouds));
                }
            }
        }
        if winds.is_empty() && skies.is_empty() {
            let silent = || ProviderError::NoData("no site has wind or clouds".to_owned());
            return Err(problem.unwrap_or_else(silent));
        }
        let start = now.floor(Span::HOUR);
        let month = start.utc().month() as usize - 1;
        // A kind of farm without any weather is as usual, and moves nothing.
        let wind = mean(&winds).unwrap_or(worth.usual_wind[month]);
        let sky = mean(&skies).unwrap_or(worth.usual_sky[month]);
        let value = worth
            .intensity(start, wind, sky, proxy::clear_sky(&places, start))
            .ok_or_else(|| ProviderError::NoData(format!("no typical year of `{zone}`")))?;
        Ok(Reading {
            zone: zone.clone(),
            source: Source::NwsProxy,
            signal: Signal::Average,
            factor_set: typical_year::FACTOR_SET.to_owned(),
            points: vec![Point { start, span: Span::HOUR, value, is_estimated: true }],
            fetched_at: now,
            updated_at: None,
            confidence: CONFIDENCE,
        })
    }

    /// The weather of a site: what its station observed, and what that lacks from its office.
    async fn weather(&self, zone: &Zone, site: &Site, now: Time) -> Result<Now, ProviderError> {
        let observed = self.observation(zone, site).await;
        let recent = observed.as_ref().ok().filter(|seen| {
            let age = now - seen.at;
            age <= OBSERVED && age >= -OBSERVED
        });
        let mut weather =
            recent.map_or(Now::default(), |seen| Now { wind: seen.wind, cover: seen.cover });
        let lacking = match site.farm {
            Farm::Wind => weather.wind.is_none(),
            Farm::Sun => weather.cover.is_none(),
        };
        if lacking {
            // Of two failures the first one is the cause: a breaker may have opened between them.
            let grid =
                self.grid(zone, site).await.map_err(|later| observed.err().unwrap_or(later))?;
            weather.wind = weather.wind.or(weather::at(&grid.wind, now));
            weather.cover = weather.cover.or(weather::at(&grid.cover, now));
        }
        if site.farm == Farm::Wind && weather.wind.is_none() {
            weather.wind = weather::at(&self.hourly_wind(zone, site).await?, now);
        }
        Ok(weather)
    }

    async fn observation(&self, zone: &Zone, site: &Site) -> Result<Observation, ProviderError> {
        let path = format!("stations/{}/observations/latest", site.station);
        // Stations report once an hour, some minutes before it.
        let fresh = |seen: &Observation, now: Time| {
            // One of the future is not kept until then.
            seen.at <= now && now - seen.at < Span::HOUR
        };
        self.ask(zone, site, "observation", &path, fresh, weather::observation).await
    }

    async fn grid(&self, zone: &Zone, site: &Site) -> Result<Grid, ProviderError> {
        let path = self.square_path(zone, site).await?;
        self.ask(zone, site, "grid", &path, |_, _| false, weather::grid).await
    }

    async fn hourly_wind(&self, zone: &Zone, site: &Site) -> Result<Vec<Held>, ProviderError> {
        let path = format!("{}/forecast/hourly", self.square_path(zone, site).await?);
        self.ask(zone, site, "hourly", &path, |_, _| false, weather::hourly_wind).await
    }

    async fn square_path(&self, zone: &Zone, site: &Site) -> Result<String, ProviderError> {
        let Place { latitude, longitude } = site.place;
        let path = format!("points/{latitude},{longitude}");
        let Square { office, x, y } =
            self.ask(zone, site, SQUARE, &path, |_, _| true, weather::square).await?;
        Ok(format!("gridpoints/{office}/{x},{y}"))
    }

    async fn ask<T: Clone + Serialize + DeserializeOwned>(
        &self,
        zone: &Zone,
        site: &Site,
        what: &str,
        path: &str,
        fresh: impl Fn(&T, Time) -> bool,
        parse: impl Fn(&[u8]) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let contact = self.config.contact.trim();
        if contact.is_empty() || !contact.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            let problem = "`contact` has to say how the service can reach you";
            let problem = ProviderError::Configuration(problem.to_owned());
            return Err(self.guard.unasked(zone, problem));
        }
        let base = self.config.base_url.trim_end_matches('/');
        let agent = concat!("carbon-kube/", env!("CARGO_PKG_VERSION"));
        let request = Request::get(format!("{base}/{path}"))
            .header("user-agent", format!("{agent} ({contact})"))
            .header("accept", "application/geo+json");
        let name = format!("{what}-{}", site.station);
        let call = Call { zone, name: Some(&name), optional: false, request };
        Ok(self.guard.fetch(call, fresh, parse).await?.value)
    }
}

impl Provider for Nws {
    fn name(&self) -> &'static str {
        ProviderName::Nws.as_str()
    }

    fn signal(&self) -> Signal {
        Signal::Average
    }

    fn serves(&self, zone: &Zone) -> bool {
        Worth::of(zone).is_some()
    }

    fn latest<'a>(&'a self, zone: &'a Zone) -> Pending<'a> {
        self.ask_latest(zone).boxed()
    }

    fn health(&self) -> Health {
        self.guard.health()
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
