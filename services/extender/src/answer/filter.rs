//! `filter`: the nodes that the pod may run on, a reason for each of the others.

use carbon_kube_policies::wire::{ExtenderArgs, FilterResult, PassedNodes, Reasons, Text};

use super::{Answer, Context, Nodes, Unreadable, decided, json, read};
use crate::reason::refusal;

/// Answers `filter`, in the field that was asked.
///
/// # Errors
///
/// [`Unreadable`] where the body is no request.
pub fn filter<'s>(context: &Context<'s>, body: &[u8]) -> Result<Answer<'s>, Unreadable> {
    let args: ExtenderArgs<'_> = read(body)?;
    let nodes = Nodes::of(context, &args);
    let decision = decided(context, &args, &nodes);
    let texts: Vec<String> = decision
        .classes
        .iter()
        .map(|class| match class.verdict.feasible {
            true => String::new(),
            false => refusal(&decision, class.view.zone, context.now),
        })
        .collect();
    let feasible = |node: usize| decision.verdict(node).feasible;
    let reason = |node| decision.class(node).map_or("", |class| texts[class].as_str());
    let refused = (0..nodes.names.len()).filter(|node| !feasible(*node));
    let result = FilterResult {
        nodes: args.nodes.as_ref().filter(|_| args.node_names.is_none()).map(|list| PassedNodes {
            items: passed(list.items.iter().copied(), feasible),
            ..PassedNodes::default()
        }),
        node_names: args
            .node_names
            .as_ref()
            .map(|names| passed(names.iter().map(Text::as_str), feasible)),
        failed_and_unresolvable_nodes: Reasons(
            refused.map(|node| (nodes.names[node].as_ref(), reason(node))).collect(),
        ),
        ..FilterResult::default()
    };
    let body = json(&result);
    Ok(Answer::new(body, decision, args.pod.as_ref()))
}

fn passed<T>(nodes: impl Iterator<Item = T>, feasible: impl Fn(usize) -> bool) -> Vec<T> {
    nodes.enumerate().filter(|(node, _)| feasible(*node)).map(|(_, node)| node).collect()
}
