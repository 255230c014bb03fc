//! kube-scheduler's extender protocol: what comes in, what goes out.
//!
//! The protocol's own keys are PascalCase, the Kubernetes objects inside are not. Requests are
//! read in place: strings borrow from the body, only what a decision needs is kept, and a whole
//! node stays the text that it came as (2.4 MB for a thousand of them). The simulator writes the
//! same types when it records its decisions.
//!
//! Source: `k8s.io/kube-scheduler/extender/v1/types.go`, which has no JSON tags.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;

use carbon_kube_core::MilliCpu;
use carbon_kube_core::Time;
use carbon_kube_core::cluster::PREFIX;
use serde::de::{IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A text that borrows from the request where it has no escapes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The body of `filter` and `prioritize`. One of the two node fields is `null`: which of them
/// follows from the scheduler's `nodeCacheCapable`, and the answer goes into the same one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExtenderArgs<'a> {
    /// The pod that is being scheduled.
    #[serde(borrow, default, alias = "pod")]
    pub pod: Option<Pod<'a>>,
    /// Whole nodes (`nodeCacheCapable: false`).
    #[serde(borrow, default, alias = "nodes")]
    pub nodes: Option<NodeList<'a>>,
    /// Names of nodes (`nodeCacheCapable: true`).
    #[serde(borrow, default, alias = "nodeNames")]
    pub node_names: Option<Vec<Text<'a>>>,
}

/// What is read of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pod<'a> {
    /// Who it is and what it asks for.
    #[serde(borrow, default)]
    pub metadata: PodMetadata<'a>,
    /// What it requests.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub spec: PodSpec<'a>,
}

/// What is read of a pod's metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMetadata<'a> {
    /// Name; empty where the pod is made from `generateName` and has none yet.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Namespace.
    #[serde(borrow)]
    pub namespace: Cow<'a, str>,
    /// Unique among all pods of all times.
    #[serde(borrow)]
    pub uid: Cow<'a, str>,
    /// When it was created; `None` also where the text is no instant.
    #[serde(deserialize_with = "lenient_time")]
    pub creation_timestamp: Option<Time>,
    /// Ours only.
    #[serde(borrow, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations<'a>,
}

/// The `carbon-kube.io/` annotations of a pod; others are passed over while reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// What is read of a pod's spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec<'a> {
    /// Containers that run together.
    #[serde(borrow, deserialize_with = "or_default")]
    pub containers: Vec<Container<'a>>,
    /// Containers that run before them, one by one.
    #[serde(borrow, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container<'a>>,
}

/// What is read of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container<'a> {
    /// Requests and limits.
    #[serde(borrow, deserialize_with = "or_default")]
    pub resources: ContainerResources<'a>,
}

/// Requests of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerResources<'a> {
    /// What the scheduler counts.
    #[serde(borrow, deserialize_with = "or_default")]
    pub requests: CpuAmount<'a>,
}

/// The CPU of a resource list, as a Kubernetes quantity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuAmount<'a> {
    /// Such as `500m`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Text<'a>>,
}

/// Whole nodes, each of them the text that it came as.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeList<'a> {
    /// The nodes.
    #[serde(borrow, deserialize_with = "or_default")]
    pub items: Vec<&'a RawValue>,
}

/// What is read of a whole node: name, labels and allocatable CPU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node<'a> {
    /// Name and labels.
    #[serde(borrow)]
    pub metadata: NodeMetadata<'a>,
    /// Its capacity.
    #[serde(borrow, deserialize_with = "or_default")]
    pub status: NodeStatus<'a>,
}

/// What is read of a node's metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeMetadata<'a> {
    /// Name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Labels.
    #[serde(borrow, deserialize_with = "or_default")]
    pub labels: BTreeMap<Text<'a>, Text<'a>>,
}

/// What is read of a node's status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus<'a> {
    /// What pods may request together.
    #[serde(borrow, deserialize_with = "or_default")]
    pub allocatable: CpuAmount<'a>,
}

/// The answer to `filter`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilterResult<'a> {
    /// The nodes that pass, where whole nodes came.
    pub nodes: Option<PassedNodes<'a>>,
    /// The names of those that pass, where names came.
    pub node_names: Option<Vec<&'a str>>,
    /// Nodes that preemption could help. Always empty: an answer here while every node runs a pod
    /// of lower priority makes kube-scheduler 1.37 try the pod again in a hot loop.
    pub failed_nodes: Reasons<'a>,
    /// Nodes that are refused, and why.
    pub failed_and_unresolvable_nodes: Reasons<'a>,
    /// Why there is no answer; empty where there is one.
    pub error: &'a str,
}

/// Whole nodes of an answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PassedNodes<'a> {
    /// Empty, as in every list of a scheduler's request.
    pub metadata: Empty,
    /// The nodes as they came.
    pub items: Vec<&'a RawValue>,
}

/// `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Empty {}

/// Node and reason. Nodes of one zone share one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons<'a>(pub Vec<(&'a str, &'a str)>);

