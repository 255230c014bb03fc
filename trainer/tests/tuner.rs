//! From `train.yaml` to a policy file: what is exported is what was judged.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;

use carbon_kube_core::seed;
use carbon_kube_policies::network::{Network, Output};
use carbon_kube_trainer::agents::Mode;
use carbon_kube_trainer::checkpoint::Store;
use carbon_kube_trainer::training::{Evaluation, Hooks};
use carbon_kube_trainer::tuner::{Data, Lesson, TrainConfig, weights};
use rand::RngExt;
use tempfile::TempDir;

/// A training of seconds: one zone, short episodes, a small network.
fn lesson(algorithm: &str) -> Lesson {
    let yaml = format!(
        "name: small
algorithm: {{{algorithm}: {{hidden: [16, 16]}}}}
steps: 600
numEnvs: 2
validationEpisodes: 2
training: {{warmUpSteps: 100, evaluateEvery: 200, checkpointEvery: 200}}
environment: {{episodeHours: 48}}
zones: [{{zone: EU-DE}}]
"
    );
    let config = TrainConfig::parse(&yaml).unwrap();
    let data = Data::read(&config, Path::new("")).unwrap();
    Lesson::new(config, data).unwrap()
}

#[derive(Default)]
struct Best(Option<Evaluation>);

impl Hooks for Best {
    fn evaluated(&mut self, evaluation: &Evaluation, best: bool) {
        if best {
            self.0 = Some(evaluation.clone());
        }
    }
}

fn trained(lesson: &Lesson) -> (TempDir, Store, Evaluation) {
    let directory = tempfile::tempdir().unwrap();
    let store = lesson.store(directory.path()).unwrap();
    let mut best = Best::default();
    let mut training = lesson.training(1).unwrap();
    training.run(lesson.config().steps, Some(&store), &mut best).unwrap();
    (directory, store, best.0.unwrap())
}

#[test]
fn the_exported_policy_gives_the_very_number_that_training_logged() {
    for algorithm in ["sac", "dqn", "a2c"] {
        let lesson = lesson(algorithm);
        let (_directory, store, logged) = trained(&lesson);
        let validation = lesson.validation().unwrap();
        let actor = lesson.best(&store).unwrap();
        let judged = lesson.judge(&actor, &validation).unwrap();
        let folder = lesson.policy(actor, 1, &judged, validation.rule(), "test").unwrap();
        // From the files, as `carbon-kube evaluate` has it.
        let played = validation.play(&folder.policy.policy());
        let bits = |returns: &[f64]| returns.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&played.returns()), bits(&logged.returns), "{algorithm}");
        let saving = logged.figures.iter().find(|(name, _)| *name == "saving_percent").unwrap().1;
        assert_eq!(played.saving_percent.to_bits(), saving.to_bits(), "{algorithm}");
        let said = folder.policy.file.provenance.validation["meanReturn"];
        assert_eq!(said.to_bits(), logged.mean().to_bits(), "{algorithm}");
    }
}

#[test]
fn the_plain_forward_pass_is_that_of_the_training() {
    let lesson = lesson("sac");
    let mut training = lesson.training(1).unwrap();
    training.run(300, None, &mut ()).unwrap();
    let agent = training.agent();
    let decider = agent.decider();
    let actor = weights(&lesson.config().algorithm, decider.shape(), &decider.numbers().unwrap());
    let inputs = lesson.world().observation.len();
    let network = Network::read_as(&actor.unwrap(), inputs, Output::Tanh).unwrap();
    let mut stream = seed::stream(1, "observations");
    let observations: Vec<f32> =
        (0..10_000 * inputs).map(|_| stream.random_range(-4.0..=4.0)).collect();
    let actions = agent.act(&observations, Mode::Deterministic).unwrap();
    for (row, action) in observations.chunks_exact(inputs).zip(actions) {
        let answer = network.forward(row);
        assert!((answer - action).abs() < 1e-5, "{answer} and {action}");
    }
}

#[test]
fn a_training_without_a_better_evaluation_stops() {
    let config = TrainConfig::parse(
        "steps: 100000
training: {warmUpSteps: 1000000, evaluateEvery: 100, checkpointEvery: 0, patience: 3}
environment: {episodeHours: 24}
zones: [{zone: EU-DE}]
validationEpisodes: 1
numEnvs: 1
",
    )
    .unwrap();
    let data = Data::read(&config, Path::new("")).unwrap();
    let lesson = Lesson::new(config, data).unwrap();
    let mut training = lesson.training(1).unwrap();
    training.run(100_000, None, &mut ()).unwrap();
    // Nothing is learned in a warm-up: the first evaluation, at 100, stays the best.
    assert_eq!(training.progress().steps, 400);
}

#[test]
fn a_policy_that_would_be_refused_in_the_end_is_refused_before_anything_is_learned() {
    for (problem, yaml) in [
        ("can't name a policy", "name: My Policy"),
        ("1 MiB", "algorithm: {sac: {hidden: [1024, 1024]}}"),
        ("bounds 500", "environment: {bounds: {minGramsPerKwh: 500, maxGramsPerKwh: 100}}"),
        ("percentile", "environment: {base: {percentile: {percentile: 140}}}"),
        ("has no threshold", "environment: {base: {lowest-window: {}}}"),
    ] {
        let config = TrainConfig::parse(&format!("{yaml}\nzones: [{{zone: EU-DE}}]\n")).unwrap();
        let data = Data::read(&config, Path::new("")).unwrap();
        let refused = Lesson::new(config, data).err().map(|error| error.to_string());
        assert!(refused.as_ref().is_some_and(|text| text.contains(problem)), "{yaml}: {refused:?}");
    }
}
