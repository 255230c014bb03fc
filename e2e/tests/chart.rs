//! The Helm chart: its values, what it renders, and what a real API server makes of that.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use carbon_kube_e2e::apply::apply;
use carbon_kube_e2e::chart::{self, RELEASE, find, helm, objects, render, succeeded};
use carbon_kube_e2e::cluster::{self, Cluster, ClusterOptions, Need};
use carbon_kube_e2e::extender::binary;
use carbon_kube_e2e::monitoring;
use carbon_kube_e2e::nodes::{self, FakeNode};
use carbon_kube_e2e::pki::User;
use carbon_kube_e2e::process::{Process, Program, free_port};
use carbon_kube_e2e::tools::{self, Tool};
use carbon_kube_e2e::wait;
use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, DynamicObject, GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{GroupVersionKind, Request};
use kube::discovery::{Discovery, Scope, pinned_kind, verbs};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;

/// For what takes a second or two on an idle machine.
const SOON: Duration = Duration::from_secs(60);

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Whether a tool of these tests can't be had here; if so, says it.
fn skips(test: &str) -> bool {
    let tools = [Tool::Helm, Tool::HelmDocs, Tool::Kubeconform];
    let missing = tools.into_iter().find(|tool| !tools::is_available(*tool));
    if let Some(tool) = missing {
        tools::skip(test, &format!("KUBEBUILDER_ASSETS has no {}", tool.name()));
    }
    missing.is_some()
}

#[test]
fn every_variant_lints_and_renders_pods_of_the_restricted_profile() {
    if skips("every_variant_lints_and_renders_pods_of_the_restricted_profile") {
        return;
    }
    let home = home();
    let chart = chart::folder().display().to_string();
    for (name, values) in chart::variants().unwrap() {
        let path = values.display().to_string();
        let lint = ["lint", "--strict", &chart, "--values", &path];
        succeeded(helm(home.path(), None, &lint).unwrap()).unwrap();
        for object in render(home.path(), &[&values]).unwrap() {
            let what = format!("{name}: {} {}", object["kind"], object["metadata"]["name"]);
            assert!(no_wildcard(&object), "{what}");
            if let Some(template) = chart::pod_template(&object) {
                assert_restricted(&what, &template["spec"]);
            }
        }
    }
}

#[test]
fn the_scheduler_restarts_with_another_authority_and_one_rendering_has_one() {
    if skips("the_scheduler_restarts_with_another_authority_and_one_rendering_has_one") {
        return;
    }
    let home = home();
    let checksum = |objects: &[Value]| {
        let scheduler = find(objects, "Deployment", "carbon-kube-scheduler").unwrap();
        let notes = &scheduler["spec"]["template"]["metadata"]["annotations"];
        notes["checksum/authority"].as_str().unwrap().to_owned()
    };
    let rendered = |values: &str| {
        let path = write(home.path(), "values.yaml", values);
        render(home.path(), &[&path]).unwrap()
    };
    let sha256 = |text: &str| {
        let path = write(home.path(), "text", text);
        let said = succeeded(Command::new("sha256sum").arg(path).output().unwrap()).unwrap();
        said.split_whitespace().next().unwrap().to_owned()
    };
    let objects = rendered("{}");
    let secret = find(&objects, "Secret", "carbon-kube-extender-tls").unwrap();
    let text = format!("self-generated {}", secret["data"]["ca.crt"].as_str().unwrap());
    assert_eq!(checksum(&objects), sha256(&text));
    for mode in ["cert-manager", "none"] {
        let objects = rendered(&format!("tls: {{mode: {mode}}}"));
        assert_eq!(checksum(&objects), sha256(&format!("{mode} ")));
    }
}

#[test]
fn every_image_of_the_project_that_the_chart_names_is_built() {
    if skips("every_image_of_the_project_that_the_chart_names_is_built") {
        return;
    }
    let programs = chart::programs().unwrap();
    let home = home();
    let mut named = BTreeSet::new();
    for values in chart::variants().unwrap().values() {
        let objects = render(home.path(), &[values]).unwrap();
        for template in objects.iter().filter_map(chart::pod_template) {
            for container in template["spec"]["containers"].as_array().unwrap() {
                let image = container["image"].as_str().unwrap();
                if let Some(image) = image.strip_prefix("ghcr.io/carbon-kube/") {
                    named.insert(image.split([':', '@']).next().unwrap().to_owned());
                }
            }
        }
    }
    assert!(named.len() >= 2, "{named:?}");
    assert!(named.is_subset(&programs), "{named:?} of {programs:?}");
}

/// No rule of a role has a `*`.
fn no_wildcard(object: &Value) -> bool {
    let kind = object["kind"].as_str().unwrap_or_default();
    !kind.ends_with("Role") || !object["rules"].to_string().contains('*')
}

