//! Where the sun stands, and what it sends through a clear sky.

use carbon_kube_core::{Span, Time};

/// A place on earth, in degrees; north and east are positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// North of the equator.
    pub latitude: f64,
    /// East of Greenwich.
    pub longitude: f64,
}

/// Sine of the sun's elevation: equation of time and declination after Spencer (1971), as NOAA's solar
/// calculator uses them. Good to half a degree, which is far better than any forecast of clouds.
#[must_use]
pub fn elevation_sine(place: Place, at: Time) -> f64 {
    let civil = at.utc();
    let hour = f64::from(civil.hour()) + f64::from(civil.minute()) / 60.0;
    let day = f64::from(civil.date().day_of_year());
    let year = std::f64::consts::TAU / 365.0 * (day - 1.0 + (hour - 12.0) / 24.0);
    let equation_minutes = 229.18
        * (0.000_075 + 0.001_868 * year.cos()
            - 0.032_077 * year.sin()
            - 0.014_615 * (2.0 * year).cos()
            - 0.040_849 * (2.0 * year).sin());
    let declination = 0.006_918 - 0.399_912 * year.cos() + 0.070_257 * year.sin()
        - 0.006_758 * (2.0 * year).cos()
        + 0.000_907 * (2.0 * year).sin()
        - 0.002_697 * (3.0 * year).cos()
        + 0.001_48 * (3.0 * year).sin();
    let solar_minutes = hour * 60.0 + equation_minutes + 4.0 * place.longitude;
    let hour_angle = (solar_minutes / 4.0 - 180.0).to_radians();
    let latitude = place.latitude.to_radians();
    latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour_angle.cos()
}

/// Mean light on level ground under a clear sky over the hour from `start` on, in kW/m2, after
/// Haurwitz (1945): `1.098 sin(h) exp(-0.057 / sin(h))`.
#[must_use]
pub fn clear_sky(place: Place, start: Time) -> f64 {
    let light = |minutes: i64| {
        let sine = elevation_sine(place, start + Span::MINUTE * minutes);
        // Below half a degree the formula's exponent runs away, and there is no light to speak of.
        if sine > 0.01 { 1.098 * sine * (-0.057 / sine).exp() } else { 0.0 }
    };
    (light(10) + light(30) + light(50)) / 3.0
}

/// The part of the light that comes through when so much of the sky, 0 to 1, is under clouds, after
/// Kasten and Czeplak (1980): a quarter under a closed cover.
#[must_use]
pub fn through_clouds(cover: f64) -> f64 {
    1.0 - 0.75 * cover.clamp(0.0, 1.0).powf(3.4)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    const BAKERSFIELD: Place = Place { latitude: 35.43, longitude: -119.06 };

    fn degrees(at: &str) -> f64 {
        elevation_sine(BAKERSFIELD, at.parse().unwrap()).asin().to_degrees()
    }

    #[test]
    fn at_noon_of_the_solstice_the_sun_is_where_geometry_has_it() {
        // 90 - 35.43 + 23.44 = 78.0 degrees; solar noon is at 119.06 / 15 h + 2 min = 19:58 UTC.
        assert!((degrees("2026-06-21T19:58:00Z") - 78.0).abs() < 0.5);
        // 90 - 35.43 - 23.44 = 31.1 degrees in winter.
        assert!((degrees("2026-12-21T19:54:00Z") - 31.1).abs() < 0.5);
        assert!(degrees("2026-06-21T08:00:00Z") < -25.0);
    }

    #[test]
    fn the_light_is_nothing_at_night_and_a_kilowatt_at_most() {
        let light = |at: &str| clear_sky(BAKERSFIELD, at.parse().unwrap());
        assert!(light("2026-06-21T08:00:00Z") < 1e-12);
        assert!((0.9..1.1).contains(&light("2026-06-21T19:00:00Z")));
        assert!((through_clouds(1.0) - 0.25).abs() < 1e-12);
        assert!((through_clouds(0.0) - 1.0).abs() < 1e-12);
    }
}
