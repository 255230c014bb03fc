//! Writes the inputs that the fuzzers begin with: `fuzz_seeds DIR` fills `DIR/request` and
//! `DIR/documents`. They are made from our own types and generators.

mod cluster;

use std::path::Path;

use carbon_kube_core::Time;
use carbon_kube_extender::config::Config;
use carbon_kube_policies::Settings;
use cluster::{Form, Requests};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: fuzz_seeds DIR")?;
    let folder = Path::new(&folder);
    let now: Time = "2026-06-01T12:00:00Z".parse()?;
    let requests = requests(now);
    // The first byte picks verb, policy and time, two bits each: every body with every verb, and
    // policies and times in turn.
    let choice = |i: usize, verb: u8| verb | (i as u8 % 16) << 2;
    let with_verbs = requests
        .iter()
        .enumerate()
        .flat_map(|(i, body)| (0..3).map(move |verb| (choice(i, verb), body)));
    write(&folder.join("request"), with_verbs)?;
    let documents = documents(now)?;
    write(&folder.join("documents"), documents.iter().map(|(choice, text)| (*choice, text)))?;
    Ok(())
}

fn write<'a>(folder: &Path, seeds: impl Iterator<Item = (u8, &'a String)>) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (i, (choice, text)) in seeds.enumerate() {
        let mut seed = vec![choice];
        seed.extend_from_slice(text.as_bytes());
        std::fs::write(folder.join(format!("seed-{i:04}")), seed)?;
    }
    Ok(())
}

fn requests(now: Time) -> Vec<String> {
    let pods = [
        Value::Null,
        json!({}),
        pod(json!({})),
        pod(json!({"carbon-kube.io/max-delay": "6h", "carbon-kube.io/expected-duration": "45m"})),
        pod(json!({"carbon-kube.io/mode": "observe", "carbon-kube.io/interruptible": "true"})),
        pod(json!({"carbon-kube.io/mode": "off"})),
        pod(json!({"carbon-kube.io/max-delay": "soon"})),
        pod(json!({
            "carbon-kube.io/deadline": "-009999-01-02T02:00:00Z",
            "carbon-kube.io/expected-duration": "88888d",
        })),
        pod(json!({
            "carbon-kube.io/deadline": "9999-12-30T22:00:00Z",
            "carbon-kube.io/expected-duration": "0s",
            "carbon-kube.io/max-delay": "88888d",
        })),
    ];
    let whole = |name: &str, label: &str, value: &str| {
        json!({
            "metadata": {"name": name, "labels": {label: value}},
            "status": {"allocatable": {"cpu": "3920m"}},
        })
    };
    let nodes = json!({"items": [
        whole("node-0000", "a", "b"),
        whole("new-1", "carbon-kube.io/grid-zone", "US-MIDA-PJM"),
        whole("new-2", "topology.kubernetes.io/region", "eu-north-1"),
        whole("new-2", "carbon-kube.io/grid-zone", "no zone"),
        {"metadata": {"name": 7}}, 7, null,
    ]});
    let victims = json!({
        "node-0000": {"Pods": [{"metadata": {"uid": "u-2"}}], "NumPDBViolations": 1},
        "node-0002": {"Pods": null},
        "nowhere": {},
    });
    let meta_victims = json!({
        "node-0001": {"Pods": [{"UID": "u-3"}], "NumPDBViolations": 0},
        "node-0002": {"Pods": [{"UID": "u-4"}, {}]},
    });
    let offers = [
        json!({"Nodes": null, "NodeNames": ["node-0000", "node-0001", "node-0002", "node-0003"]}),
        json!({"NodeNames": ["node-0002", "nowhere", "", "node-0002", "gr\u{fc}n\u{0}\""]}),
        json!({"Nodes": nodes, "NodeNames": null}),
        json!({"Nodes": {"items": null}}),
        json!({"NodeNameToVictims": victims, "NodeNameToMetaVictims": null}),
        json!({"NodeNameToVictims": null, "NodeNameToMetaVictims": meta_victims}),
    ];
    let mut bodies = Vec::new();
    for (i, offer) in offers.iter().enumerate() {
        for pod in &pods {
            let mut body = offer.clone();
            body[if i == 1 { "pod" } else { "Pod" }] = pod.clone();
            bodies.push(body.to_string());
        }
    }
    for (form, count) in [(Form::Names, 40), (Form::Full, 1)] {
        let mut body = Vec::new();
        Requests::new(count, form, now).body(1, &mut body);
        bodies.push(String::from_utf8_lossy(&body).into_owned());
    }
    bodies
}

fn pod(annotations: Value) -> Value {
    json!({
        "metadata": {
            "name": "p", "namespace": "team-a", "uid": "u-1",
            "creationTimestamp": "2026-06-01T11:00:00Z", "annotations": annotations,
        },
        "spec": {
            "containers": [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}],
            "initContainers": [{"resources": {"requests": {"cpu": "2"}}}],
        },
    })
}

fn documents(now: Time) -> Result<Vec<(u8, String)>, Box<dyn std::error::Error>> {
    let mut seeds = Vec::new();
    for (name, text) in cluster::state(1, "percentile", now) {
        match name {
            "intensity.json" => {
                let forecast = format!(
                    r#""forecast":[{{"t":"{now}","v":90,"low":80,"high":95}},{{"t":"2026-06-01T13:00:00Z","v":40}}],"forecastSource":"x","unit""#
                );
                seeds.push((0, text.replace("\"unit\"", &forecast)));
                seeds.push((0, text));
            }
            "threshold.json" => seeds.push((1, text)),
            "policy.yaml" => seeds.push((2, text)),
            _ => {}
        }
    }
    for settings in Settings::all() {
        let tagged = serde_json::to_value(&settings)?;
        let settings_of = tagged.get(settings.name()).cloned().unwrap_or_default();
        let yaml = format!(
            "version: 1\nname: {name}-v1\nkind: {name}\nsettings: {settings_of}\n\
             bounds: {{minGramsPerKwh: 50, maxGramsPerKwh: 600}}\nfallback: default-scheduler\n\
             provenance: {{scenario: year, seeds: [1, 2], validation: {{grams: 1.5}}}}\n",
            name = settings.name(),
        );
        seeds.push((2, yaml));
    }
    seeds.push((3, serde_saphyr::to_string(&Config::default())?));
    for text in [
        "# nothing\n",
        "source: {folder: state}\nserver: {threads: 1, listen: '127.0.0.1:1', drain: 1s}\n",
        "grid: {maxAge: 3h, regions: {moon-1: EU-DE}, minConfidence: 0.5}\n",
        "power: {pue: 1.5, classes: [{labels: {rack: a}, idleWatts: 100, busyWatts: 300}]}\n",
        "decisions: {holding: gate, retryInterval: 10s, defaultMode: observe}\nmemory: {pods: 0}\n",
    ] {
        seeds.push((3, text.to_owned()));
    }
    Ok(seeds)
}
