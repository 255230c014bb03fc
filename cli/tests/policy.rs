//! `policy ...`, and policies of files in `sim run`.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::path::Path;

use support::{Workplace, root};

/// What can be exported by name, as `policy list` says.
fn names() -> Vec<String> {
    let json = Workplace::new().run("policy list --format json").out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let of = |key: &str| json[key].as_array().unwrap().clone();
    let entries = of("policies").into_iter().chain(of("rules"));
    entries.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

/// A workplace with the folder `mine`, made from the shipped policy.
fn with_mine() -> Workplace {
    let workplace = Workplace::new();
    let ended = workplace.run("policy export percentile-v1 --format dir -o mine");
    assert_eq!((ended.code, ended.err.as_str(), ended.out.as_str()), (Some(0), "", ""));
    workplace
}

/// Runs a command that is to fail, leaving everything as it was.
fn refused(workplace: &Workplace, words: &str) -> String {
    let before = workplace.names(".");
    let ended = workplace.run(words);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    assert_eq!(workplace.names("."), before, "something was left behind");
    format!("{words}\n{}", ended.failure())
}

/// Without the checksums, which change with the shipped policy.
fn masked(text: &str) -> String {
    let is_sum = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let sums = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_sum);
    sums.fold(text.to_owned(), |text, sum| text.replace(sum, "<sha256>"))
}

#[test]
fn the_list_has_the_shipped_policies_and_the_rules() {
    insta::assert_snapshot!(Workplace::new().run("policy list").out);
    assert_eq!(names().len(), 26);
}

#[test]
fn a_manifest_is_yaml_that_people_can_read() {
    let workplace = Workplace::new();
    insta::assert_snapshot!(workplace.run("policy export lowest-zone --namespace batch").out);
    let shipped = workplace.run("policy export percentile-v1").out;
    assert!(shipped.contains("  namespace: carbon-kube\n"), "{shipped}");
    assert!(shipped.contains("\n  policy.yaml: |\n    version: 1\n    name: percentile-v1\n"));
}

#[test]
fn what_was_exported_verifies_again_in_each_form() {
    let workplace = Workplace::new();
    let mut lines = String::new();
    for name in names() {
        let folder = format!("policy export {name} --format dir -o {name}");
        assert_eq!(workplace.run(&folder).code, Some(0));
        // A policy of a folder is the policy, byte by byte.
        let manifest = workplace.run(&format!("policy export {name}")).out;
        assert_eq!(workplace.run(&format!("policy export ./{name}")).out, manifest);
        let file = format!("policy export {name} -o {name}.yaml");
        assert_eq!(workplace.run(&file).code, Some(0));
        assert_eq!(workplace.read(&format!("{name}.yaml")), manifest);
        let verified = workplace.run(&format!("policy verify {name} {name}.yaml"));
        assert_eq!((verified.code, verified.err.as_str()), (Some(0), ""));
        let (first, second) = verified.out.split_once('\n').unwrap();
        assert_eq!(first, second.trim_end());
        lines.push_str(first.split("sha256").next().unwrap());
        lines.push('\n');
    }
    insta::assert_snapshot!(lines);
    assert_eq!(workplace.names("percentile-v1"), ["SHA256SUMS", "policy.yaml"]);
}

#[test]
fn a_changed_policy_is_refused_until_its_checksum_says_so() {
    let workplace = with_mine();
    let changed = workplace.read("mine/policy.yaml").replace("percentile: 30", "percentile: 20");
    workplace.write("mine/policy.yaml", &changed);
    insta::assert_snapshot!(masked(&refused(&workplace, "policy verify mine")));
    assert_eq!(workplace.run("policy export ./mine").code, Some(2));
    workplace.write("mine/SHA256SUMS", "");
    insta::assert_snapshot!(refused(&workplace, "policy verify mine"));
    std::fs::remove_file(workplace.path().join("mine/SHA256SUMS")).unwrap();
    let alone = workplace.run("policy verify mine").out;
    assert!(alone.contains("no checksum to compare with"), "{alone}");

    let manifest = workplace.run("policy export percentile-v1").out;
    workplace.write("changed.yaml", manifest.replace("percentile: 30", "percentile: 20"));
    let ended = workplace.run("policy verify changed.yaml");
    assert!(ended.code == Some(1) && ended.err.contains("checksum"), "{}", ended.err);
}

#[test]
fn all_policies_are_verified_and_the_worst_is_the_exit_status() {
    let workplace = with_mine();
    workplace.write("bad.yaml", "version: 1\nname: bad\nkind: percentil\n");
    let ended = workplace.run("policy verify bad.yaml mine");
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.starts_with("ok percentile-v1 (percentile, sha256 "), "{}", ended.out);
    let ended = workplace.run("policy verify nothing bad.yaml --format json");
    assert_eq!((ended.code, ended.err.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ended.out);
}

