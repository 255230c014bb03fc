//! `report`: the page of a run, what it refuses, and how it looks in a browser.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Ended, Workplace};

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    let ended = workplace.run("sim run tiny.yaml --out results --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    workplace
}

fn printed(ended: &Ended) -> (Option<i32>, &str, &str) {
    (ended.code, &ended.out, &ended.err)
}

#[test]
fn the_page_is_written_beside_the_results_or_where_told() {
    let workplace = workplace();
    let ended = workplace.run("report results");
    assert_eq!(printed(&ended), (Some(0), "report: results/report.html\n", ""));
    let page = workplace.read("results/report.html");
    assert!(page.contains("tiny") && page.contains("percentile"));
    let ended = workplace.run("report results -o page.html");
    assert_eq!(printed(&ended), (Some(0), "report: page.html\n", ""));
    assert_eq!(workplace.read("page.html"), page);
    // An earlier report is replaced.
    assert_eq!(workplace.run("report results").code, Some(0));
    assert!(!workplace.names("results").iter().any(|name| name.starts_with(".report")));
    insta::assert_snapshot!(workplace.run("report --help").out);
}

#[test]
fn a_folder_that_is_no_run_says_what_is_wrong() {
    let workplace = workplace();
    insta::assert_snapshot!(workplace.run("report more").failure());
    insta::assert_snapshot!(workplace.run("report tiny.yaml").failure());
    insta::assert_snapshot!(workplace.run("report .").failure());
    workplace.write("results/pods.parquet", "not a table");
    insta::assert_snapshot!(workplace.run("report results").failure());
    std::fs::remove_file(workplace.path().join("results/pods.parquet")).unwrap();
    insta::assert_snapshot!(workplace.run("report results").failure());
    assert!(!workplace.names("results").contains(&"report.html".to_owned()));
}

/// A slip such as `-o results/summary.json` must not cost anybody their results.
#[test]
fn nothing_but_a_report_is_overwritten() {
    let workplace = workplace();
    let before = workplace.read("results/summary.json");
    insta::assert_snapshot!(workplace.run("report results -o results/summary.json").failure());
    assert_eq!(workplace.read("results/summary.json"), before);
    insta::assert_snapshot!(workplace.run("report results -o results").failure());
    insta::assert_snapshot!(workplace.run("report results -o none/page.html").failure());
}

/// A browser of the family, from CHROMIUM or the path.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let files = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// What `look.html` sees of the report beside it, in a frame of so many pixels.
fn look(browser: &Path, folder: &Path, width: u32, dark: bool) -> serde_json::Value {
    let profile = tempfile::tempdir().unwrap();
    let page = format!("file://{}/look.html?width={width}", folder.display());
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--allow-file-access-from-files", "--virtual-time-budget=20000"])
        .args(["--window-size=1300,1000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(page)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let seen = text.split_once("SEEN ").and_then(|(_, rest)| rest.split_once(" NEES"));
    let (seen, _) = seen.unwrap_or_else(|| {
        panic!("nothing seen: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    serde_json::from_str(seen).unwrap()
}

#[test]
fn a_browser_shows_it_in_both_schemes_and_on_a_phone() {
    let Some(browser) = chromium() else {
        eprintln!("skipped: there is no Chromium in PATH, and CHROMIUM names none");
        return;
    };
    let workplace = workplace();
    assert_eq!(workplace.run("report results").code, Some(0));
    workplace.write("results/look.html", include_str!("files/look.html"));
    for (width, dark) in [(390, false), (390, true), (1200, false), (1200, true)] {
        let seen = look(&browser, &workplace.path().join("results"), width, dark);
        let number = |name: &str| seen[name].as_f64().unwrap_or(f64::NAN);
        assert_eq!(seen["dark"], dark, "{seen}");
        assert!(number("words") > 50.0, "{seen}");
        // Saving, delay, two trades, and two zones over time.
        assert_eq!(seen["pictures"], 6, "{seen}");
        assert_eq!(seen["fetched"], 0, "it needs no other file: {seen}");
        assert_eq!(seen["wider"], 0, "the page itself never scrolls sideways: {seen}");
        // Wide tables scroll in their box on a phone, and need not on a desk.
        assert_eq!(number("wideTables") > 0.0, width == 390, "{seen}");
        assert!(number("lowestLetters") >= 10.0, "letters of the pictures: {seen}");
        assert!(number("lowestContrast") >= 4.5, "WCAG 2.2, 1.4.3: {seen}");
        assert!(number("lowestLineContrast") >= 3.0, "WCAG 2.2, 1.4.11: {seen}");
    }
}
