//! A training that starts from a policy goes on from what that one decides.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;

use carbon_kube_core::seed;
use carbon_kube_policies::file::{Loaded, Provenance, sha256};
use carbon_kube_policies::library;
use carbon_kube_trainer::agents::Mode;
use carbon_kube_trainer::checkpoint::Store;
use carbon_kube_trainer::tuner::{Data, Lesson, PolicyFolder, TrainConfig};
use rand::RngExt;

/// Steps are few and episodes short; 2 of 3 steps make an update.
const SMALL: &str = "name: small
steps: 300
numEnvs: 2
training: {warmUpSteps: 60, evaluateEvery: 300, checkpointEvery: 100, updatesPerStep: 0.5}
environment: {episodeHours: 24}
forecast: seasonal
zones: [{zone: EU-DE}]
";

fn lesson_in(base: &Path, more: &str) -> Result<Lesson, String> {
    let config = TrainConfig::parse(&format!("{SMALL}{more}"))?;
    config.check()?;
    let data = Data::read(&config, base).map_err(|error| error.to_string())?;
    Lesson::new(config, data).map_err(|error| error.to_string())
}

fn lesson(more: &str) -> Lesson {
    lesson_in(Path::new(""), more).unwrap()
}

fn sac_v1() -> Loaded {
    library::find("sac-v1").unwrap().load().unwrap()
}

