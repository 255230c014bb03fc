//! Policies that need no training: one file each, the same word everywhere.

mod all_wait;
mod cap;
mod carbon_time;
mod carbonscaler;
mod default_scheduler;
mod double_threshold;
mod ecovisor;
mod holding;
mod hour_table;
mod k_min;
mod lowest_price_zone;
mod lowest_slot;
mod lowest_window;
mod lowest_zone;
mod most_available_zone;
mod one_min;
mod pcaps;
mod percentile;
mod percentile_lowest_zone;
mod plan;
mod round_robin_zone;
pub mod search;
mod slots;
mod spatial;
mod threshold;
mod timeshift;
mod wait_awhile;

#[cfg(test)]
mod tests;

pub use all_wait::AllWait;
pub use cap::Cap;
pub use carbon_time::CarbonTime;
pub use carbonscaler::Carbonscaler;
pub use default_scheduler::DefaultScheduler;
pub use double_threshold::DoubleThreshold;
pub use ecovisor::Ecovisor;
pub use hour_table::HourTable;
pub use k_min::KMin;
pub use lowest_price_zone::LowestPriceZone;
pub use lowest_slot::LowestSlot;
pub use lowest_window::LowestWindow;
pub use lowest_zone::LowestZone;
pub use most_available_zone::MostAvailableZone;
pub use one_min::OneMin;
pub use pcaps::Pcaps;
pub use percentile::Percentile;
pub use percentile_lowest_zone::PercentileLowestZone;
pub use plan::Plan;
pub use round_robin_zone::RoundRobinZone;
pub use threshold::Threshold;
pub use timeshift::Timeshift;
pub use wait_awhile::WaitAwhile;
