//! Answers one request so many times in the process, without a server: what `instructions.sh` lets
//! a profiler count.

mod cluster;

use std::hint::black_box;
use std::sync::Arc;

use carbon_kube_core::{Span, Time};
use carbon_kube_extender::answer::{Answer, Context, Unreadable, filter, preempt, prioritize};
use carbon_kube_extender::config::Config;
use carbon_kube_extender::documents::PolicyMap;
use carbon_kube_extender::nodes::NodeFacts;
use carbon_kube_extender::run::Service;
use carbon_kube_extender::state::Changed;
use carbon_kube_policies::wire::{Node, Text};
use clap::Parser;
use cluster::{Form, Requests};
use serde::Deserialize;

/// Answer a request so many times
#[derive(Debug, Parser)]
struct Args {
    /// `filter` or `prioritize`
    verb: String,
    /// How nodes are offered
    #[arg(value_enum)]
    mode: Form,
    /// How many nodes
    nodes: usize,
    /// How many times
    calls: usize,
    /// The rule in force: `percentile` refuses nodes, `lowest-zone` scores them
    #[arg(long, default_value = "percentile")]
    policy: String,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Vec<Node<'a>>,
}

type Answering = for<'s> fn(&Context<'s>, &[u8]) -> Result<Answer<'s>, Unreadable>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let answering: Answering = match args.verb.as_str() {
        "filter" => filter,
        "prioritize" => prioritize,
        "preempt" => preempt,
        other => return Err(format!("`{other}` is neither `filter` nor `prioritize`").into()),
    };
    // The same instant on every run: an instruction count should not depend on the date.
    let now: Time = "2026-06-01T12:00:00Z".parse()?;
    let service = service(args.nodes, &args.policy, now)?;
    let mut body = Vec::new();
    Requests::new(args.nodes, args.mode, now).body(7, &mut body);
    let state = &service.app.state;
    let snapshot = state.current();
    let later = now + Span::MINUTE;
    let context = Context { config: state.config(), snapshot: &snapshot, now: later };
    let mut refused = 0;
    for _ in 0..args.calls {
        let answer = answering(&context, black_box(&body))?;
        refused = answer.decision.refused();
        black_box(answer.body);
    }
    if args.calls > 0 && args.policy == "percentile" && refused == 0 {
        return Err("no node is refused: the path that was meant is not the one that ran".into());
    }
    Ok(())
}

/// An extender that knows the nodes and has data.
fn service(nodes: usize, policy: &str, now: Time) -> Result<Service, Box<dyn std::error::Error>> {
    let service = Service::new(Config::default(), Arc::new(move || now));
    let state: std::collections::BTreeMap<_, _> =
        cluster::state(nodes, policy, now).into_iter().collect();
    let list: List<'_> = serde_json::from_str(&state["nodes.json"])?;
    let facts = list.items.iter().map(|node| {
        let label = |key: &str| node.metadata.labels.get(key).map(Text::as_str);
        let config = service.app.state.config();
        let facts = NodeFacts::of(config, label, node.status.allocatable.amount());
        (node.metadata.name.to_string(), facts)
    });
    let known = facts.collect();
    service.app.state.change(Changed::Nodes, |parts| parts.nodes = known);
    service.documents.intensity(Some(&state["intensity.json"]));
    service.documents.threshold(Some(&state["threshold.json"]));
    let data = [("policy.yaml".to_owned(), state["policy.yaml"].clone())].into();
    let map = PolicyMap { data: &data, actor: None, annotations: &Default::default() };
    service.documents.policy(Some(map));
    Ok(service)
}
