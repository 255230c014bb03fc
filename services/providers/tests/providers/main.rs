//! Providers against servers that answer as the real ones do, well and badly.

#![allow(clippy::unwrap_used, reason = "test code")]

#[cfg(feature = "aws-api")]
mod aws;
mod bad_answers;

mod carbon_aware_sdk;
mod chain;
mod eia;
mod electricity_maps;
mod entsoe;
mod gb_carbon_intensity;
mod guard;
mod nws;
mod outages;
mod parsers;
mod secrets;
mod stand;
mod watttime;
