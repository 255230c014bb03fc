//! What is said of a zone when no source is believed: the last known value on its way to what the
//! zone is like at that hour, then the typical year. Each is labelled, with a confidence that falls;
//! never a constant passed off as data.

pub mod decay;
pub mod memory;
pub mod typical_year;
