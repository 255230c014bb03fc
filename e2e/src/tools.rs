//! Where the programs of a control plane come from.
//!
//! ```text
//! KUBEBUILDER_ASSETS is set   -> that folder, and nothing else
//! else                        -> e2e/tools/build: its cache, or a build from Go modules
//! ```
//!
//! The assets that envtest downloads are etcd, kube-apiserver and kubectl. With those there is no
//! scheduler, and what needs one is skipped: out loud, with [`skip`].

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// A program that the tests may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the name of the program")]
pub enum Tool {
    Etcd,
    KubeApiserver,
    KubeControllerManager,
    KubeScheduler,
    Kubectl,
    Helm,
    Kubeconform,
    HelmDocs,
    Actionlint,
}

impl Tool {
    /// The name of the executable.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::Kubeconform => "kubeconform",
            Self::HelmDocs => "helm-docs",
            Self::Actionlint => "actionlint",
        }
    }
}

/// The folder that `KUBEBUILDER_ASSETS` names.
fn assets() -> Option<PathBuf> {
    env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Whether `tool` can be had here, without building anything: not when the folder that
/// `KUBEBUILDER_ASSETS` names lacks it.
pub fn is_available(tool: Tool) -> bool {
    assets().is_none_or(|folder| folder.join(tool.name()).is_file())
}

/// The path of a tool, which is built first when it has to be. That takes minutes from an empty
/// cache; progress goes to standard error.
///
/// # Errors
/// When the folder that `KUBEBUILDER_ASSETS` names lacks it, or the build fails.
pub fn path(tool: Tool) -> Result<PathBuf> {
    Ok(paths(&[tool])?.remove(0))
}

/// The paths of several tools, in the order asked for. Blocks, like [`path`].
///
/// # Errors
/// As [`path`].
pub fn paths(tools: &[Tool]) -> Result<Vec<PathBuf>> {
    if let Some(folder) = assets() {
        return tools.iter().map(|tool| in_assets(&folder, *tool)).collect();
    }
    // Tests run side by side; the lock lets one of them build while the others wait for it.
    static BUILT: Mutex<BTreeMap<Tool, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<Tool> =
        tools.iter().copied().filter(|tool| !built.contains_key(tool)).collect();
    if !missing.is_empty() {
        for (tool, path) in missing.iter().zip(build(&missing)?) {
            built.insert(*tool, path);
        }
    }
    Ok(tools.iter().map(|tool| built[tool].clone()).collect())
}

fn in_assets(folder: &Path, tool: Tool) -> Result<PathBuf> {
    let path = folder.join(tool.name());
    if !path.is_file() {
        bail!("KUBEBUILDER_ASSETS names {}, which has no `{}`", folder.display(), tool.name());
    }
    Ok(path)
}

/// Runs `e2e/tools/build`, which prints `name<TAB>path` for each tool in the order asked for.
fn build(tools: &[Tool]) -> Result<Vec<PathBuf>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/build");
    let output = Command::new(&script)
        .args(tools.iter().map(|tool| tool.name()))
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("running {}", script.display()))?;
    if !output.status.success() {
        bail!("{} failed with {}; its messages are above", script.display(), output.status);
    }
    let text = String::from_utf8(output.stdout).context("the paths of the tools")?;
    let paths: Vec<PathBuf> = text
        .lines()
        .zip(tools)
        .filter_map(|(line, tool)| line.strip_prefix(tool.name())?.strip_prefix('\t'))
        .map(PathBuf::from)
        .collect();
    if paths.len() != tools.len() {
        bail!("{} printed something else than a path per tool:\n{text}", script.display());
    }
    Ok(paths)
}

/// Says that a test is skipped, and why, on standard error itself: what `eprintln!` writes, the test
/// harness hides when a test passes.
pub fn skip(test: &str, why: &str) {
    let _ = writeln!(io::stderr(), "skipped: {test}: {why}");
}