/// More than the restricted profile asks for: no writable root either, and bounded memory.
fn assert_restricted(what: &str, spec: &Value) {
    let pod = &spec["securityContext"];
    assert_eq!(pod["runAsNonRoot"], true, "{what}");
    assert_eq!(pod["seccompProfile"]["type"], "RuntimeDefault", "{what}");
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(spec[key].is_null(), "{what}: {key}");
    }
    for container in spec["containers"].as_array().unwrap() {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{what}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{what}");
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{what}");
        let resources = &container["resources"];
        assert!(resources["requests"]["cpu"].is_string(), "{what}");
        assert!(resources["limits"]["memory"].is_string(), "{what}");
    }
}

/// Values that are wrong, and a part of the message that says so.
const WRONG: [(&str, &str); 35] = [
    ("extenders: {}", "additional properties 'extenders' not allowed"),
    ("extender: {replica: 3}", "at '/extender': additional properties 'replica' not allowed"),
    ("extender: {replicas: 0}", "at '/extender/replicas': minimum: got 0, want 1"),
    ("extender: {replicas: two}", "at '/extender/replicas': got string, want integer"),
    ("extender: {image: {digest: 'sha256:abc'}}", "at '/extender/image/digest': 'sha256:abc'"),
    ("extender: {resources: {request: {cpu: 1}}}", "additional properties 'request' not allowed"),
    ("extender: {resources: {limits: {memory: 1 GB}}}", "at '/extender/resources/limits/memory'"),
    ("extender: {extraEnv: [{nam: A}]}", "at '/extender/extraEnv/0'"),
    (
        "extender: {config: {grid: {maxAges: 2h}}}",
        "at '/extender/config/grid': additional properties 'maxAges' not allowed",
    ),
    ("extender: {config: {source: {folder: x}}}", "additional properties 'source' not allowed"),
    (
        "extender: {config: {server: {listen: '0.0.0.0:1'}}}",
        "additional properties 'listen' not allowed",
    ),
    ("extender: {config: {power: {pue: 0.5}}}", "at '/extender/config/power/pue': minimum"),
    (
        "extender: {autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 2}}",
        "extender.autoscaling: minReplicas 5 is more than maxReplicas 2",
    ),
    ("scheduler: {mode: third}", "value must be one of 'second', 'extender-only', 'none'"),
    ("scheduler: {name: default-scheduler}", "at '/scheduler/name'"),
    ("scheduler: {name: Carbon_Kube}", "at '/scheduler/name': 'Carbon_Kube' does not match"),
    ("scheduler: {extender: {weight: 0}}", "at '/scheduler/extender/weight': minimum"),
    ("scheduler: {extender: {httpTimeout: 300}}", "got number, want string"),
    ("scheduler: {percentageOfNodesToScore: 120}", "maximum: got 120, want 100"),
    ("scheduler: {extraArgs: [v=2]}", "at '/scheduler/extraArgs/0'"),
    ("tuner: {config: {promotion: {mode: maybe}}}", "at '/tuner/config/promotion/mode'"),
    ("tuner: {config: {output: stdout}}", "additional properties 'output' not allowed"),
    ("tls: {mode: existing}", "tls.mode is `existing`, and tls.existingSecret names no Secret"),
    ("tls: {existingSecret: mine}", "set it to `existing`, or leave the Secret out"),
    ("poller: {mode: daemonset}", "value must be one of 'deployment', 'cronjob', 'none'"),
    ("poller: {schedule: every five minutes}", "at '/poller/schedule'"),
    (
        "poller: {config: {grid: {}}}",
        "at '/poller/config': additional properties 'grid' not allowed",
    ),
    (
        "poller: {config: {tune: {mode: maybe}}}",
        "at '/poller/config/tune/mode': value must be one of 'off', 'observe', 'enforce'",
    ),
    (
        "credentials: {existingSecret: a, inline: {KEY: b}}",
        "choose one of existingSecret, inline and externalSecret",
    ),
    ("credentials: {inline: {electricity-maps: x}}", "properties 'electricity-maps' not allowed"),
    (
        "credentials: {externalSecret: {enabled: true}}",
        "credentials.externalSecret.secretStoreRef.name: name the store",
    ),
    (
        "policy: {library: sac-v9}",
        "policy.library: there is no `sac-v9`; the library has percentile-v1, plan-v1, sac-v1",
    ),
    ("policy: {yaml: 'a: 1'}", "policy.yaml: it has no name and kind"),
    ("networkPolicy: {extenderPeers: [10.0.0.0/8]}", "at '/networkPolicy/extenderPeers/0'"),
    (
        "prometheusRule: {enabled: true, disabledAlerts: [CarbonKubeTypo]}",
        "prometheusRule.disabledAlerts: there is no alert `CarbonKubeTypo`",
    ),
];

#[test]
fn wrong_values_are_refused_and_the_message_says_where() {
    if skips("wrong_values_are_refused_and_the_message_says_where") {
        return;
    }
    let home = home();
    for (values, expected) in WRONG {
        let path = write(home.path(), "values.yaml", values);
        let error = render(home.path(), &[&path]).expect_err(values);
        let message = format!("{error:#}");
        assert!(message.contains(expected), "{values}: {message}");
    }
}

