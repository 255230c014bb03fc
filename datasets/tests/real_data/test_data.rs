//! Where the real data are.

use std::path::PathBuf;

/// A file of the test data; `None`, with a word on standard error, where there is no test data.
pub fn file(path: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("CARBON_KUBE_TEST_DATA") else {
        eprintln!("skipped: CARBON_KUBE_TEST_DATA is not set");
        return None;
    };
    let file = PathBuf::from(folder).join("data").join(path);
    assert!(file.is_file(), "CARBON_KUBE_TEST_DATA is set, but {} is missing", file.display());
    Some(file)
}
