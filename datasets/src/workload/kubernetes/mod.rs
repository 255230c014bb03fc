//! Kubernetes objects as JSON, as `kubectl get nodes,pods,jobs,deployments,statefulsets -A -o json`
//! writes them: lists, single objects, and several documents in one file.
//!
//! ```text
//! Node                 --> a group of equal nodes
//! Pod that ended       --> a run of a job: created, length
//! Pod that runs        --> a replica of a service
//! Job that ended       --> its runs, where its pods are gone
//! Deployment,
//! StatefulSet          --> a service, with replicas and template
//! ```
//!
//! | of the pod | rule |
//! |---|---|
//! | arrival | `metadata.creationTimestamp` |
//! | length | from the start to the last end of a container; else `carbon-kube.io/expected-duration` |
//! | requests | as kube-scheduler adds them up; a pod that requests no CPU has 100m, and no memory 200Mi, which is what kube-scheduler counts when it scores |
//! | priority, selector, affinity, tolerations, annotations | as written; what is not simulated is left out and counted |
//!
//! Pods with the same owner and the same rules are one workload: those of a CronJob, whatever run
//! they belong to; those of a ReplicaSet, under the name of its Deployment. Pods of DaemonSets and
//! static pods come with their node, and are passed over.
//!
//! The same object may be in several dumps: the newest copy of it counts, and the older ones are told.
//! One object is in memory at a time, beside what is kept of those before. Answers of Prometheus with the
//! series of kube-state-metrics are objects, too: `series` makes them. `anonymous` takes the names away.

mod anonymous;
mod newest;
mod nodes;
mod objects;
mod pods;
mod requests;
mod series;
mod template;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use carbon_kube_core::{MilliCpu, Span, Time};
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use self::newest::{Kept, Newest, Reading};
use self::objects::Object;
use super::account::Account;
use crate::error::{ReadError, shorten};
use crate::table::{LastLine, Text};

pub use self::template::Rules;

/// Amounts of resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requests {
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Bytes.
    pub memory: u64,
    /// Whole GPUs.
    pub gpu: u32,
}

impl Requests {
    /// The CPU as a quantity.
    #[must_use]
    pub const fn cpu(&self) -> MilliCpu {
        MilliCpu(self.cpu_milli)
    }
}

/// What equal nodes have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeShape {
    /// The value of `carbon-kube.io/grid-zone`.
    pub grid_zone: Option<String>,
    /// The cloud region.
    pub region: Option<String>,
    /// Kubernetes' own zone.
    pub topology_zone: Option<String>,
    /// The machine type.
    pub instance_type: Option<String>,
    /// What pods may request together.
    pub allocatable: Requests,
    /// The most pods.
    pub max_pods: u32,
    /// Key, value, effect of each taint.
    pub taints: Vec<(String, String, String)>,
    /// Labels that a pod of the file asks for.
    pub labels: BTreeMap<String, String>,
}

/// Whose pods they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Namespace.
    pub namespace: String,
    /// Name of the owner, without what is different for each run or revision.
    pub owner: String,
    /// What else kube-scheduler looks at.
    pub rules: Rules,
}

/// Runs of a job that are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// When the pod was created.
    pub at: Time,
    /// How long it ran.
    pub duration: Span,
    /// What it requested.
    pub requests: Requests,
}

/// What a service needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Pods at the same time.
    pub replicas: u32,
    /// What each requests.
    pub requests: Requests,
}

/// A cluster and what ran on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Groups of equal nodes, and how many there are.
    pub nodes: BTreeMap<NodeShape, u32>,
    /// Runs of jobs, by arrival.
    pub jobs: BTreeMap<Group, Vec<Run>>,
    /// Services.
    pub services: BTreeMap<Group, Vec<Service>>,
    /// Objects that were passed over, and what was assumed; its rows are objects.
    pub account: Account,
}

/// What is wrong with a field of an object.
pub(crate) struct Fault {
    field: String,
    problem: String,
}

impl Fault {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// Reads files of objects; together they are one cluster.
///
/// # Errors
///
/// [`ReadError`] names the file, and line and column of what is no JSON, or the object and the
/// field that can't be understood.
pub fn read(paths: &[impl AsRef<Path>]) -> Result<Cluster, ReadError> {
    let mut reader = Reader::default();
    for path in paths {
        reader.read(Text::open(path.as_ref(), LastLine::Anywhere)?)?;
    }
    reader.finish()
}

/// The same from memory or a stream; `name` stands for the file in messages.
///
/// # Errors
///
/// As [`read`].
pub fn parse(name: &str, input: impl Read) -> Result<Cluster, ReadError> {
    let mut reader = Reader::default();
    reader.read(Text::new(name, input, LastLine::Anywhere)?)?;
    reader.finish()
}

#[derive(Default)]
struct Reader {
    path: String,
    objects: Newest,
    series: series::Told,
    account: Account,
    /// Set where reading stopped: serde's own error says less.
    stopped: Option<ReadError>,
}

impl Reader {
    fn read(&mut self, mut text: Text<'_>) -> Result<(), ReadError> {
        self.path = text.path.clone();
        if text.skip_blank()? {
            return Err(ReadError::Empty { path: text.path });
        }
        let mut json = serde_json::Deserializer::from_reader(text.reader());
        while json.end().is_err() {
            let document = Document(self).deserialize(&mut json);
            if let Some(error) = self.stopped.take() {
                return Err(error);
            }
            document.map_err(|error| self.syntax(error))?;
        }
        Ok(())
    }

