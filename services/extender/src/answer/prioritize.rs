//! `prioritize`: a score from 0 to 10 for each node that is left.

use carbon_kube_policies::wire::{ExtenderArgs, HostPriority};

use super::{Answer, Context, Nodes, Unreadable, decided, json, read};

/// Answers `prioritize`: an element per offered node, in their order.
///
/// # Errors
///
/// [`Unreadable`] where the body is no request.
pub fn prioritize<'s>(context: &Context<'s>, body: &[u8]) -> Result<Answer<'s>, Unreadable> {
    let args: ExtenderArgs<'_> = read(body)?;
    let nodes = Nodes::of(context, &args);
    let decision = decided(context, &args, &nodes);
    let scores: Vec<HostPriority<'_>> = nodes
        .names
        .iter()
        .enumerate()
        .map(|(node, name)| HostPriority { host: name, score: decision.verdict(node).score })
        .collect();
    let body = json(&scores);
    Ok(Answer::new(body, decision, args.pod.as_ref()))
}