#[test]
fn what_is_no_policy_says_what_and_where() {
    let workplace = Workplace::new();
    std::fs::create_dir(workplace.path().join("empty")).unwrap();
    let noise: Vec<u8> =
        (0..4_096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    workplace.write("noise", noise);
    workplace.write("large", "#".repeat((1 << 20) + 1));
    workplace.write("map.yaml", "apiVersion: v1\nkind: ConfigMap\ndata: {other: text}\n");
    workplace.write("list.yaml", "[1, 2]");
    workplace.write("two.yaml", "version: 2\n");
    workplace
        .write("range.yaml", "version: 1\nname: a\nkind: percentile\nsettings: {percentile: 101}");
    workplace.write("key.yaml", "version: 1\nname: a\nkind: percentile\nsettings: {percentil: 1}");
    for place in [
        "empty",
        "nothing",
        "noise",
        "large",
        "map.yaml",
        "list.yaml",
        "two.yaml",
        "range.yaml",
        "key.yaml",
        "tiny.yaml",
    ] {
        insta::assert_snapshot!(refused(&workplace, &format!("policy verify {place}")));
    }
}

/// Both would be read until the memory is full.
#[cfg(target_os = "linux")]
#[test]
fn a_file_without_an_end_is_no_policy() {
    let ended = Workplace::new().run("policy verify /dev/zero");
    assert!(ended.code == Some(1) && ended.err.contains("1 MiB"), "{}", ended.err);
}

#[test]
fn wrong_options_of_an_export_say_what_is_right() {
    let workplace = with_mine();
    workplace.write("taken.yaml", "mine");
    for words in [
        "policy export percentile-v2",
        "policy export tuner",
        "policy export ./nothing",
        "policy export empty/../mine/SHA256SUMS",
        "policy export percentile -o taken.yaml",
        "policy export percentile -o nowhere/policy.yaml",
        "policy export percentile --format dir -o mine",
        "policy export percentile --format dir -o taken.yaml",
        "policy export percentile --format dir",
        "policy export percentile --format dir -o new --namespace batch",
        "policy export percentile --namespace Batch",
        "policy verify",
    ] {
        insta::assert_snapshot!(refused(&workplace, words));
    }
    assert_eq!(workplace.read("taken.yaml"), "mine");
}

/// Temporary files are for their owner alone; a manifest is not.
#[cfg(unix)]
#[test]
fn a_manifest_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let workplace = Workplace::new();
    workplace.run("policy export percentile -o written.yaml");
    let mode = |name: &str| workplace.path().join(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode("written.yaml"), mode("tiny.yaml"));
}

#[test]
fn a_policy_of_the_library_or_a_folder_runs_under_its_own_name() {
    let workplace = with_mine();
    let mine = workplace.read("mine/policy.yaml");
    let bounds = mine.replace("maxGramsPerKwh: 1000", "maxGramsPerKwh: 300");
    workplace.write("mine/policy.yaml", bounds.replace("percentile: 30", "percentile: 20"));
    std::fs::remove_file(workplace.path().join("mine/SHA256SUMS")).unwrap();
    let words = "sim run tiny.yaml --policy percentile-v1 --policy percentile-v1 --policy ./mine \
                 --policy percentile --out results";
    let ended = workplace.run(words);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let summary = workplace.json("results/summary.json");
    let runs = summary["runs"].as_array().unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run["policy"].as_str().unwrap()).collect();
    assert_eq!(names, ["default-scheduler", "percentile-v1", "percentile-v1-2", "percentile"]);
    // The shipped policy has the defaults of its rule, and mine another percentile.
    assert_eq!(runs[1]["digest"], runs[3]["digest"]);
    assert_ne!(runs[1]["digest"], runs[2]["digest"]);
    workplace.write("mine/policy.yaml", "version: 1");
    insta::assert_snapshot!(refused(&workplace, "sim run tiny.yaml --policy ./mine --out more"));
}

