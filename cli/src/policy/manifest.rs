//! The manifest of the ConfigMap, as text and back.

use std::collections::BTreeMap;

use carbon_kube_policies::file::{self, Loaded, PolicyError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::source::Source;

/// A manifest with its keys in the order in which people write them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InOrder<'a> {
    api_version: &'a Value,
    kind: &'a Value,
    metadata: &'a Value,
    data: &'a Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    binary_data: &'a Value,
}

/// The policy as `kubectl apply -f -` reads it: YAML, with `policy.yaml` as a block of text.
///
/// A policy whose bytes a block can't carry makes the manifest JSON, which every reader of YAML
/// takes too. The checksum is over bytes: one line end that a reader changed would refuse it.
pub fn write(source: &Source, namespace: &str) -> String {
    let manifest = file::config_map(&source.policy, &source.yaml, namespace);
    let parts = InOrder {
        api_version: &manifest["apiVersion"],
        kind: &manifest["kind"],
        metadata: &manifest["metadata"],
        data: &manifest["data"],
        binary_data: manifest.get("binaryData").unwrap_or(&Value::Null),
    };
    let yaml = serde_saphyr::to_string(&parts).ok().filter(|yaml| {
        // A description of 80 characters is folded; what was read back is what counts.
        let again = serde_saphyr::from_str::<Value>(yaml);
        survives_as_block(&source.yaml) && again.is_ok_and(|again| again == manifest)
    });
    yaml.unwrap_or_else(|| format!("{manifest:#}\n"))
}

/// Whether every reader keeps the text. YAML 1.1, which Go's readers speak, takes more characters
/// for line ends than 1.2, and makes each a line feed.
fn survives_as_block(text: &str) -> bool {
    let kept = |c: char| match c {
        '\n' | '\t' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' => false,
        _ => !c.is_control(),
    };
    text.chars().all(kept)
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// The parts of a ConfigMap that say something about a policy. A cluster adds others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMap {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    binary_data: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Reads the policy in a ConfigMap's manifest; `None` where the text is something else.
pub fn read(text: &str) -> Option<Result<Source, PolicyError>> {
    let head: Kind = serde_saphyr::from_str(text).ok()?;
    (head.kind.as_deref() == Some("ConfigMap")).then(|| policy(text))
}

fn policy(text: &str) -> Result<Source, PolicyError> {
    let map: ConfigMap = serde_saphyr::from_str(text).map_err(|error| {
        let message = error.to_string();
        // The first line says what and where; below it is a copy of the file.
        let line = message.lines().next().unwrap_or_default();
        PolicyError::Malformed(line.trim_start_matches("error: ").to_owned())
    })?;
    let actor = file::actor_of(&map.binary_data)?;
    let policy = Loaded::from_config_map(&map.data, actor.as_deref(), &map.metadata.annotations)?;
    let key = carbon_kube_core::cluster::POLICY.1;
    let yaml = map.data.get(key).cloned().ok_or(PolicyError::NoFile)?;
    let promised = map.metadata.annotations.contains_key(carbon_kube_core::cluster::POLICY_SHA256);
    Ok(Source { policy, yaml, promised })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(yaml: &str) -> (String, Source) {
        let policy = Loaded::parse(yaml, None).unwrap();
        let source = Source { policy, yaml: yaml.to_owned(), promised: false };
        let text = write(&source, "carbon-kube");
        let again = read(&text).unwrap().unwrap();
        assert_eq!((&again.policy, &again.yaml), (&source.policy, &source.yaml), "{text}");
        (text, again)
    }

    #[test]
    fn every_byte_of_the_policy_comes_back() {
        let plain = "version: 1\nname: mine\nkind: percentile\n";
        for yaml in [
            plain.to_owned(),
            plain.trim_end().to_owned(),
            format!("{plain}\n\n"),
            format!("\n\n  \n{plain}"),
            format!("# a\ttab, blanks   \n{plain}# end"),
            format!("---\n{plain}..."),
            plain.replace('\n', "\n  ").replacen("version", "  version", 1).trim_end().to_owned(),
            plain.replace("mine", "\"on\""),
            plain.replace("mine", "\"2020-01-01\""),
            plain.replace("mine", "\"0x1f\""),
        ] {
            let (text, source) = again(&yaml);
            assert!(source.promised && text.contains("policy.yaml: |"), "{text}");
        }
    }

    #[test]
    fn line_ends_that_a_reader_would_change_make_the_manifest_json() {
        let plain = "version: 1\r\nname: mine\r\nkind: percentile\r\n";
        for yaml in [plain.to_owned(), plain.replace('\r', "") + "# \u{85}\u{2028}"] {
            let (text, _) = again(&yaml);
            assert!(text.starts_with('{'), "{text}");
        }
    }

    #[test]
    fn what_is_no_config_map_is_none() {
        assert!(read("kind: percentile").is_none() && read("[").is_none() && read("").is_none());
        assert_eq!(read("kind: ConfigMap").unwrap().err(), Some(PolicyError::NoFile));
    }
}
