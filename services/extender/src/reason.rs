//! Why a node is refused, in words that end up in the pod's events.
//!
//! kube-scheduler counts equal texts (`10 US-TX 412 g/kWh is over ...`), so a text depends on the
//! node's zone and the pod, never on the node.

use carbon_kube_core::view::ZoneIndex;
use carbon_kube_core::{GramsPerKwh, Time};

use crate::decide::Decision;

/// Why nodes of a zone are refused.
pub fn refusal(decision: &Decision<'_>, zone: Option<ZoneIndex>, now: Time) -> String {
    let limit = decision
        .must_run_by
        .map_or_else(String::new, |limit| format!("; no later than {}", clock(limit, now)));
    let policy = decision.policy.map_or("the policy", |policy| policy.file.name.as_str());
    let Some((name, signal)) = zone.and_then(|zone| decision.zone(zone)) else {
        return format!("refused by {policy}{limit}");
    };
    match (signal.intensity, signal.threshold, decision.held) {
        (Some(intensity), Some(threshold), _) if intensity > threshold => {
            let (intensity, threshold) = apart(intensity, threshold);
            format!("{name} {intensity} g/kWh is over the threshold {threshold} g/kWh{limit}")
        }
        (Some(intensity), _, Some(until)) => format!(
            "{name} {:.0} g/kWh: {policy} waits for cleaner power until {}{limit}",
            intensity.get(),
            clock(until, now)
        ),
        _ => format!("{name} is refused by {policy}{limit}"),
    }
}

/// Two numbers with as many digits as it takes to tell them apart.
fn apart(high: GramsPerKwh, low: GramsPerKwh) -> (String, String) {
    (0..6)
        .map(|digits| (format!("{:.digits$}", high.get()), format!("{:.digits$}", low.get())))
        .find(|(high, low)| high != low)
        .unwrap_or_else(|| (high.get().to_string(), low.get().to_string()))
}

/// The time of day, with the date where it is not today.
fn clock(at: Time, now: Time) -> String {
    let (at, now) = (at.utc(), now.utc());
    if at.date() == now.date() {
        at.strftime("%H:%M UTC").to_string()
    } else {
        at.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_as_many_digits_as_tell_them_apart() {
        let check = |high, low| {
            let grams = |value| GramsPerKwh::new(value).unwrap();
            let (high, low) = apart(grams(high), grams(low));
            format!("{high} {low}")
        };
        assert_eq!(check(412.3, 350.0), "412 350");
        assert_eq!(check(350.4, 350.2), "350.4 350.2");
        assert_eq!(check(350.6, 350.4), "351 350");
    }

    #[test]
    fn the_date_shows_only_where_it_is_another_day() {
        let at = |text: &str| text.parse::<Time>().unwrap();
        let now = at("2026-06-01T12:00:00Z");
        assert_eq!(clock(at("2026-06-01T18:00:00Z"), now), "18:00 UTC");
        assert_eq!(clock(at("2026-06-02T01:30:00Z"), now), "2026-06-02 01:30 UTC");
    }
}
