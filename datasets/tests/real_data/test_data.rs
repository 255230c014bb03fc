//! Where the real data are.

use std::io::Write;
use std::path::PathBuf;

/// A file of the test data; `None`, with a word on standard error, where there is no test data.
pub fn file(path: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("CARBON_KUBE_TEST_DATA") else {
        // Not `eprintln!`: the test runner would swallow it, as it does for tests that pass.
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = writeln!(std::io::stderr(), "skipped: {name}: CARBON_KUBE_TEST_DATA is not set");
        return None;
    };
    let file = PathBuf::from(folder).join("data").join(path);
    assert!(file.is_file(), "CARBON_KUBE_TEST_DATA is set, but {} is missing", file.display());
    Some(file)
}
