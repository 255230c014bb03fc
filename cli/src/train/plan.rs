//! What is to be trained, and in which folder.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use carbon_kube_policies::forecast::library;
use carbon_kube_policies::library as policies;
use carbon_kube_trainer::agents::{a2c, dqn, sac};
use carbon_kube_trainer::tuner::{
    Algorithm, Data, DataError, ForecastKind, Lesson, LessonError, TrainConfig,
};

use super::args::{Algo, TrainArgs};
use crate::datasets::read_failure;
use crate::failure::Failure;

/// Name of the settings in a training's folder.
const SETTINGS: &str = "train.yaml";

/// A training, ready to begin or to go on.
pub struct Plan {
    pub lesson: Lesson,
    pub folder: PathBuf,
}

/// The plan that the arguments mean. Of a new training the folder is made.
pub fn plan(args: &TrainArgs) -> Result<Plan, Failure> {
    match &args.resume {
        Some(folder) => resumed(folder, args),
        None => fresh(args),
    }
}

fn fresh(args: &TrainArgs) -> Result<Plan, Failure> {
    let (mut config, base) = match &args.file {
        Some(file) => (read(file)?, file.parent().unwrap_or(Path::new("")).to_owned()),
        None => (TrainConfig::default(), PathBuf::new()),
    };
    apply(args, &mut config);
    let place =
        args.file.as_deref().map_or("default settings".into(), |file| file.display().to_string());
    checked(&config, &place)?;
    make_absolute(&mut config, &base)?;
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => Path::new("runs").join(format!("train-{}", config.name)),
    };
    let is_taken = folder.symlink_metadata().is_ok()
        && !folder.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if is_taken {
        let hint = format!(
            "name another one with `--out`, or go on with `carbon-kube train --resume {}`",
            folder.display()
        );
        return Err(Failure::new(format!("{}: the folder exists", folder.display())).hint(hint));
    }
    let lesson = lesson(config, &place)?;
    let unwritable = |error: std::io::Error| {
        Failure::new(format!("{}: can't write: {error}", folder.display()))
            .hint("name a folder that you may write to with `--out`")
    };
    fs::create_dir_all(&folder).map_err(unwritable)?;
    fs::write(folder.join(SETTINGS), lesson.config().yaml()).map_err(unwritable)?;
    Ok(Plan { lesson, folder })
}

fn resumed(folder: &Path, args: &TrainArgs) -> Result<Plan, Failure> {
    let file = folder.join(SETTINGS);
    if !file.is_file() {
        return Err(no_training(folder).of("--resume"));
    }
    let mut config = read(&file)?;
    apply(args, &mut config);
    let place = file.display().to_string();
    checked(&config, &place)?;
    Ok(Plan { lesson: lesson(config, &place)?, folder: folder.to_owned() })
}

/// The settings in a file, with paths that hold from anywhere, and the data that they name.
pub fn settings_and_data(file: &Path) -> Result<(TrainConfig, Data), Failure> {
    let mut config = read(file)?;
    let place = file.display().to_string();
    checked(&config, &place)?;
    make_absolute(&mut config, file.parent().unwrap_or(Path::new("")))?;
    let data = data(&config, &place)?;
    Ok((config, data))
}

/// A copy of the settings has to find the files from wherever it is read.
fn make_absolute(config: &mut TrainConfig, base: &Path) -> Result<(), Failure> {
    let absolute = |path: &Path| {
        std::path::absolute(base.join(path))
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    };
    for file in config.zones.iter_mut().flat_map(|zone| &mut zone.files) {
        *file = absolute(file)?;
    }
    if let ForecastKind::Model(source) = &mut config.forecast
        && library::find(source).is_none()
    {
        *source = absolute(Path::new(source))?.display().to_string();
    }
    if let Some(start) = &mut config.start
        && policies::find(&start.policy).is_none()
    {
        start.policy = absolute(Path::new(&start.policy))?.display().to_string();
    }
    Ok(())
}

/// The training in a folder, as it was planned.
pub fn open(folder: &Path) -> Result<Lesson, Failure> {
    let file = folder.join(SETTINGS);
    if !file.is_file() {
        return Err(no_training(folder));
    }
    let config = read(&file)?;
    let place = file.display().to_string();
    checked(&config, &place)?;
    lesson(config, &place)
}

fn no_training(folder: &Path) -> Failure {
    Failure::new(format!("{}: there is no training in this folder", folder.display()))
        .hint("name the folder that `carbon-kube train` wrote, the one with `train.yaml`")
}

fn read(file: &Path) -> Result<TrainConfig, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        let hint = (error.kind() == ErrorKind::NotFound)
            .then_some("without a file, `carbon-kube train` learns on the bundled data");
        Failure::new(format!("{}: {error}", file.display())).maybe_hint(hint)
    })?;
    TrainConfig::parse(&text).map_err(|problem| {
        Failure::new(format!("{}: {problem}", file.display()))
            .hint("`carbon-kube train --schema` has every key with its range and default")
    })
}

fn apply(args: &TrainArgs, config: &mut TrainConfig) {
    config.seeds = args.seeds.unwrap_or(config.seeds);
    config.num_envs = args.num_envs.unwrap_or(config.num_envs);
    if let Some(steps) = args.steps {
        config.steps = steps;
        // A short training is evaluated too: once, at its end.
        let every = &mut config.training.evaluate_every;
        *every = (*every).min(steps.max(1));
    }
    let other = |algo: Algo| match algo {
        Algo::Sac => Algorithm::Sac(sac::Settings::default()),
        Algo::Dqn => Algorithm::Dqn(dqn::Settings::default()),
        Algo::A2c => Algorithm::A2c(a2c::Settings::default()),
    };
    if let Some(algorithm) = args.algo.map(other)
        && algorithm.name() != config.algorithm.name()
    {
        config.algorithm = algorithm;
    }
}

fn checked(config: &TrainConfig, place: &str) -> Result<(), Failure> {
    config.check().map_err(|problem| {
        Failure::new(format!("{place}: {problem}"))
            .hint("`carbon-kube train --schema` has every key with its range and default")
    })
}

/// The data of settings whose paths are absolute.
fn data(config: &TrainConfig, place: &str) -> Result<Data, Failure> {
    Data::read(config, Path::new("")).map_err(|error| match error {
        DataError::Read(error) => read_failure(error),
        DataError::Forecast(_) => Failure::new(format!("{place}: {error}")).hint(format!(
            "name a folder that `carbon-kube forecast train` wrote, relative to the settings, or `{}`",
            library::DEFAULT
        )),
        DataError::Start(_) => Failure::new(format!("{place}: {error}"))
            .hint("name a shipped policy that `carbon-kube train` made, such as `sac-v1`, or its folder"),
        DataError::NotBundled(_) => Failure::new(format!("{place}: {error}"))
            .hint("give it `files`; `carbon-kube datasets list` shows what is bundled"),
        DataError::Range { .. } => Failure::new(format!("{place}: {error}"))
            .hint("move `training` or `validation` of the zone, or lower `embargoDays`"),
        DataError::Io { .. } => Failure::new(format!("{place}: {error}"))
            .hint("paths in `files` are relative to the folder of the settings"),
    })
}

fn lesson(config: TrainConfig, place: &str) -> Result<Lesson, Failure> {
    let data = data(&config, place)?;
    Lesson::new(config, data).map_err(|error| {
        let hint = matches!(error, LessonError::Training(_))
            .then_some("give a zone a longer `training`, or shorten `environment.episodeHours`");
        Failure::new(format!("{place}: {error}")).maybe_hint(hint)
    })
}