#[test]
fn the_readme_is_made_from_the_values() {
    if skips("the_readme_is_made_from_the_values") {
        return;
    }
    let output = Command::new(tools::path(Tool::HelmDocs).unwrap())
        .args(["--dry-run", "--chart-search-root"])
        .arg(chart::folder())
        .output()
        .unwrap();
    let made = succeeded(output).unwrap();
    let readme = fs::read_to_string(chart::folder().join("README.md")).unwrap();
    assert_eq!(readme.trim(), made.trim(), "README.md is old: `make chart`");
}

#[test]
fn every_value_is_described() {
    let readme = fs::read_to_string(chart::folder().join("README.md")).unwrap();
    let rows =
        readme.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 3);
    let mut described = 0;
    for row in rows {
        let text = row.trim_end_matches('|').trim_end().rsplit(" | ").next().unwrap();
        assert!(text.len() > 2, "{row}");
        described += 1;
    }
    assert!(described > 100, "{described}");
}

#[test]
fn the_extender_reads_the_configuration_that_the_chart_writes() {
    if skips("the_extender_reads_the_configuration_that_the_chart_writes") {
        return;
    }
    let home = home();
    let mut read = 0;
    for (name, values) in chart::variants().unwrap() {
        let objects = render(home.path(), &[&values]).unwrap();
        let Ok(map) = find(&objects, "ConfigMap", "carbon-kube-extender") else { continue };
        let text = map["data"]["extender.yaml"].as_str().unwrap();
        let path = write(home.path(), &format!("{name}.yaml"), text);
        let mut extender = Command::new(binary("carbon-kube-extender").unwrap());
        let output = extender.arg("--config").arg(path).arg("--check").output().unwrap();
        succeeded(output).unwrap();
        read += 1;
    }
    assert!(read >= 7, "{read}");
}

#[test]
fn the_tuner_reads_the_configuration_that_the_chart_writes() {
    if skips("the_tuner_reads_the_configuration_that_the_chart_writes") {
        return;
    }
    let home = home();
    let mut read = 0;
    for (name, values) in chart::variants().unwrap() {
        let objects = render(home.path(), &[&values]).unwrap();
        let Ok(map) = find(&objects, "ConfigMap", "carbon-kube-tuner") else { continue };
        let path = write(
            home.path(),
            &format!("{name}.yaml"),
            map["data"]["tuner.yaml"].as_str().unwrap(),
        );
        let mut tuner = Command::new(binary("carbon-kube-tuner").unwrap());
        let output = tuner.arg("--config").arg(path).arg("--check").output().unwrap();
        let effective = succeeded(output).unwrap();
        assert!(effective.contains("output: cluster"), "{effective}");
        read += 1;
    }
    assert!(read >= 2, "{read}");
}

#[test]
fn the_rights_of_the_tuner_are_those_that_its_tests_run_with() {
    if skips("the_rights_of_the_tuner_are_those_that_its_tests_run_with") {
        return;
    }
    let home = home();
    let shipped = objects(include_str!("../../services/tuner/rbac.yaml")).unwrap();
    let shipped = &find(&shipped, "Role", "carbon-kube-tuner").unwrap()["rules"];
    let rendered = |mode: &str| {
        let values = format!("tuner: {{enabled: true, config: {{promotion: {{mode: {mode}}}}}}}");
        let path = write(home.path(), "values.yaml", &values);
        let objects = render(home.path(), &[&path]).unwrap();
        find(&objects, "Role", "carbon-kube-tuner").unwrap()["rules"].clone()
    };
    assert_eq!(&rendered("promote"), shipped);
    // Who only recommends can't write a policy.
    let fewer = rendered("recommend");
    assert_eq!(fewer.as_array().unwrap()[..], shipped.as_array().unwrap()[..2]);
}

#[test]
fn the_rights_of_the_extender_are_those_that_its_tests_run_with() {
    if skips("the_rights_of_the_extender_are_those_that_its_tests_run_with") {
        return;
    }
    let home = home();
    let rules = |objects: &[Value], kind: &str| -> Vec<Value> {
        let of_extender = |object: &&Value| {
            object["kind"] == kind
                && object["metadata"]["name"].as_str().unwrap().ends_with("extender")
        };
        objects.iter().filter(of_extender).map(|role| role["rules"].clone()).collect()
    };
    let chart = render(home.path(), &[]).unwrap();
    let shipped = objects(include_str!("../../services/extender/rbac.yaml")).unwrap();
    for kind in ["ClusterRole", "Role"] {
        assert_eq!(rules(&chart, kind), rules(&shipped, kind), "{kind}");
    }
}

