use std::fs;

use super::super::{OutputDirectory, Written, fixture, write_all};
use super::*;
use crate::outcome::Outcome;
use crate::world::World;

const SCENARIO: &str = "apiVersion: carbon-kube.io/v1alpha1
metadata: {name: tiny, description: Two zones.}
spec:
  start: \"2020-06-01T00:00:00Z\"
  duration: 4h
  forecast: {kind: noisy, error: 0.1}
  outputs: {pods: true, zones: true}
";

/// A folder of results under a temporary one.
fn results(world: &World, outcomes: &[Outcome], scenario: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let outcomes: Vec<&Outcome> = outcomes.iter().collect();
    let written = Written {
        scenario,
        events: &[],
        pods: true,
        zones: true,
        charts: false,
        complete: true,
        capacity: None,
    };
    let directory = OutputDirectory::create(&root.path().join("run"), false).unwrap();
    write_all(&directory, world, &outcomes, &written).unwrap();
    let folder = directory.commit().unwrap();
    (root, folder)
}

fn tiny() -> (tempfile::TempDir, PathBuf) {
    let (world, outcomes) = fixture::tiny();
    results(&world, &outcomes, SCENARIO)
}

/// Nothing that a browser would fetch or run, and no number that is none.
fn self_contained(page: &str) {
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for word in ["<script", "<img", "<link", "<iframe", " src=", "href", "url(", "@import", "://"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf,"));
}

#[test]
fn a_folder_becomes_a_page_that_needs_nothing_else() {
    let (_root, folder) = tiny();
    let page = page(&folder).unwrap();
    assert!(page.starts_with(MARK));
    self_contained(&page);
    for text in [
        "Modelled intensity, not measured: US-TX (typical-year model).",
        "2020-06-01 00:00:00 UTC, 4h",
        "EIA region CAL",
        "average direct, local factors",
        "error 0.1, kind noisy",
        "<dt>seed</dt><dd>7</dd>",
        "Software Carbon Intensity",
        "Two zones.",
        "description: Two zones.",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // Saving, delay, two trades, two zones.
    assert_eq!(page.matches("<figure>").count(), 6);
}

#[test]
fn the_same_folder_has_the_same_bytes() {
    let ((_a, first), (_b, second)) = (tiny(), tiny());
    assert_eq!(page(&first).unwrap(), page(&second).unwrap());
}

#[test]
fn all_shapes_of_runs_are_pages() {
    for (policies, zones, days) in [(1, 1, 1), (2, 1, 0), (10, 7, 7), (3, 2, 400), (20, 1, 1)] {
        let (world, outcomes) = fixture::many(policies, zones, days);
        let (_root, folder) = results(&world, &outcomes, SCENARIO);
        self_contained(&page(&folder).unwrap());
    }
}

#[test]
fn names_that_are_markup_are_text() {
    let (mut world, mut outcomes) = fixture::tiny();
    let hostile = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>&";
    world.name = hostile.to_owned();
    for (number, outcome) in outcomes.iter_mut().enumerate() {
        outcome.policy = format!("{hostile}{number}");
    }
    let scenario = format!("{SCENARIO}# </pre>{hostile}\n");
    let (_root, folder) = results(&world, &outcomes, &scenario);
    let page = page(&folder).unwrap();
    assert!(!page.contains("<img") && !page.contains("<script"));
    assert!(page.contains("&#60;img src=x onerror=alert(1)&#62;"), "it is shown as it is");
}

#[test]
fn what_the_scenario_left_out_is_said_and_no_error() {
    let (_root, folder) = tiny();
    let scenario = SCENARIO.replace("pods: true, zones: true", "pods: false, zones: false");
    fs::write(folder.join("scenario.effective.yaml"), scenario).unwrap();
    fs::remove_file(folder.join("pods.parquet")).unwrap();
    fs::remove_file(folder.join("zones.parquet")).unwrap();
    let page = page(&folder).unwrap();
    assert!(page.contains("wrote no pods.parquet") && page.contains("wrote no zones.parquet"));
    assert_eq!(page.matches("<figure>").count(), 3);
}

#[test]
fn no_and_on_in_the_scenario_are_texts() {
    let (world, outcomes) = fixture::tiny();
    let scenario = SCENARIO.replace("description: Two zones.", "description: no");
    let (_root, folder) = results(&world, &outcomes, &scenario);
    assert_eq!(folder::read(&folder).unwrap().scenario.description(), Some("no"));
}

#[test]
fn traces_say_what_was_left_out_and_assumed() {
    let (_root, folder) = tiny();
    let path = folder.join("summary.json");
    let traces = r#"{"traces": [{"workload": "train", "path": "a.csv", "format": "borg", "rows": 1200,
        "pods": 1000, "skipped": {"cancelled": 200},
        "assumptions": [{"name": "memory", "text": "4 GiB", "rows": 12}]}],"#;
    let summary = fs::read_to_string(&path).unwrap().replacen('{', traces, 1);
    fs::write(&path, summary).unwrap();
    let page = page(&folder).unwrap();
    for text in [
        "1,000 pods of 1,200 rows of a.csv (borg).",
        "200 rows left out: cancelled",
        "assumed, memory: 4 GiB (12 rows)",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

/// Changes a folder and returns the error, with the folder's own path taken out.
fn failure(change: impl FnOnce(&Path)) -> String {
    let (_root, folder) = tiny();
    change(&folder);
    let error = page(&folder).expect_err("it is refused");
    assert!(error.hint().is_some(), "{error}");
    error.to_string().replace(&folder.display().to_string(), "run")
}

#[test]
fn broken_and_missing_files_are_named() {
    let cut = |name: &'static str| {
        move |folder: &Path| {
            let bytes = fs::read(folder.join(name)).unwrap();
            fs::write(folder.join(name), &bytes[..bytes.len() / 2]).unwrap();
        }
    };
    let written = |name: &'static str, text: &'static str| {
        move |folder: &Path| fs::write(folder.join(name), text).unwrap()
    };
    for name in ["summary.json", "scenario.effective.yaml", "pods.parquet", "zones.parquet"] {
        let missing = failure(|folder| fs::remove_file(folder.join(name)).unwrap());
        assert_eq!(missing, format!("run/{name}: there is no such file"));
    }
    for name in ["pods.parquet", "zones.parquet"] {
        let broken = failure(cut(name));
        assert!(broken.starts_with(&format!("run/{name}: not a table of a run: ")), "{broken}");
        let empty = failure(written(name, ""));
        assert!(empty.starts_with(&format!("run/{name}: not a table of a run: ")), "{empty}");
    }
    let broken = failure(cut("summary.json"));
    assert!(broken.contains("run/summary.json: not the summary of a run: "), "{broken}");
    assert!(broken.contains("line "), "{broken}");
    let newer = failure(written("summary.json", "{\"version\": 2}"));
    assert_eq!(newer, "run/summary.json: version 2 of the format; this program reads 1");
    let noise = failure(|folder| fs::write(folder.join("summary.json"), [0xff, 0xfe]).unwrap());
    assert_eq!(noise, "run/summary.json: not text (UTF-8)");
    let noise = failure(written("scenario.effective.yaml", "a: [1\n"));
    assert!(noise.starts_with("run/scenario.effective.yaml: not the scenario of a run"), "{noise}");
}

/// Every byte of a small table is spoiled in turn, by one bit.
#[test]
fn a_table_with_a_flipped_bit_is_refused_or_gives_the_same_numbers() {
    let (_root, folder) = tiny();
    // As text: an hour beyond the trace is NaN, which equals nothing.
    let numbers = |kept: &folder::Folder| format!("{:?} {:?}", kept.pods, kept.hours);
    let truth = numbers(&folder::read(&folder).unwrap());
    for name in ["pods.parquet", "zones.parquet"] {
        let path = folder.join(name);
        let bytes = fs::read(&path).unwrap();
        let mut refused = 0;
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, flipped).unwrap();
            match folder::read(&folder) {
                Ok(kept) => assert!(numbers(&kept) == truth, "{name}, byte {at}"),
                Err(error) => {
                    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused * 3 > bytes.len(), "{name}: {refused} of {}", bytes.len());
        for end in (0..bytes.len()).step_by(7) {
            fs::write(&path, &bytes[..end]).unwrap();
            let error = folder::read(&folder).err().unwrap().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
        }
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_folder_where_a_table_belongs_is_named() {
    let error = failure(|folder| {
        fs::remove_file(folder.join("pods.parquet")).unwrap();
        fs::create_dir(folder.join("pods.parquet")).unwrap();
    });
    assert!(error.starts_with("run/pods.parquet: "), "{error}");
}

#[test]
fn a_table_of_another_run_is_refused() {
    let edited = |from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join("summary.json");
            let summary = fs::read_to_string(&path).unwrap();
            assert!(summary.contains(from));
            fs::write(path, summary.replace(from, to)).unwrap();
        }
    };
    assert_eq!(
        failure(edited("\"seed\": 7", "\"seed\": 8")),
        "run/pods.parquet: the table belongs to another run: its seed is `7`, that of summary.json `8`"
    );
    assert_eq!(
        failure(edited("\"threshold\"", "\"tuner\"")),
        "run/pods.parquet: the table belongs to another run: summary.json has no policy `threshold`"
    );
}

#[test]
fn a_file_or_nothing_is_no_folder() {
    let (_root, folder) = tiny();
    let file = page(&folder.join("summary.json")).unwrap_err();
    assert!(matches!(file, PageError::NotFolder { .. }));
    let nothing = page(&folder.join("more")).unwrap_err();
    assert!(nothing.to_string().ends_with("there is no such folder"));
}

const STYLE: &str = include_str!("../../../templates/report/style.css");

/// A picture's colour without a rule would stay that of the light scheme, black on black.
#[test]
fn every_colour_of_the_pictures_has_its_place_in_both_schemes() {
    let (world, outcomes) = fixture::many(10, 2, 3);
    let (_root, folder) = results(&world, &outcomes, SCENARIO);
    let page = page(&folder).unwrap();
    for kind in ["fill", "stroke"] {
        for part in page.split(&format!("{kind}=\"#")).skip(1) {
            let rule = format!("[{kind}=\"#{}\"] {{ {kind}: ", &part[..6]);
            assert!(STYLE.contains(&rule), "{rule}");
        }
    }
}

/// WCAG 2.2, success criteria 1.4.3 (text, 4.5) and 1.4.11 (lines, 3).
#[test]
fn colours_have_contrast_in_every_scheme() {
    let schemes: Vec<&str> = STYLE.split(":root {").skip(1).collect();
    assert_eq!(schemes.len(), 3, "light, dark, print");
    for scheme in schemes {
        let colour = |name: &str| {
            let (_, rest) = scheme.split_once(&format!("--{name}: #")).unwrap();
            let channel = |i: usize| f64::from(u8::from_str_radix(&rest[i..i + 2], 16).unwrap());
            let linear = |v: f64| {
                if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            let [r, g, b] = [0, 2, 4].map(|i| linear(channel(i) / 255.0));
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let check = |ink: &str, paper: &str, least: f64| {
            let (a, b) = (colour(ink), colour(paper));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= least, "{ink} on {paper}: {contrast:.2}\n{scheme:.200}");
        };
        for paper in ["paper", "sheet"] {
            for ink in ["ink", "faint", "link"] {
                check(ink, paper, 4.5);
            }
        }
        check("good", "paper", 4.5);
        check("warn-ink", "warn-sheet", 4.5);
        for line in ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "edge"] {
            check(line, "paper", 3.0);
        }
    }
}
