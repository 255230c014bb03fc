//! Files of the chart that follow from others, and files that belong together. Needs neither Helm
//! nor a cluster; `make golden` writes anew what is made from others.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use carbon_kube_e2e::{chart, monitoring};
use carbon_kube_policies::file::Loaded;
use serde_json::{Map, Value};

/// Services whose configuration the values hold, and the fields of it that the chart itself sets:
/// of the configuration, or of one of its definitions.
const SERVICES: [(&str, &[&str]); 3] = [
    ("extender", &["source", "Server.listen", "Server.tls", "Telemetry.listen"]),
    ("poller", &["output", "cacheFolder", "Cluster.namespace", "Lease.name", "Telemetry.listen"]),
    ("tuner", &["output", "Cluster.namespace"]),
];

/// Metrics that dashboards and rules ask for and that come from elsewhere, or come later.
const ELSEWHERE: [(&str, &str); 3] = [
    ("up", "Prometheus"),
    ("scheduler_", "kube-scheduler"),
    ("carbonkube_migrations", "the controller, which does not exist yet"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn updates() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| !value.is_empty())
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Folders of the library that hold a policy (and not a forecast).
fn library() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("policies/library")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.join("policy.yaml").is_file()).collect()
}

#[test]
fn the_policies_of_the_library_are_in_the_chart() {
    let in_chart = chart::folder().join("files/policies");
    let names = |folders: Vec<PathBuf>| -> BTreeSet<String> {
        let name = |folder: PathBuf| folder.file_name().unwrap().to_string_lossy().into_owned();
        folders.into_iter().map(name).collect()
    };
    for folder in library() {
        let name = folder.file_name().unwrap();
        for file in ["policy.yaml", "actor.safetensors"] {
            let Ok(original) = fs::read(folder.join(file)) else { continue };
            let copy = in_chart.join(name).join(file);
            if updates() {
                fs::create_dir_all(copy.parent().unwrap()).unwrap();
                fs::write(&copy, &original).unwrap();
            }
            let copied = fs::read(&copy).unwrap_or_default();
            assert!(copied == original, "{} is not the library's: `make golden`", copy.display());
        }
    }
    let copies = fs::read_dir(in_chart).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names(copies), names(library()), "the chart has what the library has");
}

#[test]
fn the_values_know_the_configuration_of_each_service() {
    let path = chart::folder().join("values.schema.json");
    let schema = json(&path);
    let mut expected = schema.clone();
    for (service, set_by_chart) in SERVICES {
        let file = root().join(format!("services/{service}/{service}.schema.json"));
        if !file.exists() {
            // Not in this tree: its configuration is taken as it comes.
            continue;
        }
        embed(&mut expected, service, json(&file), set_by_chart);
    }
    if updates() {
        fs::write(&path, format!("{expected:#}\n")).unwrap();
        return;
    }
    assert_eq!(schema, expected, "values.schema.json is old: `make golden`");
}

/// Puts a service's schema into the values' as `$defs.<service>Config`, without the fields that the
/// chart sets.
fn embed(values: &mut Value, service: &str, schema: Value, set_by_chart: &[&str]) {
    let mut root = schema.as_object().unwrap().clone();
    let mut definitions = match root.remove("$defs") {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    };
    for field in set_by_chart {
        let (owner, name) = match field.split_once('.') {
            Some((definition, name)) => (definitions[definition].as_object_mut().unwrap(), name),
            None => (&mut root, *field),
        };
        let removed = owner["properties"].as_object_mut().unwrap().remove(name);
        assert!(removed.is_some(), "{service} has no {field}");
    }
    root.retain(|key, _| key != "$schema" && key != "title");
    let into = values["$defs"].as_object_mut().unwrap();
    into.retain(|name, _| !name.starts_with(&format!("{service}.")));
    into.insert(format!("{service}Config"), renamed(service, &root.into()));
    for (name, definition) in &definitions {
        into.insert(format!("{service}.{name}"), renamed(service, definition));
    }
    // Definitions of what the chart sets are left over.
    loop {
        let text = values.to_string();
        let into = values["$defs"].as_object_mut().unwrap();
        let before = into.len();
        into.retain(|name, _| {
            !name.starts_with(&format!("{service}.")) || text.contains(&format!("#/$defs/{name}\""))
        });
        if into.len() == before {
            return;
        }
    }
}

/// References into the values' schema, and no defaults: those are the service's own business.
fn renamed(service: &str, schema: &Value) -> Value {
    match schema {
        Value::Array(list) => list.iter().map(|item| renamed(service, item)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != "default");
            let renamed = fields.map(|(key, value)| match value.as_str() {
                Some(path) if key == "$ref" => {
                    let path = path.replace("#/$defs/", &format!("#/$defs/{service}."));
                    (key.clone(), path.into())
                }
                _ => (key.clone(), renamed(service, value)),
            });
            Value::Object(renamed.collect())
        }
        other => other.clone(),
    }
}