/// The command of the shipped policy gives the numbers of its file and of its card.
#[test]
fn the_card_of_percentile_v1_says_what_a_fresh_run_gives() {
    let folder = root().join("policies/library/percentile-v1");
    let list = Workplace::new().run("policy list --format json").out;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let claimed = list["policies"][0]["validation"].as_object().unwrap();

    let workplace = Workplace::new();
    let scenario = root().join("scenarios/year-seven-zones.yaml");
    let words = ["sim", "run", scenario.to_str().unwrap(), "--policy", "percentile-v1"];
    let ended = workplace.run_args(&[&words[..], &["--format", "json", "--quiet"]].concat());
    let summary: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let (reference, run) = (&summary["runs"][0], &summary["runs"][1]);
    let number =
        |run: &serde_json::Value, place: &str| run.pointer(place).unwrap().as_f64().unwrap();
    let fresh = [
        ("deadlineMissesPods", number(run, "/pods/deadlineMisses")),
        ("delayMeanHours", number(run, "/delayHours/mean")),
        ("delayP95Hours", number(run, "/delayHours/p95")),
        ("emissionsKilograms", number(run, "/emissionsGrams/total") / 1e3),
        ("emissionsReferenceKilograms", number(reference, "/emissionsGrams/total") / 1e3),
        ("savingPercent", number(run, "/savingPercent")),
        ("submittedPods", number(run, "/pods/submitted")),
    ];
    let keys: Vec<&str> = claimed.keys().map(String::as_str).collect();
    assert_eq!(keys, fresh.map(|(key, _)| key));
    for (key, value) in fresh {
        // Two digits are claimed.
        let claimed = claimed[key].as_f64().unwrap();
        assert!(
            (claimed - value).abs() <= 0.005 + 1e-9,
            "{key}: {claimed} is claimed, not {value}"
        );
    }

    let row = |zone: &str, pointer: &str| {
        let (before, after) = (number(reference, pointer) / 1e3, number(run, pointer) / 1e3);
        let saved = 100.0 * (1.0 - after / before);
        format!("| {zone} | {before:.2} | {after:.2} | {saved:.1} |\n")
    };
    let zones = reference["emissionsGramsByZone"].as_object().unwrap().keys();
    let rows = zones.map(|zone| row(zone, &format!("/emissionsGramsByZone/{zone}")));
    let rows = rows.chain([row("all", "/emissionsGrams/total")]);
    let card = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for row in rows {
        assert!(card.contains(&row), "the card lacks {row}");
    }
    for text in ["9.7 h", "24 h", "20,576", "no deadline was missed"] {
        assert!(card.contains(text), "the card lacks {text}");
    }
}

#[test]
fn the_data_of_percentile_v1_is_the_bundled_data() {
    let folder = root().join("policies/library/percentile-v1");
    let yaml = std::fs::read_to_string(folder.join("policy.yaml")).unwrap();
    let policy = carbon_kube_policies::file::Loaded::parse(&yaml, None).unwrap();
    assert_eq!(policy.file.provenance.datasets.len(), 7);
    for (name, promised) in policy.file.provenance.datasets {
        let path = ["datasets/data", "core/data"].map(|folder| root().join(folder).join(&name));
        let file = path.iter().find(|path| Path::exists(path)).unwrap();
        let sha256 = carbon_kube_policies::file::sha256(&std::fs::read(file).unwrap());
        assert_eq!(sha256, promised, "{name}");
    }
}

/// The folder `tuned`: `percentile`, with a network that always answers tanh(`answer`).
fn write_tuner(workplace: &Workplace, answer: f32) {
    use carbon_kube_policies::{file::sha256, network};
    let actor = network::to_bytes(1, &[(vec![0.0], vec![answer])]).unwrap();
    std::fs::create_dir_all(workplace.path().join("tuned")).unwrap();
    std::fs::write(workplace.path().join("tuned/actor.safetensors"), &actor).unwrap();
    let yaml = format!(
        "version: 1\nname: tuned\nkind: tuner\ntuner:\n  base: percentile\n  observation:\n    \
         version: 1\n    inputs: [{{name: powerRatio, mean: 0.5, min: 0, max: 1}}]\n  \
         controlMinutes: 60\n  actorSha256: {}\n",
        sha256(&actor)
    );
    workplace.write("tuned/policy.yaml", yaml);
}

#[test]
fn a_tuner_is_verified_exported_and_simulated_as_any_policy() {
    let workplace = Workplace::new();
    write_tuner(&workplace, 0.0);
    let ended = workplace.run("policy verify tuned");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.starts_with("ok tuned (tuner, sha256 "), "{}", ended.out);
    workplace.run("policy export ./tuned -o tuned.yaml");
    workplace.run("policy export ./tuned.yaml --format dir -o again");
    for file in ["policy.yaml", "actor.safetensors"] {
        let read = |folder: &str| std::fs::read(workplace.path().join(folder).join(file)).unwrap();
        assert_eq!(read("tuned"), read("again"), "{file}");
    }
    // A network that adds nothing leaves the rule, one that adds 50 g does not.
    let digests = |folder: &str, out: &str| -> Vec<String> {
        let words =
            format!("sim run tiny.yaml --policy percentile --policy ./{folder} --out {out}");
        assert_eq!(workplace.run(&words).code, Some(0));
        let summary = workplace.json(&format!("{out}/summary.json"));
        let runs = summary["runs"].as_array().unwrap();
        runs.iter().map(|run| run["digest"].as_str().unwrap().to_owned()).collect()
    };
    let same = digests("again", "same");
    assert_eq!(same[1], same[2]);
    write_tuner(&workplace, 9.0);
    let other = digests("tuned", "other");
    assert_ne!(other[1], other[2]);
    std::fs::remove_file(workplace.path().join("tuned/actor.safetensors")).unwrap();
    let message = refused(&workplace, "policy verify tuned");
    assert!(message.contains("needs `actor.safetensors` beside `policy.yaml`"), "{message}");
}
