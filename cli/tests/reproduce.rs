//! `carbon-kube reproduce`: what is published comes out, and bad input is told so.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn reproduce(reference: &Path) -> Command {
    let mut command = Command::cargo_bin("carbon-kube").unwrap();
    command.args(["reproduce", "--quiet", "--reference"]).arg(reference);
    command
}

/// A small folder: a trace of 15-minute steps, with what two hours of 150 W emit under it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("traces")).unwrap();
    let steps = (0..36)
        .map(|step| format!("DE,2022-01-01T{:02}:{:02},{}", step / 4, step % 4 * 15, 100 + step));
    let trace = ["zone,timestamp,gco2_per_kwh".to_owned()].into_iter().chain(steps);
    let lines: Vec<String> = trace.collect();
    std::fs::write(folder.path().join("traces/opendc_first8h_2022.csv"), lines.join("\n")).unwrap();
    // Eight steps of 100 to 107 g/kWh: 0.3 kWh x 103.5.
    let expected = "zone,load,energy_kwh,gco2_integrated_exactly,gco2_in_opendc_test_source\n\
                    DE,any,0.3,31.05,31.05\n";
    std::fs::write(folder.path().join("opendc_carbon_arithmetic.csv"), expected).unwrap();
    folder
}

#[test]
fn a_check_that_holds_exits_with_0_and_one_that_does_not_with_1() {
    let folder = folder();
    let miss = reproduce(folder.path()).args(["opendc", "--check"]).assert().code(1);
    let printed = String::from_utf8_lossy(&miss.get_output().stdout).into_owned();
    assert!(printed.contains("DE   load"), "{printed}");
    let published = folder.path().join("opendc_carbon_arithmetic.csv");
    let text = std::fs::read_to_string(&published).unwrap();
    let text = text.replace("any", "120 min at 50 % load (150 W)");
    std::fs::write(&published, &text).unwrap();
    let met = reproduce(folder.path()).args(["opendc", "--check"]).assert().success();
    let printed = String::from_utf8_lossy(&met.get_output().stdout).into_owned();
    assert!(printed.contains("3 numbers, 0 outside of the tolerance"), "{printed}");
    std::fs::write(&published, text.replace("31.05,31.05", "31.06,31.05")).unwrap();
    let json = reproduce(folder.path())
        .args(["opendc", "--check", "--format", "json"])
        .assert()
        .code(1)
        .get_output()
        .stdout
        .clone();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["check"]["misses"][0]["column"], "gco2_integrated_exactly");
    assert_eq!(json["rows"][0][3], "31.05");
    // A published row that nothing here can run is no row that was met.
    std::fs::write(&published, format!("{text}XX,any,0.3,1,1\n")).unwrap();
    reproduce(folder.path()).args(["opendc", "--check"]).assert().code(1);
    reproduce(folder.path()).args(["opendc", "--check", "--region", "de"]).assert().success();
}

#[test]
fn the_csv_has_the_columns_of_the_published_file() {
    let folder = folder();
    let out = folder.path().parent().unwrap().join(format!("rows-{}.csv", std::process::id()));
    for _ in 0..2 {
        reproduce(folder.path()).args(["opendc", "--out"]).arg(&out).assert().success();
    }
    let published = std::fs::read_to_string(folder.path().join("opendc_carbon_arithmetic.csv"));
    let written = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    assert_eq!(written.lines().next(), published.unwrap().lines().next());
    assert_eq!(written.lines().count(), 2);
}

#[test]
fn bad_input_is_told_what_is_wrong_and_what_there_is() {
    let folder = folder();
    let path = folder.path();
    let fails = |args: &[&str], message: &str| {
        let error = reproduce(path).args(args).assert().code(2).get_output().stderr.clone();
        let error = String::from_utf8(error).unwrap();
        assert!(error.contains(message), "{args:?}: {error}");
    };
    fails(&["opencd"], "did you mean `opendc`?");
    fails(&["opendc", "--region", "dx"], "no region `dx`; there is `DE`");
    fails(&["gaia"], "has no file `hourly_");
    fails(&["lwa-1", "--check"], "lwa_scenario1.csv: is missing");
    fails(&["carbonscaler"], "carbonscaler_profiles.csv: is missing");
    let published = path.join("opendc_carbon_arithmetic.csv");
    fails(&["opendc", "--out", published.to_str().unwrap()], "is in the reference folder");
    std::fs::write(path.join("traces/hourly_XX.csv"), "hour,gco2_per_kwh\n0,5\n1,many\n").unwrap();
    fails(&["pause-resume"], "line 3, column `gco2_per_kwh`: `many` is not a number from");
    std::fs::write(path.join("traces/hourly_XX.csv"), "hour,gco2_per_kwh\n0,5\n1,6\n").unwrap();
    fails(&["pause-resume", "--window-h", "24"], "windows are whole hours, up to 2 here");
    fails(&["pause-resume"], "the filters select no case");
    let jobs = "arrival_time,length,cpus\n0,1e300,1\n";
    std::fs::write(path.join("gaia_pai1k_jobs.csv"), jobs).unwrap();
    fails(&["gaia"], "line 2, column `length`: `1e300` is not a number from 5 to 2592000");
    let own = path.with_extension("own.csv");
    std::fs::write(&own, "my,own,data\n").unwrap();
    fails(&["opendc", "--out", own.to_str().unwrap()], "exists and is no table of this study");
    std::fs::remove_file(&own).unwrap();
    let absent = path.join("absent");
    let error = reproduce(&absent).arg("gaia").assert().code(2).get_output().stderr.clone();
    assert!(String::from_utf8(error).unwrap().contains("is this the reference folder?"));
}

/// The folder with published results, where tests have it.
fn published() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("CARBON_KUBE_TEST_DATA") else {
        eprintln!("skipped: CARBON_KUBE_TEST_DATA is not set");
        return None;
    };
    let folder = Path::new(&folder).join("reference");
    assert!(folder.is_dir(), "CARBON_KUBE_TEST_DATA is set, but {} is missing", folder.display());
    Some(folder)
}

fn meets_the_published(args: &[&str]) {
    let Some(reference) = published() else { return };
    reproduce(&reference).args(args).arg("--check").assert().success();
}

#[test]
fn lwa_nightly_is_reproduced_without_error_and_with_the_authors_noise() {
    meets_the_published(&["lwa-1", "--error", "0"]);
    meets_the_published(&["lwa-1", "--region", "GB", "--error", "0.05"]);
}

#[test]
fn lwa_project_is_reproduced_for_every_deadline() {
    meets_the_published(&["lwa-2", "--region", "GB,FR", "--error", "0"]);
}

#[test]
fn gaia_is_reproduced_for_every_policy() {
    meets_the_published(&["gaia", "--trace", "DE-2020,FR-2020"]);
}

#[test]
fn pause_and_resume_is_reproduced() {
    meets_the_published(&["pause-resume"]);
}

#[test]
fn carbonscaler_is_reproduced() {
    meets_the_published(&["carbonscaler", "--trace", "US-CAL-CISO-2022"]);
}

#[test]
fn opendc_is_reproduced() {
    meets_the_published(&["opendc"]);
}
