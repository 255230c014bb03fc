//! A byte that picks verb, policy and time, and the body of a request.
//!
//! A body that can be read gets an answer that kube-scheduler can read; every offered node passes
//! or has a reason, in the order of the request; scores are whole numbers from 0 to 10.

#![no_main]

mod cluster;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use carbon_kube_extender::answer::{Answer, Context, Unreadable, filter, preempt, prioritize};
use carbon_kube_policies::wire::{ExtenderArgs, PreemptionArgs, Text};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use cluster::Cluster;

/// One that refuses nodes, one that scores them, one that holds pods, and none.
const POLICIES: [Option<&str>; 4] = [
    Some("kind: percentile"),
    Some("kind: lowest-zone"),
    Some("kind: percentile-lowest-zone\nbounds: {maxGramsPerKwh: 20}"),
    None,
];

/// Fresh, a threshold that is too old, an intensity that is too old, values from the future.
const AFTER_MILLIS: [i64; 4] = [60_000, 2 * 3_600_000, 30 * 3_600_000, -3_600_000];

/// After so many inputs the clusters are built anew: their metrics keep every namespace.
const LIFETIME: u32 = 100_000;

thread_local! {
    static CLUSTERS: RefCell<(u32, Vec<Cluster>)> = const { RefCell::new((0, Vec::new())) };
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let choice = usize::from(choice);
    CLUSTERS.with_borrow_mut(|(inputs, clusters)| {
        if *inputs % LIFETIME == 0 {
            *clusters = POLICIES.iter().map(|policy| cluster(*policy)).collect();
        }
        *inputs += 1;
        check(&clusters[(choice >> 2) & 3], choice & 3, AFTER_MILLIS[(choice >> 4) & 3], body);
    });
});

fn cluster(policy: Option<&str>) -> Cluster {
    let cluster = Cluster::new();
    if let Some(policy) = policy {
        cluster.policy(policy);
    }
    cluster.grid();
    cluster
}

fn check(cluster: &Cluster, verb: usize, after: i64, body: &[u8]) {
    cluster.set_clock(after);
    match verb {
        0 | 3 => answered(cluster, "filter", filter, body, check_filter),
        1 => answered(cluster, "prioritize", prioritize, body, check_prioritize),
        _ => answered(cluster, "preempt", preempt, body, check_preempt),
    }
}

type Answering = for<'s> fn(&Context<'s>, &[u8]) -> Result<Answer<'s>, Unreadable>;

/// Answers and records as the server does; an error is JSON too.
fn answered(
    cluster: &Cluster,
    verb: &'static str,
    answering: Answering,
    body: &[u8],
    check: fn(&[u8], &[u8]),
) {
    let app = &cluster.service.app;
    let snapshot = app.state.current();
    let now = (app.clock)();
    let context = Context { config: app.state.config(), snapshot: &snapshot, now };
    match answering(&context, body) {
        Ok(answer) => {
            app.recorder.answered(verb, &answer, now, Duration::from_micros(1));
            check(body, &answer.body);
        }
        Err(unreadable) => {
            app.recorder.unreadable(verb, Duration::from_micros(1));
            let _: Failure = serde_json::from_slice(&unreadable.body()).expect("an error is JSON");
        }
    }
}

/// The answer where there is none.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Failure {
    #[serde(rename = "Error")]
    _error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filtered<'a> {
    #[serde(borrow)]
    nodes: Option<Items<'a>>,
    node_names: Option<Vec<String>>,
    failed_nodes: Pairs,
    failed_and_unresolvable_nodes: Pairs,
    error: String,
}

#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Scored {
    host: String,
    score: i64,
}

/// An object with its keys in order, twice where they come twice.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn request(body: &[u8]) -> ExtenderArgs<'_> {
    serde_json::from_slice(body).expect("it was answered, so it can be read")
}

fn check_filter(body: &[u8], answer: &[u8]) {
    let request = request(body);
    let answer: Filtered<'_> = serde_json::from_slice(answer).expect("the scheduler can read it");
    let failed = &answer.failed_and_unresolvable_nodes.0;
    assert!(answer.error.is_empty() && answer.failed_nodes.0.is_empty());
    assert!(failed.iter().all(|(_, reason)| !reason.is_empty()), "a node without a reason");
    assert_eq!(answer.node_names.is_some(), request.node_names.is_some(), "the field asked");
    if let (Some(offered), Some(passed)) = (&request.node_names, &answer.node_names) {
        let (mut passing, mut failing) = (passed.iter(), failed.iter().map(|(node, _)| node));
        let (mut next_passed, mut next_failed) = (passing.next(), failing.next());
        for Text(node) in offered {
            if next_passed.is_some_and(|name| name == node) {
                next_passed = passing.next();
            } else {
                assert!(next_failed.is_some_and(|name| name == node), "`{node}` is nowhere");
                next_failed = failing.next();
            }
        }
        assert!(next_passed.is_none() && next_failed.is_none(), "a node that was not offered");
        let failed: BTreeSet<&str> = failed.iter().map(|(node, _)| node.as_str()).collect();
        assert!(!passed.iter().any(|node| failed.contains(node.as_str())), "passed and failed");
    } else if let (Some(offered), Some(passed)) = (&request.nodes, &answer.nodes) {
        assert_eq!(passed.items.len() + failed.len(), offered.items.len());
        let mut came = offered.items.iter().map(|node| node.get());
        assert!(passed.items.iter().all(|node| came.any(|text| text == node.get())), "in order");
    } else {
        assert!(answer.nodes.is_none() && failed.is_empty(), "nodes of which nobody spoke");
    }
}

fn check_prioritize(body: &[u8], answer: &[u8]) {
    let request = request(body);
    let answer: Vec<Scored> = serde_json::from_slice(answer).expect("the scheduler can read it");
    assert!(answer.iter().all(|node| (0..=10).contains(&node.score)));
    if let Some(offered) = &request.node_names {
        assert!(offered.iter().map(Text::as_str).eq(answer.iter().map(|node| node.host.as_str())));
    } else {
        let offered = request.nodes.map_or(0, |nodes| nodes.items.len());
        assert_eq!(answer.len(), offered);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Preempted<'a> {
    #[serde(borrow)]
    node_name_to_meta_victims: BTreeMap<String, &'a RawValue>,
}

fn check_preempt(body: &[u8], answer: &[u8]) {
    let request: PreemptionArgs<'_> =
        serde_json::from_slice(body).expect("it was answered, so it can be read");
    let answer: Preempted<'_> = serde_json::from_slice(answer).expect("the scheduler can read it");
    let meta = request.node_name_to_meta_victims;
    let whole = request.node_name_to_victims.unwrap_or_default();
    for node in answer.node_name_to_meta_victims.keys() {
        let offered = match &meta {
            Some(meta) => meta.contains_key(node.as_str()),
            None => whole.contains_key(node.as_str()),
        };
        assert!(offered, "`{node}` was not offered");
    }
}