#[test]
fn the_rules_of_the_chart_are_those_of_its_files_for_what_is_installed() {
    if skips("the_rules_of_the_chart_are_those_of_its_files_for_what_is_installed") {
        return;
    }
    let home = home();
    let rendered = |values: &str| -> BTreeMap<String, Value> {
        let path = write(home.path(), "values.yaml", values);
        let objects = render(home.path(), &[&path]).unwrap();
        let groups = find(&objects, "PrometheusRule", RELEASE).unwrap()["spec"]["groups"].clone();
        let rules =
            groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
        let name =
            |rule: &Value| rule["alert"].as_str().or(rule["record"].as_str()).unwrap().to_owned();
        rules.map(|rule| (name(rule), rule.clone())).collect()
    };
    let files: BTreeMap<String, Value> =
        monitoring::rules().unwrap().into_iter().map(|rule| (rule.name, rule.rule)).collect();
    let all =
        rendered("{prometheusRule: {enabled: true, highIntensity: true}, tuner: {enabled: true}}");
    assert_eq!(all, files);

    let fewer = rendered(
        "{scheduler: {mode: extender-only}, poller: {mode: cronjob}, prometheusRule: \
         {enabled: true, disabledAlerts: [CarbonKubeExtenderSlow], runbookUrl: 'https://wiki.example/x'}}",
    );
    let left_out: Vec<&str> =
        files.keys().map(String::as_str).filter(|name| !fewer.contains_key(*name)).collect();
    let expected = [
        "CarbonKubeCircuitOpen",
        "CarbonKubeExtenderNotAsked",
        "CarbonKubeExtenderSlow",
        "CarbonKubeHighIntensity",
        "CarbonKubePolicyWorseThanRule",
        "CarbonKubePollerDown",
        "CarbonKubePollerNotWriting",
        "CarbonKubeSchedulerDown",
        "CarbonKubeSourceFailing",
        "CarbonKubeSourceQuotaSpent",
        "CarbonKubeTunerFailing",
    ];
    assert_eq!(left_out, expected);
    let url = &fewer["CarbonKubeExtenderDown"]["annotations"]["runbook_url"];
    assert_eq!(url, "https://wiki.example/x/CarbonKubeExtenderDown");
}

/// A cluster that knows the custom resources, and a namespace of the restricted profile.
async fn cluster(controller_manager: bool) -> Cluster {
    let options = ClusterOptions { controller_manager, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let client = cluster.client();
    apply(&client, chart::custom_resources().unwrap()).await.unwrap();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": RELEASE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": RELEASE},
    });
    apply(&client, [namespace, account]).await.unwrap();
    for api in ["monitoring.coreos.com", "cert-manager.io", "external-secrets.io"] {
        let served = async || {
            let groups = client.list_api_groups().await?;
            Ok(groups.groups.iter().any(|group| group.name == api).then_some(()))
        };
        wait::until(&format!("{api} is served"), SOON, served).await.unwrap();
    }
    cluster
}

fn lacks_cluster(test: &str) -> bool {
    skips(test) || cluster::skips(test, &[Need::OwnApiServer])
}

