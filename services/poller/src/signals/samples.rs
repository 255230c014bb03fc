//! Samples of the text that `/metrics` shows (Prometheus text 0.0.4 and OpenMetrics).

/// The value of the label `zone` and the value of each sample of a metric. Lines that can't be
/// understood are passed over: they are of somebody else.
pub fn of<'t>(text: &'t str, metric: &'t str) -> impl Iterator<Item = (String, f64)> + 't {
    text.lines().filter_map(move |line| {
        let labels_on = line.strip_prefix(metric)?.strip_prefix('{')?;
        let (labels, rest) = labels(labels_on)?;
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        let zone = labels.into_iter().find(|(name, _)| *name == "zone")?.1;
        Some((zone, value))
    })
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut text: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once('=')?;
        let (value, rest) = quoted(rest.strip_prefix('"')?)?;
        labels.push((name.trim(), value));
        text = rest;
    }
}

/// A value up to its closing quote, with its escapes resolved, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn samples_are_found_whatever_their_labels_look_like() {
        let text = "# TYPE power gauge\npower{zone=\"US-CA\"} 0.5\n\
                    power{node=\"a,b\\\"}\",zone=\"EU-DE\"} 1.5e-1 1780000000\n\
                    power_total{zone=\"EU-FR\"} 9\npower 3\npower{zone=\"EU-UK\"\npower{zone=\"x\"} NaN?";
        let found: Vec<_> = of(text, "power").map(|(zone, v)| format!("{zone} {v}")).collect();
        assert_eq!(found, ["US-CA 0.5", "EU-DE 0.15"]);
    }

    proptest! {
        #[test]
        fn no_text_ends_in_a_panic(text in "(m\\{|\\}|\"|\\\\|zone=|,|é| |1|\n)*") {
            let _ = of(&text, "m").count();
        }
    }
}
