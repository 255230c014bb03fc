//! Processor time of this process.

/// Seconds of one core so far; `None` where the system doesn't tell it in `/proc`.
pub fn seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold blanks and is in brackets. After it: fields 3 and on, of
    // which 14 and 15 are user and system time in ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some((ticks(14)? + ticks(15)?) / 100.0)
}
