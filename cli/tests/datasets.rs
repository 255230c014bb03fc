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
fn statistics_of_a_file_in_the_open_format_are_those_of_its_mix() {
    let workplace = Workplace::new();
    std::fs::copy(
        root().join("datasets/data/EU-FR_2020_entsoe.csv.gz"),
        workplace.path().join("FR.csv.gz"),
    )
    .unwrap();
    let mean = |words: &str| {
        let json = workplace.run(&format!("datasets stats {words} --format json")).out;
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["meanGramsPerKwh"].clone()
    };
    assert_eq!(mean("FR.csv.gz --zone EU-FR"), mean("EU-FR"));
    assert_ne!(mean("FR.csv.gz --zone EU-FR --factor-set lifecycle"), mean("EU-FR"));
}

#[test]
fn statistics_of_the_marginal_series_are_there_too() {
    insta::assert_snapshot!(Workplace::new().run("datasets stats US-CA --signal marginal").out);
}

/// Each of these options was read and had no effect: the numbers were others than asked for.
#[test]
fn an_option_that_would_have_no_effect_is_refused() {
    let workplace = Workplace::new();
    workplace.write("mine.csv", "when,grams\n2020-01-01 00:00,100\n2020-01-01 01:00,200\n");
    for words in [
        "datasets stats US-CA --zone EU-DE",
        "datasets stats US-CA --time-column when --value-column grams",
        "datasets stats US-CA --unit lb/MWh",
        "datasets stats US-TX --factor-set lifecycle",
        "datasets stats EU-DE --signal marginal",
        "datasets stats mine.csv --zone EU-DE --signal marginal",
    ] {
        insta::assert_snapshot!(format!("{words}\n{}", workplace.run(words).failure()));
    }
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
        "report",
        "policy export",
        "policy verify",
        "policy list",
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