/// What the API server says to an object that it is not to keep.
async fn dry_run(client: &Client, object: &Value) -> kube::Result<()> {
    let mut object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let kind = GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
    let (resource, capabilities) = pinned_kind(client, &kind).await?;
    let api: Api<DynamicObject> = if capabilities.scope == Scope::Namespaced {
        let namespace = object.metadata.namespace.get_or_insert_with(|| RELEASE.to_owned()).clone();
        Api::namespaced_with(client.clone(), &namespace, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    };
    let params = PatchParams::apply("chart").force().dry_run().validation_strict();
    api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_takes_every_object_of_every_variant() {
    if lacks_cluster("an_api_server_takes_every_object_of_every_variant") {
        return;
    }
    let cluster = cluster(false).await;
    let client = cluster.client();
    let folder = cluster.folder();
    let request = Request::new("").get("openapi/v2", &GetParams::default()).unwrap();
    let described = async || {
        let text = client.request_text(request.clone()).await?;
        // Custom resources come into the description some moments after they are served.
        Ok(text.contains("io.external-secrets.v1.ExternalSecret").then_some(text))
    };
    let text = wait::until("the custom resources are described", SOON, described).await.unwrap();
    let schemas = folder.join("schemas");
    let written = chart::write_schemas(&serde_json::from_str(&text).unwrap(), &schemas).unwrap();
    assert!(written > 200, "{written} schemas");

    let mut taken = 0;
    for (name, values) in chart::variants().unwrap() {
        let objects = render(folder, &[&values]).unwrap();
        kubeconform(&name, folder, &schemas, &objects);
        for object in &objects {
            let what = format!("{name}: {} {}", object["kind"], object["metadata"]["name"]);
            dry_run(&client, object).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            if let Some(template) = chart::pod_template(object) {
                let pod = as_pod(&template);
                dry_run(&client, &pod).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            taken += 1;
        }
    }
    // The checks can fail: an unknown field, and a pod that is not of the restricted profile.
    let unknown =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dat": {}});
    let refused = dry_run(&client, &unknown).await.unwrap_err().to_string();
    assert!(refused.contains("dat"), "{refused}");
    let root = json!({"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let refused = dry_run(&client, &as_pod(&root)).await.unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
    eprintln!("{taken} objects, {written} schemas");
}

/// The pod of a template, of no account of its own: accounts are not there in a dry run.
fn as_pod(template: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "of-a-template", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    });
    pod["spec"].as_object_mut().unwrap().remove("serviceAccountName");
    pod
}

fn kubeconform(variant: &str, folder: &Path, schemas: &Path, objects: &[Value]) {
    let manifest: Vec<String> = objects.iter().map(|object| format!("---\n{object}\n")).collect();
    let file = write(folder, &format!("{variant}.manifest.yaml"), &manifest.concat());
    let output = Command::new(tools::path(Tool::Kubeconform).unwrap())
        .args(["-strict", "-summary", "-schema-location"])
        .arg(format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display()))
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{variant}: {said}");
    assert!(said.contains("Skipped: 0"), "{variant}: {said}");
}

/// Every object of the cluster, as kind, namespace and name; but Events, which go by themselves.
async fn everything(client: &Client) -> anyhow::Result<BTreeSet<String>> {
    let discovery = Discovery::new(client.clone()).run().await?;
    let mut found = BTreeSet::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if resource.kind == "Event" || !capabilities.supports_operation(verbs::LIST) {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            for object in api.list(&ListParams::default()).await? {
                let namespace = object.namespace().unwrap_or_default();
                found.insert(format!("{} {namespace}/{}", resource.kind, object.name_any()));
            }
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_comes_changes_goes_back_and_leaves_nothing() {
    let name = "a_release_comes_changes_goes_back_and_leaves_nothing";
    if lacks_cluster(name) || cluster::skips(name, &[Need::ControllerManager]) {
        return;
    }
    let cluster = cluster(true).await;
    let client = cluster.client();
    let settled = async || {
        let found = everything(&client).await?;
        let root = format!("ConfigMap {RELEASE}/kube-root-ca.crt");
        Ok(found.contains(&root).then_some(found))
    };
    let before = wait::until("the namespace is furnished", SOON, settled).await.unwrap();
    let run = |arguments: &[&str]| {
        let output = helm(cluster.folder(), Some(cluster.admin_kubeconfig()), arguments).unwrap();
        succeeded(output).unwrap()
    };
    let chart = chart::folder().display().to_string();
    let upgrade = |settings: &[&str]| {
        let mut arguments = vec!["upgrade", RELEASE, &chart, "--namespace", RELEASE, "--install"];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        run(&arguments)
    };
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), RELEASE);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), RELEASE);
    let policy = async || {
        let map = maps.get("carbon-kube-policy").await.unwrap();
        map.data.unwrap()["policy.yaml"].lines().nth(1).unwrap().to_owned()
    };

    let notes = upgrade(&[]);
    assert!(notes.contains("kubectl label namespace batch carbon-kube.io/mode=observe"), "{notes}");
    let certificate = secrets.get("carbon-kube-extender-tls").await.unwrap().data.unwrap();
    let added: Vec<String> =
        everything(&client).await.unwrap().difference(&before).cloned().collect();
    assert!(added.len() > 30, "{added:?}");

    // Poller and tuner (or whoever promotes a policy) do their work.
    let written = |name: &str, data: Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": RELEASE}, "data": data})
    };
    let promoted = "version: 1\nname: promoted\nkind: threshold\nsettings: {gramsPerKwh: 200}\n";
    let mut map = written("carbon-kube-policy", json!({"policy.yaml": promoted}));
    map["metadata"]["annotations"] = json!({"carbon-kube.io/policy-sha256": "of-the-promoted"});
    let intensity = written("carbon-kube-intensity", json!({"intensity.json": "{}"}));
    apply(&client, [map, intensity]).await.unwrap();

    // An upgrade changes what was asked for, and nothing of theirs.
    upgrade(&["extender.replicas=3", "serviceMonitor.enabled=true"]);
    assert_eq!(secrets.get("carbon-kube-extender-tls").await.unwrap().data.unwrap(), certificate);
    assert_eq!(policy().await, "name: promoted");
    let map = maps.get("carbon-kube-intensity").await.unwrap();
    assert_eq!(map.data.unwrap()["intensity.json"], "{}");

    // Nothing of theirs goes when the chart stops to fill it.
    upgrade(&["policy.create=false", "poller.mode=none"]);
    assert_eq!(policy().await, "name: promoted");
    let map = maps.get("carbon-kube-policy").await.unwrap();
    assert_eq!(map.annotations()["carbon-kube.io/policy-sha256"], "of-the-promoted");
    let map = maps.get("carbon-kube-intensity").await.unwrap();
    assert_eq!(map.data.unwrap()["intensity.json"], "{}");

    // Another choice is another policy.
    let chosen = "policy.yaml=version: 1\nname: chosen\nkind: threshold\n";
    upgrade(&[chosen]);
    assert_eq!(policy().await, "name: chosen");

    run(&["rollback", RELEASE, "1", "--namespace", RELEASE]);
    assert_eq!(policy().await, "name: percentile-v1");
    assert_eq!(secrets.get("carbon-kube-extender-tls").await.unwrap().data.unwrap(), certificate);

    // Every component can be turned off, and everything on.
    upgrade(&["scheduler.mode=none", "poller.mode=cronjob", "tls.mode=none"]);
    let all = chart::variants().unwrap()["everything"].display().to_string();
    run(&["upgrade", RELEASE, &chart, "--namespace", RELEASE, "--values", &all]);

    run(&["uninstall", RELEASE, "--namespace", RELEASE]);
    // The garbage collector takes pods and replica sets in its own time.
    let gone = async || {
        let left: Vec<String> = everything(&client).await?.difference(&before).cloned().collect();
        anyhow::ensure!(left.is_empty(), "{left:?}");
        Ok(Some(()))
    };
    wait::until("nothing is left", SOON, gone).await.unwrap();
}

