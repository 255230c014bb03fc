//! A rule as a policy of its own, with its defaults.

use carbon_kube_policies::Settings;
use carbon_kube_policies::file::{Bounds, Loaded, PolicyFile, Provenance, VERSION};
use serde_json::{Map, Value};

use super::source::Source;

/// What the rule does, in the words of its reference.
pub fn description(rule: &str) -> String {
    let schema = carbon_kube_sim::scenario::json_schema();
    let alternatives = schema["$defs"]["Policy"]["anyOf"].as_array().into_iter().flatten();
    let of_rule = |entry: &Value| Some(entry["properties"][rule]["$ref"].as_str()?.to_owned());
    let reference = alternatives.into_iter().find_map(of_rule).unwrap_or_default();
    let text = schema.pointer(&format!("{}/description", reference.trim_start_matches('#')));
    let words = text.and_then(Value::as_str).unwrap_or_default().split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

/// The settings alone, without the rule's name around them.
pub fn settings(rule: &Settings) -> Map<String, Value> {
    let tagged = serde_json::to_value(rule).expect("settings have text keys and finite numbers");
    tagged[rule.name()].as_object().cloned().unwrap_or_default()
}

/// The rule as a policy file that spells its defaults out: they stay what they are where a later
/// version has others.
pub fn policy(rule: &Settings) -> Source {
    let file = PolicyFile {
        version: VERSION,
        name: rule.name().to_owned(),
        kind: rule.name().to_owned(),
        settings: settings(rule),
        tuner: None,
        bounds: Bounds::default(),
        fallback: "default-scheduler".to_owned(),
        provenance: Provenance {
            description: description(rule.name()),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Provenance::default()
        },
    };
    let yaml =
        serde_saphyr::to_string(&file).expect("a policy file has text keys and plain values");
    let policy = Loaded::parse(&yaml, None).expect("a rule with its defaults is within its ranges");
    Source { policy, yaml, promised: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_a_policy_with_the_same_settings_and_says_what_it_does() {
        for rule in Settings::all() {
            let source = policy(&rule);
            assert_eq!(source.policy.settings, rule);
            assert!(!source.policy.file.provenance.description.is_empty(), "{}", rule.name());
        }
    }
}
