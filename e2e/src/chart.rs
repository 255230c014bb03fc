//! The Helm chart under test: rendering, variants, and schemas for what comes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::tools::{self, Tool};

/// Release and namespace of the tests.
pub const RELEASE: &str = "carbon-kube";

/// The chart's folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/carbon-kube")
}

/// `ci/*-values.yaml`: name of the variant and path of its values.
///
/// # Errors
/// When the folder can't be read.
pub fn variants() -> Result<BTreeMap<String, PathBuf>> {
    let mut variants = BTreeMap::new();
    for entry in std::fs::read_dir(folder().join("ci")).context("the chart's variants")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(variant) = name.strip_suffix("-values.yaml") {
            variants.insert(variant.to_owned(), path);
        }
    }
    ensure!(!variants.is_empty(), "the chart has no variants");
    Ok(variants)
}

/// Names of the programs that `make images` builds an image of.
///
/// # Errors
/// When the Makefile doesn't say.
pub fn programs() -> Result<BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Makefile");
    let text = std::fs::read_to_string(path).context("the Makefile")?;
    let programs = text.lines().find_map(|line| line.strip_prefix("PROGRAMS ?= "));
    let programs = programs.context("the Makefile has no PROGRAMS")?;
    Ok(programs.split_whitespace().map(str::to_owned).collect())
}

/// Runs Helm with nothing of this machine's own configuration. `home` is a folder for its files.
///
/// # Errors
/// When it can't be started; that it failed is in its output.
pub fn helm(home: &Path, kubeconfig: Option<&Path>, arguments: &[&str]) -> Result<Output> {
    let mut helm = Command::new(tools::path(Tool::Helm)?);
    helm.args(arguments);
    helm.env("HELM_CACHE_HOME", home.join("helm")).env("HELM_CONFIG_HOME", home.join("helm"));
    helm.env("HELM_DATA_HOME", home.join("helm"));
    // A kubeconfig that is not there: no test may see somebody's cluster.
    helm.env("KUBECONFIG", kubeconfig.unwrap_or(&home.join("none")));
    // A proxy isn't meant for loopback.
    helm.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    helm.output().context("running helm")
}

/// Standard output of a program that has to succeed.
///
/// # Errors
/// When it failed, with what it said.
pub fn succeeded(output: Output) -> Result<String> {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).context("the output of a program")
}

/// What `helm template` makes of the chart with these files of values, hooks included.
///
/// # Errors
/// When Helm refuses, with its message.
pub fn render(home: &Path, values: &[&Path]) -> Result<Vec<Value>> {
    let chart = folder().display().to_string();
    let mut arguments = vec!["template", RELEASE, &chart, "--namespace", RELEASE];
    let paths: Vec<String> = values.iter().map(|path| path.display().to_string()).collect();
    for path in &paths {
        arguments.extend(["--values", path]);
    }
    objects(&succeeded(helm(home, None, &arguments)?)?)
}

/// The objects of a manifest of several documents.
///
/// # Errors
/// When it is no YAML.
pub fn objects(manifest: &str) -> Result<Vec<Value>> {
    let documents = serde_saphyr::from_multiple::<Value>(manifest).context("a manifest")?;
    Ok(documents.into_iter().filter(|object| !object.is_null()).collect())
}

/// The object of a kind and name.
///
/// # Errors
/// When there is none.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    let found =
        objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.with_context(|| format!("the chart renders no {kind} {name}"))
}

/// The pod templates of an object: none, or one.
pub fn pod_template(object: &Value) -> Option<Value> {
    let template = match object["kind"].as_str()? {
        "Pod" => json!({"metadata": object["metadata"], "spec": object["spec"]}),
        "Deployment" => object["spec"]["template"].clone(),
        "CronJob" => object["spec"]["jobTemplate"]["spec"]["template"].clone(),
        _ => return None,
    };
    Some(template)
}

/// Custom resources that the chart may use, as their projects publish them.
///
/// # Errors
/// When they can't be fetched.
pub fn custom_resources() -> Result<Vec<Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/crds");
    let paths = succeeded(Command::new(script).output().context("running tools/crds")?)?;
    let mut definitions = Vec::new();
    for path in paths.lines() {
        let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
        definitions.extend(objects(&text)?);
    }
    Ok(definitions)
}

/// Writes a JSON Schema per kind for kubeconform, from an API server's `/openapi/v2`. Returns how
/// many there are.
///
/// # Errors
/// When the document is none, or a file can't be written.
pub fn write_schemas(open_api: &Value, folder: &Path) -> Result<usize> {
    std::fs::create_dir_all(folder)?;
    let definitions = open_api["definitions"].as_object().context("no definitions")?;
    let strict: BTreeMap<&String, Value> =
        definitions.iter().map(|(name, schema)| (name, strict(name, schema))).collect();
    let mut written = 0;
    for (name, schema) in definitions {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        for kind in kinds.into_iter().flatten() {
            let word = |key: &str| kind[key].as_str().unwrap_or_default();
            let group = word("group").split('.').next().filter(|group| !group.is_empty());
            let group = group.map(|group| format!("{group}-")).unwrap_or_default();
            let file = format!("{}-{group}{}.json", word("kind").to_lowercase(), word("version"));
            let mut needed = BTreeSet::new();
            references(&strict[name], &strict, &mut needed);
            let mut schema = strict[name].clone();
            schema["definitions"] = needed
                .iter()
                .map(|name| (name.clone(), strict[name].clone()))
                .collect::<Map<_, _>>()
                .into();
            std::fs::write(folder.join(file), schema.to_string())?;
            written += 1;
        }
    }
    Ok(written)
}

/// A definition that refuses unknown fields and takes what the API server takes.
fn strict(name: &str, schema: &Value) -> Value {
    if name.ends_with("api.resource.Quantity") {
        return json!({"type": ["string", "number"]});
    }
    refuse_unknown(schema)
}

fn refuse_unknown(schema: &Value) -> Value {
    match schema {
        Value::Array(list) => list.iter().map(refuse_unknown).collect(),
        Value::Object(fields) if fields.get("format") == Some(&json!("int-or-string")) => {
            json!({"type": ["string", "integer"]})
        }
        Value::Object(fields) => {
            let mut strict: Map<String, Value> = fields
                .iter()
                .filter(|(key, value)| *key != "description" || !value.is_string())
                .map(|(key, value)| (key.clone(), refuse_unknown(value)))
                .collect();
            let keeps = fields.contains_key("x-kubernetes-preserve-unknown-fields");
            if fields.get("properties").is_some_and(Value::is_object) && !keeps {
                strict.entry("additionalProperties").or_insert(false.into());
            }
            strict.into()
        }
        other => other.clone(),
    }
}

fn references(schema: &Value, all: &BTreeMap<&String, Value>, found: &mut BTreeSet<String>) {
    match schema {
        Value::Array(list) => list.iter().for_each(|item| references(item, all, found)),
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str);
            if let Some((_, name)) = name.and_then(|path| path.rsplit_once('/'))
                && found.insert(name.to_owned())
                && let Some(schema) = all.get(&name.to_owned())
            {
                references(schema, all, found);
            }
            fields.values().for_each(|value| references(value, all, found));
        }
        _ => {}
    }
}