/// Resources beside those that can be listed.
const SUBRESOURCES: [&str; 8] = [
    "pods/binding",
    "pods/exec",
    "pods/eviction",
    "pods/status",
    "pods/log",
    "nodes/proxy",
    "nodes/status",
    "serviceaccounts/token",
];

const VERBS: [&str; 8] =
    ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// Names that rights may be limited to.
const NAMES: [&str; 9] = [
    "",
    "carbon-kube-intensity",
    "carbon-kube-threshold",
    "carbon-kube-policy",
    "carbon-kube-forecast",
    "carbon-kube-status",
    "carbon-kube-poller",
    "carbon-kube-scheduler",
    "carbon-kube-extender",
];

/// A question to the authorizer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Act {
    verb: &'static str,
    group: String,
    resource: String,
    namespace: &'static str,
    name: &'static str,
}

/// Everything that could be asked: each resource that the server has, each verb, in the release's
/// namespace, two others and all of them, with and without a name.
async fn acts(client: &Client) -> Vec<Act> {
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let mut resources: BTreeMap<(String, String), bool> = BTreeMap::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            let namespaced = capabilities.scope == Scope::Namespaced;
            resources.insert((resource.group, resource.plural), namespaced);
        }
    }
    for resource in SUBRESOURCES {
        resources.insert((String::new(), resource.to_owned()), !resource.starts_with("nodes"));
    }
    let mut acts = Vec::new();
    for ((group, resource), namespaced) in resources {
        let namespaces: &[&str] =
            if namespaced { &[RELEASE, "default", "kube-system", ""] } else { &[""] };
        let named = ["configmaps", "leases", "secrets"].contains(&resource.as_str());
        let names = if named { &NAMES[..] } else { &NAMES[..1] };
        for namespace in namespaces {
            for name in names {
                for verb in VERBS {
                    let (group, resource) = (group.clone(), resource.clone());
                    acts.push(Act { verb, group, resource, namespace, name });
                }
            }
        }
    }
    acts
}

/// What a user may do, of these.
async fn allowed(client: &Client, user: &User, acts: &[Act]) -> BTreeSet<Act> {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let ask = |act: Act| {
        let reviews = reviews.clone();
        async move {
            let review = serde_json::from_value(json!({"spec": {
                "user": user.name, "groups": user.groups,
                "resourceAttributes": {"verb": act.verb, "group": act.group,
                    "resource": act.resource.split('/').next(),
                    "subresource": act.resource.split('/').nth(1).unwrap_or_default(),
                    "namespace": act.namespace, "name": act.name},
            }}));
            let review = reviews.create(&PostParams::default(), &review.unwrap()).await.unwrap();
            review.status.unwrap().allowed.then_some(act)
        }
    };
    let answers = stream::iter(acts.to_vec()).map(ask).buffer_unordered(16);
    answers.filter_map(async |act| act).collect().await
}

