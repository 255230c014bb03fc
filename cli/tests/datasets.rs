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

/// Two months of the grid monitor that overlap by an hour, one with an outage.
const OCTOBER: &str = "\u{feff}\"Region Code\",\"Timestamp (Hour Ending)\",\"Wind Generation (MWh)\",\"Natural gas Generation (MWh)\"\nNE,\"10/31/2020 10 p.m. EDT\",500,500\nNE,\"10/31/2020 11 p.m. EDT\",750,250\nNE,\"11/1/2020 12 a.m. EDT\",250,750\n";
const NOVEMBER: &str = "\u{feff}\"Region Code\",\"Timestamp (Hour Ending)\",\"Wind Generation (MWh)\",\"Natural gas Generation (MWh)\"\nNE,\"11/1/2020 12 a.m. EDT\",250,750\nNE,\"11/1/2020 1 a.m. EDT\",0,0\nNE,\"11/1/2020 1 a.m. EST\",500,500\n";

#[test]
fn an_import_joins_files_repairs_as_asked_and_says_what_it_found() {
    let workplace = Workplace::new();
    workplace.write("nov.csv", NOVEMBER);
    workplace.write("oct.csv", OCTOBER);
    let words = "datasets import nov.csv oct.csv --zone US-NE --factors global --gaps interpolate";
    insta::assert_snapshot!(workplace.run(&format!("{words} -o NE.parquet")).out);
    assert_eq!(workplace.names("."), ["NE.parquet", "nov.csv", "oct.csv", "tiny.yaml"]);
    // Nothing is overwritten by accident.
    insta::assert_snapshot!(workplace.run(&format!("{words} -o NE.parquet")).failure());
    let json = workplace.run(&format!("{words} -o NE.parquet --overwrite --json")).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["found"]["repeatedRows"], 1);
    assert_eq!(json["inputs"][0]["file"], "nov.csv");
    // What was imported knows its zone, and comes back to the last bit from CSV.
    let convert = |from: &str, to: &str| {
        let ended = workplace.run(&format!("datasets convert {from} -o {to}"));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    };
    convert("NE.parquet", "NE.csv");
    insta::assert_snapshot!(workplace.read("NE.csv"));
    convert("NE.csv", "again.parquet");
    let bytes = |name: &str| std::fs::read(workplace.path().join(name)).unwrap();
    assert_eq!(bytes("again.parquet"), bytes("NE.parquet"));
    let ended = workplace.run("datasets stats NE.csv --chart NE.svg");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(workplace.read("NE.svg").starts_with("<svg"));
}

#[test]
fn an_import_that_can_not_be_is_an_error_with_a_hint() {
    let workplace = Workplace::new();
    workplace.write("oct.csv", OCTOBER);
    for words in [
        "datasets import oct.csv --zone US-TX -o x.csv",
        "datasets import oct.csv --zone US-NE -o x.txt",
        "datasets import oct.csv --zone US-NE --format entsoe -o x.csv",
        "datasets import oct.csv --zone US-NE --step 45m -o x.csv",
        "datasets import tiny.yaml --zone US-NE -o x.csv",
        "datasets import oct.csv --zone US-NE -o no/such/folder/x.csv",
        "datasets convert oct.csv -o x.parquet",
    ] {
        insta::assert_snapshot!(format!("{words}\n{}", workplace.run(words).failure()));
    }
    assert_eq!(workplace.names("."), ["oct.csv", "tiny.yaml"]);
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
        "sim compare",
        "sim sweep",
        "sim validate",
        "report",
        "policy export",
        "policy verify",
        "policy list",
        "scenario schema",
        "datasets list",
        "datasets import",
        "datasets stats",
        "datasets convert",
        "datasets fit-typical-year",
        "completions",
    ] {
        let ended = workplace.run(&format!("{command} --help"));
        assert!(ended.code == Some(0) && ended.out.contains("Example"), "{command}");
    }
    insta::assert_snapshot!(workplace.run("sim run --help").out);
}
