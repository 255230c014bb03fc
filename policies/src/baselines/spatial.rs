//! Scores of nodes by a number: what every greedy rule in space shares.

use carbon_kube_core::view::NodeView;

use crate::decision::Verdict;

/// Nodes whose numbers differ by less than this part are equal: kube-scheduler's own scores decide.
/// Otherwise 300 against 301 g/kWh would outweigh a half-empty node.
pub(super) const INDIFFERENCE: f64 = 0.02;

/// Scores nodes from 10 for the least number to 0 for the most. A feasible node whose number is
/// unknown makes every score equal: no opinion.
pub(super) fn prefer_least(
    nodes: &[NodeView],
    verdicts: &mut [Verdict],
    number: impl Fn(&NodeView) -> Option<f64>,
) {
    let mut range: Option<(f64, f64)> = None;
    for (node, _) in nodes.iter().zip(verdicts.iter()).filter(|(_, verdict)| verdict.feasible) {
        let Some(value) = number(node) else { return };
        let (low, high) = range.unwrap_or((value, value));
        range = Some((low.min(value), high.max(value)));
    }
    let Some((low, high)) = range.filter(|(low, high)| high - low > high * INDIFFERENCE) else {
        return;
    };
    for (node, verdict) in nodes.iter().zip(verdicts).filter(|(_, verdict)| verdict.feasible) {
        if let Some(value) = number(node) {
            let part = (high - value) / (high - low);
            verdict.score = (part * Verdict::MAX_SCORE as f64).round() as i64;
        }
    }
}