/// The acts of a grant, in the release's namespace where the resource is in one.
fn grant(
    verbs: &[&'static str],
    (group, resource): (&str, &str),
    namespace: &'static str,
    names: &[&'static str],
) -> BTreeSet<Act> {
    let mut acts = BTreeSet::new();
    for verb in verbs {
        for name in names {
            let (group, resource) = (group.to_owned(), resource.to_owned());
            acts.insert(Act { verb, group, resource, namespace, name });
        }
    }
    acts
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_may_do_what_its_program_does_and_nothing_else() {
    if lacks_cluster("each_account_may_do_what_its_program_does_and_nothing_else") {
        return;
    }
    let cluster = cluster(false).await;
    let client = cluster.client();
    let chart = chart::folder().display().to_string();
    let tuner = "tuner.enabled=true";
    let install = ["install", RELEASE, &chart, "--namespace", RELEASE, "--set", tuner];
    let output = helm(cluster.folder(), Some(cluster.admin_kubeconfig()), &install).unwrap();
    succeeded(output).unwrap();

    let acts = acts(&client).await;
    let of = async |name: &str| {
        let user = User::service_account(RELEASE, name);
        allowed(&client, &user, &acts).await
    };
    // What everybody may who is known at all, such as asking what they may.
    let anybody = of("default").await;
    let may = async |component: &str| -> BTreeSet<Act> {
        let all = of(&format!("carbon-kube-{component}")).await;
        all.difference(&anybody).cloned().collect()
    };
    let (maps, leases) = (("", "configmaps"), ("coordination.k8s.io", "leases"));
    let read = ["get", "list", "watch"];

    let extender = [
        grant(&read, ("", "nodes"), "", &[""]),
        grant(&read, ("", "namespaces"), "", &[""]),
        grant(
            &read,
            maps,
            RELEASE,
            &[
                "carbon-kube-intensity",
                "carbon-kube-threshold",
                "carbon-kube-policy",
                "carbon-kube-status",
            ],
        ),
        grant(&["create"], ("", "events"), RELEASE, &[""]),
    ];
    assert_eq!(may("extender").await, extender.concat_all());

    let poller = [
        grant(
            &["get", "create", "patch"],
            maps,
            RELEASE,
            &["carbon-kube-intensity", "carbon-kube-threshold"],
        ),
        grant(&["get"], maps, RELEASE, &["carbon-kube-policy", "carbon-kube-forecast"]),
        grant(&["get", "update"], leases, RELEASE, &["carbon-kube-poller"]),
        grant(&["create"], leases, RELEASE, &NAMES),
    ];
    assert_eq!(may("poller").await, poller.concat_all());

    // It says what it would do, and can't do it.
    let tuner = [
        grant(&["get"], maps, RELEASE, &["carbon-kube-intensity", "carbon-kube-policy"]),
        grant(&["get", "create", "patch"], maps, RELEASE, &["carbon-kube-status"]),
    ];
    assert_eq!(may("tuner").await, tuner.concat_all());

    // The second scheduler may what Kubernetes grants its own, and its own lease.
    let own =
        allowed(&client, &User::new("system:kube-scheduler", ["system:authenticated"]), &acts)
            .await;
    let second = may("scheduler").await;
    let more: BTreeSet<Act> = second.difference(&own).cloned().collect();
    assert_eq!(more, grant(&["get", "update"], leases, RELEASE, &["carbon-kube-scheduler"]));
    eprintln!("{} questions per account", acts.len());
}

trait ConcatAll {
    fn concat_all(self) -> BTreeSet<Act>;
}

impl<const N: usize> ConcatAll for [BTreeSet<Act>; N] {
    fn concat_all(self) -> BTreeSet<Act> {
        self.into_iter().flatten().collect()
    }
}

/// Extender and second scheduler as the chart configures them, here on this machine.
struct Running {
    _extender: Process,
    scheduler: Process,
    /// Port of the extender's API.
    api: u16,
    /// Port of its metrics.
    probes: u16,
}

/// Starts both with the files that the chart makes, as the accounts that it makes. Paths and
/// addresses are those of this machine, the rest is the chart's.
fn start(cluster: &Cluster, rendered: &[Value]) -> Running {
    // The cluster's own authority is a file of the same name.
    let folder = &cluster.folder().join("release");
    fs::create_dir_all(folder).unwrap();
    let text = |kind: &str, name: &str, key: &str| {
        let object = find(rendered, kind, name).unwrap();
        object["data"][key].as_str().unwrap().to_owned()
    };
    for key in ["ca.crt", "tls.crt", "tls.key"] {
        let encoded = json!({"data": {key: text("Secret", "carbon-kube-extender-tls", key)}});
        let secret: Secret = serde_json::from_value(encoded).unwrap();
        fs::write(folder.join(key), &secret.data.unwrap()[key].0).unwrap();
    }
    let account = |name: &str| {
        let user = User::service_account(RELEASE, &format!("carbon-kube-{name}"));
        cluster.kubeconfig(&user).unwrap().display().to_string()
    };

    let (api, probes) = (free_port().unwrap(), free_port().unwrap());
    let config = text("ConfigMap", "carbon-kube-extender", "extender.yaml");
    let mut config: Value = serde_saphyr::from_str(&config).unwrap();
    config["server"]["listen"] = format!("127.0.0.1:{api}").into();
    config["server"]["tls"]["certificate"] = folder.join("tls.crt").display().to_string().into();
    config["server"]["tls"]["key"] = folder.join("tls.key").display().to_string().into();
    config["telemetry"]["listen"] = format!("127.0.0.1:{probes}").into();
    let path = write(folder, "extender.yaml", &config.to_string());
    let arguments = ["--config".to_owned(), path.display().to_string()];
    let mut program = Program::new("extender", binary("carbon-kube-extender").unwrap(), arguments);
    program.env.push(("KUBECONFIG".to_owned(), account("extender")));
    let extender = Process::start(program, folder).unwrap();

    let config = text("ConfigMap", "carbon-kube-scheduler", "scheduler.yaml");
    let mut config: Value = serde_saphyr::from_str(&config).unwrap();
    let host = format!("carbon-kube-extender.{RELEASE}.svc");
    let entry = &mut config["extenders"][0];
    assert_eq!(entry["urlPrefix"], format!("https://{host}:8443/v1"));
    entry["urlPrefix"] = format!("https://127.0.0.1:{api}/v1").into();
    // The certificate is for the service's name, and is checked against it.
    entry["tlsConfig"] = json!({"caFile": folder.join("ca.crt"), "serverName": host});
    entry["httpTimeout"] = "5s".into();
    config["clientConnection"] = json!({"kubeconfig": account("scheduler")});
    let path = write(folder, "second-scheduler.yaml", &config.to_string());
    let arguments = [
        format!("--config={}", path.display()),
        format!("--authentication-kubeconfig={}", account("scheduler")),
        format!("--authorization-kubeconfig={}", account("scheduler")),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", free_port().unwrap()),
    ];
    let path = tools::path(Tool::KubeScheduler).unwrap();
    let scheduler =
        Process::start(Program::new("second-scheduler", path, arguments), folder).unwrap();
    Running { _extender: extender, scheduler, api, probes }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_scheduler_asks_the_extender_as_the_chart_configures_them() {
    let name = "the_second_scheduler_asks_the_extender_as_the_chart_configures_them";
    if lacks_cluster(name) || cluster::skips(name, &[Need::OwnScheduler]) {
        return;
    }
    let cluster = cluster(false).await;
    let client = cluster.client();
    let chart = chart::folder().display().to_string();
    let install = ["install", RELEASE, &chart, "--namespace", RELEASE];
    let output = helm(cluster.folder(), Some(cluster.admin_kubeconfig()), &install).unwrap();
    succeeded(output).unwrap();
    // What the release has, the generated certificate included.
    let manifest = ["get", "manifest", RELEASE, "--namespace", RELEASE];
    let output = helm(cluster.folder(), Some(cluster.admin_kubeconfig()), &manifest).unwrap();
    let rendered = objects(&succeeded(output).unwrap()).unwrap();

    let zone = |node: FakeNode| node.with_label("carbon-kube.io/grid-zone", "US-CA");
    let nodes: Vec<FakeNode> = FakeNode::numbered(3).into_iter().map(zone).collect();
    nodes::create(&client, &nodes).await.unwrap();
    let mut running = start(&cluster, &rendered);

    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p", "annotations": {"carbon-kube.io/mode": "enforce"}},
        "spec": {"schedulerName": "carbon-kube", "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "none", "resources": {"requests": {"cpu": "1"}}}]},
    }))
    .unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let scheduler = &mut running.scheduler;
    let bound = async || {
        scheduler.expect_running()?;
        Ok(pods.get("p").await?.spec.and_then(|spec| spec.node_name))
    };
    wait::until("the pod is bound by the second scheduler", SOON, bound).await.unwrap();

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}/metrics", running.probes);
    let metrics = http.get(url).send().await.unwrap().text().await.unwrap();
    for verb in ["filter", "prioritize"] {
        let line = format!("carbonkube_extender_requests_total{{verb=\"{verb}\",result=\"ok\"}} 1");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    let policy = "carbonkube_policy_info{name=\"percentile-v1\"";
    assert!(metrics.contains(policy), "the chart's policy is in force: {metrics}");

    helm_test(&cluster, running.api);
}

/// What `helm test` runs in a pod, with the same words, here: only the service's name leads to this
/// machine.
fn helm_test(cluster: &Cluster, port: u16) {
    let folder = cluster.folder();
    let rendered = render(folder, &[]).unwrap();
    let pod = find(&rendered, "Pod", "carbon-kube-test").unwrap();
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    let container = &pod["spec"]["containers"][0];
    let words =
        |key: &str| -> Vec<String> { serde_json::from_value(container[key].clone()).unwrap() };
    let (command, arguments) = (words("command"), words("args"));
    write(folder, ".curlrc", &format!("connect-to = \"::127.0.0.1:{port}\"\n"));
    let mut shell = Command::new(&command[0]);
    shell.args(&command[1..]).args(arguments);
    shell.env("CURL_HOME", folder).env("NO_PROXY", "*").env("no_proxy", "*");
    for variable in container["env"].as_array().unwrap() {
        shell.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
    }
    shell.env("CA", folder.join("release/ca.crt"));
    let said = succeeded(shell.output().unwrap()).unwrap();
    assert!(said.contains("the extender decides"), "{said}");
}