/// One element of the answer to `prioritize`, which is a bare array of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostPriority<'a> {
    /// The node.
    pub host: &'a str,
    /// 0 to 10, and an integer: a fraction voids the whole answer without a word.
    pub score: i64,
}

/// The body of `preempt`. One of the two maps is `null`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PreemptionArgs<'a> {
    /// The pod that wants the room.
    #[serde(borrow, default, alias = "pod")]
    pub pod: Option<Pod<'a>>,
    /// Whole victims by node (`nodeCacheCapable: false`).
    #[serde(borrow, default, alias = "nodeNameToVictims")]
    pub node_name_to_victims: Option<BTreeMap<Text<'a>, Victims<'a>>>,
    /// UIDs of victims by node (`nodeCacheCapable: true`).
    #[serde(borrow, default, alias = "nodeNameToMetaVictims")]
    pub node_name_to_meta_victims: Option<BTreeMap<Text<'a>, MetaVictims<'a>>>,
}

/// Whole pods that would have to go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Victims<'a> {
    /// The pods.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub pods: Vec<Victim<'a>>,
    /// How many disruption budgets that would break.
    #[serde(default, rename = "NumPDBViolations", deserialize_with = "whole")]
    pub pdb_violations: i64,
}

/// What is read of a victim.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Victim<'a> {
    /// Who it is.
    #[serde(borrow, default)]
    pub metadata: VictimMetadata<'a>,
}

/// What is read of a victim's metadata.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct VictimMetadata<'a> {
    /// Unique among all pods of all times.
    #[serde(borrow, default)]
    pub uid: Cow<'a, str>,
}

/// Pods that would have to go, by UID.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetaVictims<'a> {
    /// The pods.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub pods: Vec<MetaPod<'a>>,
    /// How many disruption budgets that would break.
    #[serde(default, rename = "NumPDBViolations", deserialize_with = "whole")]
    pub pdb_violations: i64,
}

/// A pod by UID.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetaPod<'a> {
    /// Its UID.
    #[serde(borrow, default, rename = "UID")]
    pub uid: Cow<'a, str>,
}

/// The answer to `preempt`: the same victims, on the nodes that are allowed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PreemptionResult<'a> {
    /// Always UIDs, whatever came.
    pub node_name_to_meta_victims: BTreeMap<Text<'a>, MetaVictims<'a>>,
}

/// The answer to a request that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Failure {
    /// What is wrong with it.
    pub error: String,
}

impl Text<'_> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl Pod<'_> {
    /// What the scheduler counts as the pod's CPU: the sum of its containers, or the largest init
    /// container where that is more. A quantity that is none counts as nothing.
    #[must_use]
    pub fn cpu(&self) -> MilliCpu {
        let of = |container: &Container<'_>| container.resources.requests.milli();
        let together: u64 =
            self.spec.containers.iter().map(of).fold(0, |sum, cpu| sum.saturating_add(cpu));
        let alone = self.spec.init_containers.iter().map(of).max().unwrap_or(0);
        MilliCpu(together.max(alone))
    }
}

impl CpuAmount<'_> {
    fn milli(&self) -> u64 {
        self.amount().map_or(0, |cpu| cpu.0)
    }

    /// The amount; `None` where there is none, or a text that is no quantity.
    #[must_use]
    pub fn amount(&self) -> Option<MilliCpu> {
        self.cpu.as_ref()?.as_str().parse().ok()
    }
}

impl Annotations<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }
}

impl Serialize for Annotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ours;

        impl<'de> Visitor<'de> for Ours {
            type Value = Annotations<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Annotations::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut ours = Vec::new();
                while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                    if key.starts_with(PREFIX) {
                        ours.push((key, map.next_value::<Text<'de>>()?.0));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Annotations(ours))
            }
        }

        deserializer.deserialize_any(Ours)
    }
}

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (node, reason) in &self.0 {
            map.serialize_entry(node, reason)?;
        }
        map.end()
    }
}

/// `null` is what an absent list or object looks like in Go.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A whole number, also one that is written with a point: to JSON Schema, and so to whoever goes by
/// `/openapi.json`, 2.0 is an integer.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
            Ok(value)
        }

        fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<i64, E> {
            i64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
        }

        fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<i64, E> {
            // The first number beyond: 2^63.
            if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 {
                return Ok(value as i64);
            }
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }

    deserializer.deserialize_i64(Whole)
}

