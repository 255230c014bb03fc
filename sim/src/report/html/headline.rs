//! What came out, in words that somebody reads who has no time for tables.

use super::super::summary::{Run, Summary};
use super::super::text::grouped;

/// Less than this, in percent, is no saving: it would be printed as 0.0.
const LEAST_SAVING: f64 = 0.05;

/// A mean delay that is no more than this over the reference's, in hours, is no wait that
/// somebody would notice in a batch job.
const NO_WAIT_HOURS: f64 = 0.25;

/// The headline and the sentences below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    pub title: String,
    pub sentences: Vec<String>,
}

/// Says what the best policy saves and what that costs, or that nothing is gained.
pub fn headline(summary: &Summary) -> Headline {
    let Some((reference, others)) = summary.runs.split_first() else {
        return Headline { title: "No policy was run".to_owned(), sentences: Vec::new() };
    };
    let total = kilograms(reference.emissions_grams.total);
    if others.is_empty() {
        let title = format!("{} emits {total} kg CO₂e", reference.policy);
        let sentences = vec!["It was the only policy: there is nothing to compare.".to_owned()];
        return Headline { title, sentences };
    }
    let Some(best) = lowest(others.iter().filter(|run| saves(run))) else {
        let title = format!("No policy emits less than {}", reference.policy);
        return Headline { title, sentences: nothing_gained(reference, others) };
    };
    let percent = best.saving_percent.unwrap_or_default();
    let title = format!(
        "{} emits {}\u{a0}% less than {}",
        best.policy,
        grouped(percent, 1),
        reference.policy
    );
    let saved = kilograms(reference.emissions_grams.total - best.emissions_grams.total);
    let mut sentences =
        vec![format!("It saves {saved} of {total} kg CO₂e."), price(reference, best)];
    sentences.extend(unfinished(reference, best));
    sentences.extend(without_waiting(reference, others, best));
    Headline { title, sentences }
}

fn saves(run: &Run) -> bool {
    run.saving_percent.is_some_and(|percent| percent >= LEAST_SAVING)
}

fn lowest<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<&'a Run> {
    runs.min_by(|a, b| a.emissions_grams.total.total_cmp(&b.emissions_grams.total))
}

fn nothing_gained(reference: &Run, others: &[Run]) -> Vec<String> {
    if reference.saving_percent.is_none() {
        return vec![format!("{} emitted nothing, so nothing can be saved.", reference.policy)];
    }
    let closest = lowest(others.iter()).map(|run| {
        let percent = run.saving_percent.unwrap_or_default();
        let more = grouped(-percent, 1);
        if percent.abs() < LEAST_SAVING {
            format!("The closest, {}, emits the same.", run.policy)
        } else {
            format!("The closest, {}, emits {more}\u{a0}% more.", run.policy)
        }
    });
    closest.into_iter().collect()
}

/// Delay, misses and money of a run against the reference.
fn price(reference: &Run, run: &Run) -> String {
    let delay = match (reference.delay_hours.mean, run.delay_hours.mean, run.delay_hours.p95) {
        (Some(before), Some(mean), Some(p95)) => {
            let (longer, word) =
                if mean >= before { (mean - before, "longer") } else { (before - mean, "shorter") };
            if longer < 0.005 {
                "jobs wait no longer".to_owned()
            } else {
                format!(
                    "jobs wait {} h {word} on average (95th percentile {} h)",
                    grouped(longer, 2),
                    grouped(p95, 2)
                )
            }
        }
        _ => "no job ran to its end, so there is no delay to compare".to_owned(),
    };
    let misses = difference(
        run.pods.deadline_misses as f64 - reference.pods.deadline_misses as f64,
        0,
        ["deadline miss", "deadline misses"],
        ["more", "fewer"],
        "as many deadlines are missed",
    );
    let money = difference(
        run.cost_usd - reference.cost_usd,
        2,
        ["USD", "USD"],
        ["more", "less"],
        "the cost is the same",
    );
    format!("Against that: {delay}, {misses}, {money}.")
}

