//! Policies that need no training: one file each, the same word everywhere.

mod default_scheduler;
mod holding;
mod lowest_window;
mod lowest_zone;
mod percentile;
mod percentile_lowest_zone;
mod threshold;

#[cfg(test)]
mod tests;

pub use default_scheduler::DefaultScheduler;
pub use lowest_window::LowestWindow;
pub use lowest_zone::LowestZone;
pub use percentile::Percentile;
pub use percentile_lowest_zone::PercentileLowestZone;
pub use threshold::Threshold;