fn write(folder: &Path, policy: &PolicyFolder) {
    for (name, bytes) in policy.files() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// The weights after so many steps.
fn learned(lesson: &Lesson, seed: u64, steps: u64) -> Vec<u8> {
    let mut training = lesson.unjudged(seed).unwrap();
    training.run(steps, None, &mut ()).unwrap();
    lesson.last(training.agent()).unwrap()
}

#[test]
fn before_any_update_it_decides_as_the_policy_does() {
    let lesson = lesson("start: {policy: sac-v1, criticsFirst: 20}");
    let policy = sac_v1();
    let network = &policy.tuner.as_ref().unwrap().network;
    let mut training = lesson.unjudged(1).unwrap();
    let inputs = network.inputs();
    let mut stream = seed::stream(1, "observations");
    let observations: Vec<f32> =
        (0..10_000 * inputs).map(|_| stream.random_range(-4.0..=4.0)).collect();
    let actions = training.agent().act(&observations, Mode::Deterministic).unwrap();
    let mut distinct = 0;
    for (row, action) in observations.chunks_exact(inputs).zip(&actions) {
        let answer = network.forward(row);
        assert!((answer - action).abs() < 1e-5, "{answer} and {action}");
        distinct += u32::from(answer.abs() > 0.1);
    }
    assert!(distinct > 1_000, "it does decide something");
    // Its noise is small, and there.
    let explored = training.agent().act(&observations, Mode::WarmUp).unwrap();
    let apart = actions.iter().zip(&explored).map(|(mean, noisy)| (mean - noisy).abs());
    let apart = apart.map(f64::from).sum::<f64>() / 10_000.0;
    assert!((0.01..0.2).contains(&apart), "{apart}");
    // To the bit: what it would be exported as is what it came from.
    assert_eq!(lesson.last(training.agent()).unwrap(), policy.actor.unwrap().to_vec());
}

#[test]
fn the_actor_stays_until_the_critics_have_learned() {
    let lesson = lesson("start: {policy: sac-v1, criticsFirst: 40}");
    let actor = sac_v1().actor.unwrap().to_vec();
    let mut training = lesson.unjudged(1).unwrap();
    let first = training.agent().save().unwrap();
    training.run(140, None, &mut ()).unwrap();
    // 80 steps after a warm-up of 60, half an update each.
    assert_eq!(training.progress().updates, 40);
    // The noise that it starts with is less than the -1 nat that the temperature aims at.
    let metrics = training.agent().metrics();
    let entropy = metrics.iter().find(|(name, _)| *name == "entropy_nats").unwrap().1;
    assert!((-4.0..-1.0).contains(&entropy), "{entropy}");
    let then = training.agent().save().unwrap();
    for name in ["actor", "log_temperature"] {
        assert_eq!(first.model[name], then.model[name], "{name}");
    }
    for name in ["critic1", "critic2", "target1", "target2"] {
        assert_ne!(first.model[name], then.model[name], "{name}");
    }
    assert_eq!(lesson.last(training.agent()).unwrap(), actor);
    training.run(144, None, &mut ()).unwrap();
    assert_eq!(training.progress().updates, 42);
    let after = training.agent().save().unwrap();
    for name in ["actor", "log_temperature"] {
        assert_ne!(after.model[name], then.model[name], "{name}");
    }
    assert_ne!(lesson.last(training.agent()).unwrap(), actor);
}

#[test]
fn one_seed_gives_one_policy_and_a_resumed_training_the_same() {
    let lesson = lesson("start: {policy: sac-v1, criticsFirst: 40}");
    let through = learned(&lesson, 1, 300);
    assert_eq!(sha256(&learned(&lesson, 1, 300)), sha256(&through));
    assert_ne!(sha256(&learned(&lesson, 2, 300)), sha256(&through));
    // Stopped while only the critics learn.
    let directory = tempfile::tempdir().unwrap();
    let store = lesson.store(directory.path()).unwrap();
    lesson.unjudged(1).unwrap().run(100, Some(&store), &mut ()).unwrap();
    let mut second = lesson.unjudged(1).unwrap();
    second.resume(&store.last().unwrap().unwrap()).unwrap();
    second.run(300, None, &mut ()).unwrap();
    assert_eq!(sha256(&lesson.last(second.agent()).unwrap()), sha256(&through));
}

#[test]
fn what_the_policy_means_wins_over_the_environment() {
    let more = "start: {policy: sac-v1, criticsFirst: 20}";
    let own =
        SMALL.replace("{episodeHours: 24}", "{episodeHours: 24, controlMinutes: 30, base: plan}");
    let config = TrainConfig::parse(&format!("{own}{more}")).unwrap();
    let data = Data::read(&config, Path::new("")).unwrap();
    let lesson = Lesson::new(config, data).unwrap();
    assert_eq!(lesson.world().episode_hours, 24);
    let policy = sac_v1();
    let folder = lesson.folder(policy.actor.unwrap().to_vec(), Provenance::default()).unwrap();
    assert_eq!(folder.policy.file.tuner, policy.file.tuner);
    assert_eq!(folder.policy.file.bounds, policy.file.bounds);
    assert_eq!(folder.policy.file.fallback, policy.file.fallback);
    assert_eq!(lesson.data().sha256["policy/sac-v1"], policy.sha256);
}

#[test]
fn a_checkpoint_of_a_training_from_another_policy_is_refused() {
    let (base, checkpoints) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let more = "start: {policy: ours, criticsFirst: 20}";
    let ours = base.path().join("ours");
    std::fs::create_dir(&ours).unwrap();
    let first = lesson("start: {policy: sac-v1, criticsFirst: 20}");
    let folder = |actor| first.folder(actor, Provenance::default()).unwrap();
    write(&ours, &folder(sac_v1().actor.unwrap().to_vec()));
    let before = lesson_in(base.path(), more).unwrap();
    let store = Store::open(checkpoints.path(), 1).unwrap();
    let mut training = before.unjudged(1).unwrap();
    training.run(100, Some(&store), &mut ()).unwrap();
    let checkpoint = store.last().unwrap().unwrap();
    before.unjudged(1).unwrap().resume(&checkpoint).unwrap();
    // The same name in the same place, and other weights.
    write(&ours, &folder(learned(&first, 1, 300)));
    let other = lesson_in(base.path(), more).unwrap();
    let refused = other.unjudged(1).unwrap().resume(&checkpoint).unwrap_err().to_string();
    assert!(refused.ends_with("a training with other settings"), "{refused}");
}

#[test]
fn what_can_not_be_started_from_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let check = |more: &str, problem: &str| {
        let refused = lesson_in(base.path(), more).err();
        assert!(refused.as_ref().is_some_and(|text| text.contains(problem)), "{more}: {refused:?}");
    };
    let start = "start: {policy: sac-v1, criticsFirst: 20}";
    for algorithm in ["dqn", "a2c"] {
        let problem = format!("start: `{algorithm}` can't start from a policy; only `sac` can");
        check(&format!("algorithm: {{{algorithm}: {{}}}}\n{start}"), &problem);
    }
    check(
        &format!("algorithm: {{sac: {{hidden: [64, 32]}}}}\n{start}"),
        "algorithm.sac.hidden: [64, 32], and those of `sac-v1` are [64, 64]: give these",
    );
    let rule = "start: {policy: plan-v1, criticsFirst: 20}";
    check(
        rule,
        "start.policy: `plan-v1` is the rule `plan`; a training starts from a `kind: tuner`",
    );
    check("start: {policy: sac-v2, criticsFirst: 20}", "sac-v2/policy.yaml: ");
    let never = "start: {policy: sac-v1, criticsFirst: 120}";
    check(never, "start.criticsFirst: is 120, and there are 120 updates");

    // A tuner that chooses among a few answers.
    let dqn = lesson("algorithm: {dqn: {hidden: [64, 64]}}");
    let actor = learned(&dqn, 1, 100);
    let chooses = base.path().join("chooses");
    std::fs::create_dir(&chooses).unwrap();
    write(&chooses, &dqn.folder(actor, Provenance::default()).unwrap());
    let argmax = "start: {policy: chooses, criticsFirst: 20}";
    check(argmax, "start.policy: `small` is a tuner with `output: argmax`; a training starts from");
    // Files that are no policy, or not the one that was exported.
    std::fs::write(chooses.join("actor.safetensors"), "no weights").unwrap();
    check(argmax, "start.policy: chooses: actor.safetensors: checksum");
    std::fs::write(chooses.join("SHA256SUMS"), format!("{}  policy.yaml\n", "0".repeat(64)))
        .unwrap();
    check(argmax, "start.policy: chooses: checksum");
    std::fs::write(chooses.join("policy.yaml"), "kind: tuner").unwrap();
    std::fs::remove_file(chooses.join("SHA256SUMS")).unwrap();
    check(argmax, "start.policy: chooses: not a policy file");
}
