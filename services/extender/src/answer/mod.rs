//! The verbs of the protocol, from the bytes of a request to the bytes of its answer.
//!
//! No verb waits, takes a lock or knows about HTTP: the server, the replay of recorded decisions
//! and the fuzzer all call these.

mod filter;
mod preempt;
mod prioritize;

pub use filter::filter;
pub use preempt::preempt;
pub use prioritize::prioritize;

use std::borrow::Cow;

use carbon_kube_core::Time;
use carbon_kube_core::cluster::Mode;
use carbon_kube_policies::wire::{ExtenderArgs, Failure, Node, Pod, Text};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::Config;
use crate::decide::{Decision, Offered, decide};
use crate::name::node_name;
use crate::nodes::NodeFacts;
use crate::state::Snapshot;

/// What an answer is made from, beside the request.
#[derive(Clone, Copy)]
pub struct Context<'s> {
    /// The configuration.
    pub config: &'s Config,
    /// The state.
    pub snapshot: &'s Snapshot,
    /// The time.
    pub now: Time,
}

/// An answer, and the decision behind it for whoever counts and explains.
pub struct Answer<'s> {
    /// The body.
    pub body: Vec<u8>,
    /// The decision.
    pub decision: Decision<'s>,
    /// The pod, where the policy looks at it at all.
    pub pod: Option<PodId>,
}

/// Which pod a decision is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodId {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Unique among all pods of all times.
    pub uid: String,
}

/// A request that is none.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No JSON, or a field of the wrong type.
    #[error("not a request of kube-scheduler: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Not UTF-8.
    #[error("not a request of kube-scheduler: {0}")]
    Encoding(#[from] std::str::Utf8Error),
    /// Not an object: serde would take an array for the fields in their order.
    #[error("not a request of kube-scheduler: expected an object")]
    NoObject,
}

impl Unreadable {
    /// The body of the answer.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        json(&Failure { error: self.to_string() })
    }
}

/// The offered nodes in their order, in whichever field they came.
#[derive(Default)]
struct Nodes<'a> {
    names: Vec<Cow<'a, str>>,
    offered: Vec<Offered>,
    described: Vec<NodeFacts>,
}

impl<'a> Nodes<'a> {
    fn of(context: &Context<'_>, args: &'a ExtenderArgs<'a>) -> Self {
        let mut nodes = Self::default();
        if let Some(names) = &args.node_names {
            nodes.reserve(names.len());
            names.iter().for_each(|Text(name)| nodes.push_name(context, Cow::Borrowed(name)));
        } else if let Some(list) = &args.nodes {
            nodes.reserve(list.items.len());
            list.items.iter().for_each(|node| nodes.push_whole(context, node));
        }
        nodes
    }

    fn reserve(&mut self, count: usize) {
        self.names.reserve(count);
        self.offered.reserve(count);
    }

    fn push_name(&mut self, context: &Context<'_>, name: Cow<'a, str>) {
        let known = context.snapshot.nodes.find(&name);
        self.offered.push(known.map_or(Offered::Unknown, Offered::Known));
        self.names.push(name);
    }

    /// A whole node that the index knows is not looked into, but for its name.
    fn push_whole(&mut self, context: &Context<'_>, node: &'a RawValue) {
        let name = node_name(node.get()).unwrap_or_default();
        if context.snapshot.nodes.find(&name).is_some() {
            return self.push_name(context, name);
        }
        let described = self.describe(context, node);
        self.offered.push(described.map_or(Offered::Unknown, Offered::Described));
        self.names.push(name);
    }

    fn describe(&mut self, context: &Context<'_>, node: &'a RawValue) -> Option<u16> {
        let node: Node<'_> = serde_json::from_str(node.get()).ok()?;
        let labels = &node.metadata.labels;
        let label = |key: &str| labels.get(key).map(Text::as_str);
        let facts = NodeFacts::of(context.config, label, node.status.allocatable.amount());
        let position = self.described.iter().position(|known| *known == facts);
        let position = position.unwrap_or(self.described.len());
        if position == self.described.len() {
            self.described.push(facts);
        }
        u16::try_from(position).ok()
    }
}

impl<'s> Answer<'s> {
    fn new(body: Vec<u8>, decision: Decision<'s>, pod: Option<&Pod<'_>>) -> Self {
        let pod = pod.filter(|_| decision.mode != Mode::Off).map(|pod| PodId {
            namespace: pod.metadata.namespace.to_string(),
            name: pod.metadata.name.to_string(),
            uid: pod.metadata.uid.to_string(),
        });
        Self { body, decision, pod }
    }
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Unreadable> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Unreadable::NoObject);
    }
    // Once for the whole body: serde would look at each name again.
    Ok(serde_json::from_str(std::str::from_utf8(body)?)?)
}

fn decided<'s>(context: &Context<'s>, args: &ExtenderArgs<'_>, nodes: &Nodes<'_>) -> Decision<'s> {
    let Context { config, snapshot, now } = *context;
    decide(config, snapshot, args.pod.as_ref(), &nodes.offered, &nodes.described, now)
}

/// Our own types always have a form in JSON.
fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
