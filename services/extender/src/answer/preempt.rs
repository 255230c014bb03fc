//! `preempt`: the victims stay as they are, nodes that the policy refuses are left out.
//!
//! A pod that is held must not push others aside for a node that it would then be refused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use carbon_kube_policies::wire::{
    MetaPod, MetaVictims, PreemptionArgs, PreemptionResult, Text, Victims,
};

use super::{Answer, Context, Nodes, Unreadable, json, read};
use crate::decide::decide;

/// Answers `preempt`, always with UIDs.
///
/// # Errors
///
/// [`Unreadable`] where the body is no request.
pub fn preempt<'s>(context: &Context<'s>, body: &[u8]) -> Result<Answer<'s>, Unreadable> {
    let PreemptionArgs { pod, node_name_to_victims, node_name_to_meta_victims } = read(body)?;
    let candidates = node_name_to_meta_victims
        .unwrap_or_else(|| by_uid(node_name_to_victims.unwrap_or_default()));
    let mut nodes = Nodes::default();
    for Text(name) in candidates.keys() {
        nodes.push_name(context, Cow::Borrowed(name));
    }
    let Context { config, snapshot, now } = *context;
    let decision = decide(config, snapshot, pod.as_ref(), &nodes.offered, &nodes.described, now);
    let allowed: Vec<bool> =
        (0..candidates.len()).map(|node| decision.verdict(node).feasible).collect();
    let kept = candidates.into_iter().zip(allowed).filter(|(_, allowed)| *allowed);
    let result = PreemptionResult {
        node_name_to_meta_victims: kept.map(|(candidate, _)| candidate).collect(),
    };
    Ok(Answer::new(json(&result), decision, pod.as_ref()))
}

fn by_uid<'a>(victims: BTreeMap<Text<'a>, Victims<'a>>) -> BTreeMap<Text<'a>, MetaVictims<'a>> {
    let meta = |victims: Victims<'a>| MetaVictims {
        pods: victims.pods.into_iter().map(|pod| MetaPod { uid: pod.metadata.uid }).collect(),
        pdb_violations: victims.pdb_violations,
    };
    victims.into_iter().map(|(node, victims)| (node, meta(victims))).collect()
}