#[test]
fn the_workflow_builds_the_images_of_the_makefile_and_the_chart_lists_no_others() {
    let programs = chart::programs().unwrap();
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let workflow = read(".github/workflows/images.yml");
    let (_, matrix) = workflow.split_once("program: [").unwrap();
    let (matrix, _) = matrix.split_once(']').unwrap();
    let built: BTreeSet<String> = matrix.split(", ").map(str::to_owned).collect();
    assert_eq!(built, programs);

    let chart = read("charts/carbon-kube/Chart.yaml");
    let listed = chart.lines().filter_map(|line| line.trim().strip_prefix("image: "));
    let mut count = 0;
    for image in listed {
        let name = image.rsplit('/').next().unwrap().split(':').next().unwrap();
        assert!(programs.contains(name), "nobody builds {image}");
        count += 1;
    }
    assert!(count >= 2, "{count} images");
}

#[test]
fn a_policy_of_the_chart_is_a_policy() {
    for folder in library() {
        let yaml = fs::read_to_string(folder.join("policy.yaml")).unwrap();
        let actor = fs::read(folder.join("actor.safetensors")).ok();
        Loaded::parse_with(&yaml, actor.as_deref(), None).unwrap();
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let alerts = monitoring::rules().unwrap().into_iter().filter(|rule| rule.is_alert);
    let mut names = BTreeSet::new();
    for alert in alerts {
        let url = alert.rule["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(url, format!("https://carbon-kube.io/runbooks/{}", alert.name));
        for text in ["summary", "description"] {
            assert!(alert.rule["annotations"][text].is_string(), "{}: {text}", alert.name);
        }
        let severity = alert.rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{}", alert.name);
        names.insert(format!("{}.md", alert.name));
    }
    names.insert("README.md".to_owned());
    let pages = fs::read_dir(root().join("docs/runbooks")).unwrap();
    let pages: BTreeSet<String> =
        pages.map(|page| page.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(pages, names);
}

#[test]
fn every_alert_is_made_to_fire_and_to_stop() {
    let text = fs::read_to_string(monitoring::rules_folder().join("alerts.test.yaml")).unwrap();
    let tests: Value = serde_saphyr::from_str(&text).unwrap();
    let cases = tests["tests"].as_array().unwrap();
    let cases: Vec<&Value> =
        cases.iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap()).collect();
    let rules = monitoring::rules().unwrap();
    for alert in rules.iter().filter(|rule| rule.is_alert) {
        let of_alert = || cases.iter().filter(|case| case["alertname"] == alert.name.as_str());
        let firing = |case: &&&Value| !case["exp_alerts"].as_array().unwrap().is_empty();
        assert!(of_alert().any(|case| firing(&case)), "{} never fires", alert.name);
        assert!(of_alert().any(|case| !firing(&case)), "{} never stops", alert.name);
    }
}

#[test]
fn dashboards_are_as_grafana_and_their_readers_want_them() {
    let dashboards = monitoring::dashboards().unwrap();
    let uids: Vec<&str> = dashboards.iter().map(|(_, it)| it["uid"].as_str().unwrap()).collect();
    // Links and bookmarks hold these.
    assert_eq!(uids, ["carbon-kube-overview", "carbon-kube-tuner", "carbon-kube-scheduler"]);
    for (file, dashboard) in &dashboards {
        let source = &dashboard["templating"]["list"][0];
        assert_eq!(
            (&source["name"], &source["type"]),
            (&"datasource".into(), &"datasource".into())
        );
        assert_eq!(dashboard["editable"], false, "{file}");
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: an id twice");
        }
        for panel in monitoring::panels(dashboard) {
            let title = panel["title"].as_str().unwrap();
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(panel["description"].as_str().unwrap().len() > 10, "{file}: {title}");
            assert!(defaults["unit"].is_string(), "{file}: {title} has no unit");
            assert!(defaults["noValue"].is_string(), "{file}: {title} says nothing of no data");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{file}: {title}");
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{file}: {title}");
            }
        }
    }
}

#[test]
fn dashboards_and_rules_ask_for_metrics_that_exist() {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let documented = |metric: &str| page.contains(&format!("| `{metric}` |"));
    let rules = monitoring::rules().unwrap();
    let recorded: BTreeSet<&str> =
        rules.iter().filter(|rule| !rule.is_alert).map(|rule| rule.name.as_str()).collect();
    let of_rules = rules.iter().map(|rule| (rule.name.clone(), rule.expression.clone()));
    let queries = monitoring::queries().unwrap();
    let of_dashboards = queries.iter().map(|query| (query.place.clone(), query.expression.clone()));
    let mut asked = 0;
    for (place, expression) in of_rules.chain(of_dashboards) {
        for series in monitoring::series_in(&expression) {
            let known = recorded.contains(series.as_str())
                || documented(monitoring::metric_of(&series))
                || ELSEWHERE.iter().any(|(prefix, _)| series.starts_with(prefix));
            assert!(known, "{place}: nobody has `{series}`");
            asked += 1;
        }
    }
    assert!(asked > 80, "only {asked} series were found in the expressions");
}

#[test]
fn the_packed_chart_leaves_room_in_the_record_of_a_release() {
    // Helm keeps the chart, compressed, in a Secret of at most 1 MiB, together with what it rendered.
    fn bytes(folder: &Path) -> u64 {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries
            .map(|entry| match entry.file_type().unwrap().is_dir() {
                true => bytes(&entry.path()),
                false => entry.metadata().unwrap().len(),
            })
            .sum()
    }
    let size = bytes(&chart::folder());
    assert!(size < 512 * 1024, "the chart's files are {size} bytes");
}
