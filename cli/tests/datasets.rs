//! `datasets`, `scenario schema`, `completions`, `--help`.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use support::{Workplace, root};

#[test]
fn the_list_names_every_grid_that_needs_no_file() {
    let ended = Workplace::new().run("datasets list");
    assert_eq!(ended.code, Some(0));
    insta::assert_snapshot!(ended.out);
    let json = Workplace::new().run("datasets list --format json");
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["measured"].as_array().unwrap().len(), 6);
    assert_eq!(json["modelled"].as_array().unwrap().len(), 7);
}

#[test]
fn statistics_of_a_zone_say_what_was_measured() {
    insta::assert_snapshot!(Workplace::new().run("datasets stats DE-LU").out);
}

#[test]
fn statistics_of_a_zone_without_data_are_those_of_the_model_and_say_so() {
    insta::assert_snapshot!(Workplace::new().run("datasets stats US-TX").out);
}

#[test]
fn statistics_of_a_file_read_named_columns_and_units() {
    let workplace = Workplace::new();
    workplace.write("mine.csv", "when,lbs\n2020-01-01 00:00,1000\n2020-01-01 01:00,2000\n");
    // 1,000 lb/MWh are 453.6 g/kWh.
    let ended = workplace.run(
        "datasets stats mine.csv --zone EU-DE --time-column when --value-column lbs --unit lb/MWh",
    );
    insta::assert_snapshot!(ended.out);
}

#[test]
fn what_is_no_dataset_is_an_error_with_a_hint() {
    let workplace = Workplace::new();
    insta::assert_snapshot!(workplace.run("datasets stats US-CAX").failure());
    insta::assert_snapshot!(workplace.run("datasets stats tiny.yaml").failure());
    insta::assert_snapshot!(workplace.run("datasets stats tiny.yaml --zone EU-DE").failure());
}

#[test]
fn the_schema_is_the_one_in_the_repository() {
    let committed = std::fs::read_to_string(root().join("scenarios/scenario.schema.json")).unwrap();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(json(&Workplace::new().run("scenario schema").out), json(&committed));
}

#[test]
fn completions_exist_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = Workplace::new().run(&format!("completions {shell}"));
        assert!(ended.code == Some(0) && ended.out.contains("carbon-kube"), "{shell}");
    }
}

#[test]
fn every_help_has_an_example() {
    let workplace = Workplace::new();
    for command in [
        "",
        "sim run",
        "sim validate",
        "scenario schema",
        "datasets list",
        "datasets stats",
        "datasets fit-typical-year",
        "completions",
    ] {
        let ended = workplace.run(&format!("{command} --help"));
        assert!(ended.code == Some(0) && ended.out.contains("Example"), "{command}");
    }
    insta::assert_snapshot!(workplace.run("sim run --help").out);
}