/// A pod without an age is not worth an error: it does not wait.
fn lenient_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let text: Option<Text<'de>> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.as_str().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> ExtenderArgs<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn names_and_our_annotations_are_read_and_the_rest_is_passed_over() {
        let args = args(
            r#"{"Pod":{"metadata":{"name":"p","namespace":"team-a","uid":"u-1",
              "creationTimestamp":"2026-11-23T11:58:36Z","labels":{"a":"b"},
              "annotations":{"unicode":"gr\u00fcner \u26a1","carbon-kube.io/max-delay":"6h",
              "carbon-kube.io/mode":"en\u0066orce"}},
              "spec":{"volumes":[{"name":"v"}],"initContainers":null,"containers":[
              {"name":"c","resources":{"requests":{"cpu":"100m","memory":"64Mi"}}},
              {"name":"d","resources":{}}]},"status":{"phase":"Pending"}},
              "Nodes":null,"NodeNames":["node-0001","node-\u0030"]}"#,
        );
        let pod = args.pod.unwrap();
        assert_eq!(pod.metadata.creation_timestamp.unwrap().to_string(), "2026-11-23T11:58:36Z");
        assert_eq!(
            pod.metadata.annotations.iter().collect::<Vec<_>>(),
            [("carbon-kube.io/max-delay", "6h"), ("carbon-kube.io/mode", "enforce")]
        );
        assert_eq!(pod.cpu(), MilliCpu(100));
        let names: Vec<&str> = args.node_names.as_ref().unwrap().iter().map(Text::as_str).collect();
        assert_eq!(names, ["node-0001", "node-0"]);
        assert!(args.nodes.is_none());
    }

    /// Found by schemathesis: what `/openapi.json` calls an integer may have a point.
    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let read = |number: &str| {
            let text = format!(r#"{{"Pods": null, "NumPDBViolations": {number}}}"#);
            serde_json::from_str(&text).map(|victims: MetaVictims<'_>| victims.pdb_violations).ok()
        };
        for (number, value) in [
            ("2", Some(2)),
            ("-1", Some(-1)),
            ("180799426.0", Some(180_799_426)),
            ("1.5", None),
            ("1e19", None),
            ("18446744073709551615", None),
        ] {
            assert_eq!(read(number), value, "{number}");
        }
    }

    #[test]
    fn a_whole_node_stays_the_text_that_it_came_as() {
        let text = r#"{"Pod":null,"NodeNames":null,"Nodes":{"metadata":{},"items":[
            {"metadata":{"name":"n","labels":{"a":"1"}},"status":{"allocatable":{"cpu":"31850m"}},"x":[1, 2]}]}}"#;
        let args = args(text);
        let items = args.nodes.unwrap().items;
        assert!(items[0].get().ends_with(r#""x":[1, 2]}"#));
        let node: Node<'_> = serde_json::from_str(items[0].get()).unwrap();
        assert_eq!(node.metadata.name, "n");
        assert_eq!(node.status.allocatable.amount(), Some(MilliCpu(31_850)));
    }

    #[test]
    fn what_is_missing_or_null_is_no_error() {
        for text in [
            "{}",
            r#"{"Pod":null,"Nodes":null,"NodeNames":null}"#,
            r#"{"Pod":{},"Nodes":{"items":null},"NodeNames":[]}"#,
            r#"{"Pod":{"metadata":{"annotations":null,"creationTimestamp":null},"spec":null}}"#,
            r#"{"Pod":{"metadata":{"creationTimestamp":"soon"},"spec":{"containers":null}}}"#,
        ] {
            let args = args(text);
            assert_eq!(args.pod.unwrap_or_default().cpu(), MilliCpu(0), "{text}");
        }
    }

    #[test]
    fn the_largest_init_container_counts_where_it_is_larger_than_the_rest() {
        let pod = |init: &str| {
            let text = format!(
                r#"{{"spec":{{"containers":[{{"resources":{{"requests":{{"cpu":"1"}}}}}},
                {{"resources":{{"requests":{{"cpu":"500m"}}}}}}],
                "initContainers":[{{"resources":{{"requests":{{"cpu":"{init}"}}}}}}]}}}}"#
            );
            serde_json::from_str::<Pod<'_>>(&text).unwrap().cpu()
        };
        assert_eq!(pod("200m"), MilliCpu(1_500));
        assert_eq!(pod("4"), MilliCpu(4_000));
        assert_eq!(pod("many"), MilliCpu(1_500));
    }

    #[test]
    fn answers_have_the_keys_and_types_that_the_scheduler_reads() {
        let result = FilterResult {
            node_names: Some(vec!["a"]),
            failed_and_unresolvable_nodes: Reasons(vec![("b", "too dirty"), ("c", "too dirty")]),
            ..FilterResult::default()
        };
        assert_eq!(
            serde_json::to_string(&result).unwrap(),
            r#"{"Nodes":null,"NodeNames":["a"],"FailedNodes":{},"FailedAndUnresolvableNodes":{"b":"too dirty","c":"too dirty"},"Error":""}"#
        );
        let scores = [HostPriority { host: "a", score: 10 }];
        assert_eq!(serde_json::to_string(&scores).unwrap(), r#"[{"Host":"a","Score":10}]"#);
    }

    #[test]
    fn victims_are_passed_on_by_uid() {
        let text = r#"{"Pod":{},"NodeNameToVictims":null,"NodeNameToMetaVictims":
            {"n":{"Pods":[{"UID":"u-1"}],"NumPDBViolations":1}}}"#;
        let args: PreemptionArgs<'_> = serde_json::from_str(text).unwrap();
        let result =
            PreemptionResult { node_name_to_meta_victims: args.node_name_to_meta_victims.unwrap() };
        assert_eq!(
            serde_json::to_string(&result).unwrap(),
            r#"{"NodeNameToMetaVictims":{"n":{"Pods":[{"UID":"u-1"}],"NumPDBViolations":1}}}"#
        );
    }
}