    fn syntax(&self, error: serde_json::Error) -> ReadError {
        let path = self.path.clone();
        if error.is_io() {
            return crate::table::error_of(&path, error.into());
        }
        let (line, column) = (error.line() as u64, error.column() as u64);
        ReadError::Json { path, line, column, problem: shorten_message(&error.to_string()) }
    }

    fn object(&mut self, object: &Object) -> Result<(), ReadError> {
        self.account.rows += 1;
        let Object { kind, metadata, .. } = object;
        let place =
            format!("{kind} `{}/{}`", shorten(&metadata.namespace), shorten(&metadata.name));
        let fault = |fault: Fault| ReadError::Object {
            path: self.path.clone(),
            object: place.clone(),
            field: fault.field,
            problem: fault.problem,
        };
        if metadata.name.is_empty() {
            return Err(fault(Fault::new("metadata.name", "is missing")));
        }
        let mut account = Account::default();
        let kept = match kind.as_str() {
            "Node" => nodes::node(object, &mut account).map(|node| node.map(Kept::Node)),
            "Pod" => pods::pod(object, &mut account).map(|part| part.map(Kept::Workload)),
            "Job" => pods::job(object, &mut account).map(|part| part.map(Kept::Workload)),
            "Deployment" | "StatefulSet" => {
                pods::service(object, &mut account).map(|part| Some(Kept::Workload(part)))
            }
            _ => {
                account.skip("objects of other kinds");
                Ok(None)
            }
        };
        let kept = kept.map_err(fault)?.unwrap_or(Kept::Nothing);
        self.objects.add(kind, metadata, Reading::new(metadata, kept, account));
        Ok(())
    }

    fn finish(mut self) -> Result<Cluster, ReadError> {
        for told in std::mem::take(&mut self.series).objects(&mut self.account) {
            // Written and read again: the parts of an object are kept as the text that they came as.
            let object =
                serde_json::from_str(&told.to_string()).map_err(|error| self.syntax(error))?;
            self.object(&object)?;
        }
        let Self { path, objects, mut account, .. } = self;
        let (mut nodes, mut pods) = (nodes::Nodes::default(), pods::Pods::default());
        for copy in objects.into_copies(&mut account) {
            account.add(copy.account);
            match copy.kept {
                Kept::Node(node) => nodes.add(node),
                Kept::Workload(part) => pods.add(part),
                Kept::Nothing => {}
            }
        }
        let asked = pods.labels();
        let (jobs, services) = pods.groups(&mut account);
        let nodes = nodes.groups(&asked);
        if nodes.is_empty() && jobs.is_empty() && services.is_empty() {
            return Err(ReadError::Empty { path });
        }
        Ok(Cluster { nodes, jobs, services, account })
    }
}

/// A part of an object, as its kind has it.
fn part<T: Default + DeserializeOwned>(
    raw: Option<&RawValue>,
    field: &'static str,
) -> Result<T, Fault> {
    raw.map_or_else(
        || Ok(T::default()),
        |raw| {
            serde_json::from_str(raw.get())
                .map_err(|error| Fault::new(field, shorten_message(&error.to_string())))
        },
    )
}

/// An instant as the API server writes it.
fn instant(text: &str, field: &'static str) -> Result<Time, Fault> {
    crate::instant::parse(text).ok_or_else(|| {
        let problem =
            format!("`{}` is not an instant such as `2026-06-01T00:00:00Z`", shorten(text));
        Fault::new(field, problem)
    })
}

/// A parser's message, without the position that it ends with.
fn shorten_message(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    message.chars().take(200).flat_map(char::escape_debug).collect()
}

/// One document of a file: an object, or a list of objects, which are handed on one by one.
struct Document<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut object =
            Object { kind: String::new(), metadata: Default::default(), spec: None, status: None };
        let mut is_list = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "kind" => object.kind = map.next_value()?,
                "items" => {
                    is_list = true;
                    map.next_value_seed(Items(self.0))?;
                }
                "metadata" => object.metadata = map.next_value()?,
                "spec" => object.spec = map.next_value()?,
                "status" => object.status = map.next_value()?,
                // The answer of Prometheus to a query, which has no kind.
                "data" if object.kind.is_empty() => is_list |= map.next_value_seed(Data(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !is_list {
            self.0.take::<A::Error>(&object)?;
        }
        Ok(())
    }
}

impl Reader {
    fn take<E: serde::de::Error>(&mut self, object: &Object) -> Result<(), E> {
        self.object(object).map_err(|error| {
            let told = E::custom(&error);
            self.stopped = Some(error);
            told
        })
    }
}

/// `data` of an answer of Prometheus; `false` where it is that of a ConfigMap.
struct Data<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Data<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data of an answer of Prometheus")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut is_answer = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "result" {
                is_answer |= map.next_value_seed(AllSeries(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(is_answer)
    }
}

/// The series; `false` where it is a text, as in the data of a ConfigMap.
struct AllSeries<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for AllSeries<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AllSeries<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<bool, A::Error> {
        while let Some(series) = all.next_element::<series::Series>()? {
            let Reader { series: told, account, .. } = &mut *self.0;
            told.take(&series, account);
        }
        Ok(true)
    }
}

struct Items<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of Kubernetes objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(object) = items.next_element::<Object>()? {
            self.0.take::<A::Error>(&object)?;
        }
        Ok(())
    }
}