/// `3 deadline misses more`, or `none` where there is no difference to print.
fn difference(
    by: f64,
    decimals: usize,
    [one, many]: [&str; 2],
    [more, less]: [&str; 2],
    none: &str,
) -> String {
    let amount = grouped(by.abs(), decimals);
    if !amount.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        return none.to_owned();
    }
    let unit = if amount == "1" { one } else { many };
    format!("{amount} {unit} {}", if by > 0.0 { more } else { less })
}

/// A policy that leaves work undone emits less for the wrong reason.
fn unfinished(reference: &Run, run: &Run) -> Option<String> {
    let more = run.pods.unfinished.checked_sub(reference.pods.unfinished).filter(|&n| n > 0)?;
    let count = grouped(more as f64, 0);
    let pods = if more == 1 { "pod" } else { "pods" };
    Some(format!(
        "It leaves {count} {pods} more unfinished: a part of the saving is work not done."
    ))
}

/// The best of those that make nobody wait, where that is another one.
fn without_waiting(reference: &Run, others: &[Run], best: &Run) -> Option<String> {
    let before = reference.delay_hours.mean?;
    let prompt = |run: &&Run| {
        saves(run) && run.delay_hours.mean.is_some_and(|mean| mean <= before + NO_WAIT_HOURS)
    };
    let run = lowest(others.iter().filter(prompt)).filter(|run| run.policy != best.policy)?;
    let percent = grouped(run.saving_percent?, 1);
    Some(format!("With hardly any waiting, {} saves {percent}\u{a0}%.", run.policy))
}

fn kilograms(grams: f64) -> String {
    let kilograms = grams / 1_000.0;
    grouped(kilograms, if kilograms.abs() < 10.0 { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::super::super::{fixture, summary};
    use super::*;
    use crate::outcome::Outcome;

    fn tiny(change: impl FnOnce(&mut Summary)) -> Headline {
        let (world, outcomes) = fixture::tiny();
        let mut summary = summary(&world, &outcomes.iter().collect::<Vec<&Outcome>>(), true);
        change(&mut summary);
        headline(&summary)
    }

    #[test]
    fn the_best_policy_is_named_with_what_it_costs() {
        let headline = tiny(|summary| {
            let (reference, run) = summary.runs.split_at_mut(1);
            (reference[0].emissions_grams.total, run[0].emissions_grams.total) = (10e3, 9e3);
            run[0].saving_percent = Some(10.0);
            (reference[0].delay_hours.mean, run[0].delay_hours.mean) = (Some(0.5), Some(2.0));
            run[0].delay_hours.p95 = Some(6.0);
            (reference[0].pods.deadline_misses, run[0].pods.deadline_misses) = (1, 2);
            (reference[0].cost_usd, run[0].cost_usd) = (20.0, 18.5);
            (reference[0].pods.unfinished, run[0].pods.unfinished) = (0, 2);
        });
        assert_eq!(headline.title, "threshold emits 10.0\u{a0}% less than default-scheduler");
        assert_eq!(
            headline.sentences,
            [
                "It saves 1.00 of 10.0 kg CO₂e.",
                "Against that: jobs wait 1.50 h longer on average (95th percentile 6.00 h), \
                 1 deadline miss more, 1.50 USD less.",
                "It leaves 2 pods more unfinished: a part of the saving is work not done.",
            ]
        );
    }

    #[test]
    fn nothing_gained_is_said() {
        let headline = tiny(|summary| summary.runs[1].saving_percent = Some(-3.0));
        assert_eq!(headline.title, "No policy emits less than default-scheduler");
        assert_eq!(headline.sentences, ["The closest, threshold, emits 3.0\u{a0}% more."]);
        let headline = tiny(|summary| summary.runs[1].saving_percent = Some(0.04));
        assert_eq!(headline.sentences, ["The closest, threshold, emits the same."]);
        let headline = tiny(|summary| {
            for run in &mut summary.runs {
                run.saving_percent = None;
            }
        });
        assert_eq!(
            headline.sentences,
            ["default-scheduler emitted nothing, so nothing can be saved."]
        );
    }

    #[test]
    fn one_run_has_nothing_to_compare() {
        let headline = tiny(|summary| summary.runs.truncate(1));
        assert!(headline.title.starts_with("default-scheduler emits "), "{headline:?}");
    }
}
