//! `carbon-kube evaluate` and `tune`: tables, searches, and what they refuse.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use support::{Ended, Workplace};

/// Days of a made-up zone: a daily swing, a weekly one, and something like noise.
fn days(count: i64) -> String {
    let mut text = "timestamp,intensity\n".to_owned();
    let start = jiff::Timestamp::from_second(1_577_836_800).unwrap();
    for hour in 0..count * 24 {
        let at = start + jiff::SignedDuration::from_hours(hour);
        let h = hour as f64;
        let value = 220.0
            + 60.0 * (h / 24.0 * std::f64::consts::TAU).sin()
            + 20.0 * (h / 168.0 * std::f64::consts::TAU).cos()
            + 10.0 * (h * h * 0.37).sin();
        text.push_str(&format!("{at},{value:.3}\n"));
    }
    text
}

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("de.csv", days(38));
    workplace
}

const COLUMNS: &str = "--time-column timestamp --value-column intensity";

fn run(workplace: &Workplace, words: &str) -> Ended {
    workplace.run(&format!("{words} {COLUMNS}"))
}

const DE: &str = "--intensity EU-DE=de.csv --forecast perfect --quiet";

#[test]
fn the_table_says_who_saves_what_and_who_is_the_default() {
    let workplace = workplace();
    let words = format!("evaluate --policy percentile --policy lowest-window {DE}");
    let ended = run(&workplace, &words);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    insta::assert_snapshot!(ended.out);
    assert_eq!(run(&workplace, &format!("{words} --jobs 1")).out, ended.out);
    assert_eq!(run(&workplace, &format!("{words} --jobs 2 --format text")).out, ended.out);
}

#[test]
fn as_json_it_has_every_interval_and_the_page_shows_the_same() {
    let workplace = workplace();
    let words = format!(
        "evaluate --policy percentile --policy plan --against percentile --seeds 2 --format json \
         --html table.html {DE}"
    );
    let ended = run(&workplace, &words);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&document["protocol"], &document["draws"]), (&"v1".into(), &2.into()));
    let rows = document["signals"][0]["overall"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["policy"].as_str().unwrap()).collect();
    assert_eq!(names, ["default-scheduler", "percentile", "plan", "bound"]);
    let plan = &rows[2];
    assert!(plan["differencePoints"]["low"].as_f64().unwrap() > 0.0);
    assert!(plan["probabilityOfImprovement"]["value"].as_f64().unwrap() > 0.5);
    assert_eq!(plan["kind"], "forecast-rule");
    assert!(rows[1]["differencePoints"].is_null(), "the rival is not held against itself");
    let page = workplace.read("table.html");
    assert!(page.starts_with("<!doctype html>\n<!-- carbon-kube report -->\n"));
    assert!(page.contains("plan saves most") && !page.contains("http"));
    let again = run(&workplace, &words);
    assert_eq!((again.code, &again.out), (Some(0), &ended.out), "an earlier page is replaced");
    workplace.write("mine.html", "<p>mine</p>");
    let ended = run(&workplace, &words.replace("table.html", "mine.html"));
    assert_eq!(ended.code, Some(2));
    assert_eq!(workplace.read("mine.html"), "<p>mine</p>");
}

#[test]
fn the_report_of_a_run_shows_an_evaluation_as_a_section() {
    let workplace = workplace();
    let table = run(&workplace, &format!("evaluate --policy plan --format json {DE}"));
    workplace.write("table.json", &table.out);
    let ended = workplace.run("sim run tiny.yaml --out run --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let ended = workplace.run("report run --evaluation table.json");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let page = workplace.read("run/report.html");
    assert!(page.contains("Evaluation by the protocol") && page.contains("plan saves most"));
    assert!(workplace.run("report run").code == Some(0));
    assert!(!workplace.read("run/report.html").contains("Evaluation by the protocol"));
    for (name, text) in [
        ("none.json", "{}"),
        ("other.json", &table.out.replace("\"version\": 1", "\"version\": 9")),
    ] {
        workplace.write(name, text);
        let ended = workplace.run(&format!("report run --evaluation {name}"));
        assert_eq!(ended.code, Some(2));
        assert!(ended.err.contains(name) && ended.err.contains("--evaluation"), "{}", ended.err);
    }
}

#[test]
fn without_a_file_the_bundled_year_is_taken_and_called_what_it_is() {
    let workplace = workplace();
    let words = "evaluate --policy percentile-v1 --from 2020-03-01T00:00:00Z \
                 --to 2020-03-20T00:00:00Z --quiet --format json";
    let ended = workplace.run(words);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let notes = document["notes"].to_string();
    assert!(notes.contains("a year of training: a demonstration, no test"), "{notes}");
    assert!(
        notes.contains("LEAK: percentile-v1 was made with EU-DE_2020_entsoe.csv.gz"),
        "{notes}"
    );
    assert!(notes.contains("LEAK: the forecast's model `EU-DE"), "{notes}");
    assert_eq!(document["signals"][0]["zones"].as_array().unwrap().len(), 5);
}

#[test]
fn what_was_tuned_is_a_policy_with_its_provenance_and_is_judged_like_any_other() {
    let workplace = workplace();
    let words = format!("tune --policy percentile --budget 9 --out tuned --format json {DE}");
    let ended = run(&workplace, &words);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let best = &document["rounds"].as_array().unwrap().last().unwrap()["tried"][0];
    assert!(document["budget"]["simulatedWeeks"].as_u64().unwrap() > 9);
    let yaml = workplace.read("tuned/policy.yaml");
    insta::assert_snapshot!(yaml);
    assert_eq!(workplace.run("policy verify tuned").code, Some(0));

    let judged = format!("evaluate --policy percentile --policy tuned --format json {DE}");
    let ended = run(&workplace, &judged);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let table: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let row = &table["signals"][0]["overall"][2];
    assert_eq!(row["policy"], "percentile-tuned");
    let (judged, searched) = (&row["savingPercent"]["value"], &best["savingPercent"]);
    assert!((judged.as_f64().unwrap() - searched.as_f64().unwrap()).abs() < 1e-9);
    assert!(
        table["notes"].to_string().contains("LEAK: percentile-tuned was made with EU-DE/de.csv")
    );

    // The seeds of one training are one row.
    let group = format!("evaluate --policy both=tuned,percentile --format json {DE}");
    let table: serde_json::Value = serde_json::from_str(&run(&workplace, &group).out).unwrap();
    let row = &table["signals"][0]["overall"][1];
    assert_eq!((&row["policy"], &row["runs"]), (&"both".into(), &2.into()));

    let again = run(&workplace, &words);
    assert_eq!(again.code, Some(2));
    assert!(again.err.contains("nothing is overwritten"), "{}", again.err);
}

#[test]
fn the_trace_of_a_search_shows_each_round_and_the_budget() {
    let words = format!("tune --policy hour-table --budget 12 {DE}");
    let ended = run(&workplace(), &words);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    // CPU seconds, at the end of the budget, differ from run to run.
    let (steady, budget) = ended.out.split_once("budget: ").unwrap();
    assert!(budget.starts_with("12 settings drawn, 48 simulated weeks of "), "{budget}");
    insta::assert_snapshot!(steady);
}

#[test]
fn on_a_scenario_it_is_sim_compare() {
    let workplace = workplace();
    let ended = workplace
        .run("evaluate --scenario tiny.yaml --policy percentile --seeds 3 --format json --quiet");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let compared = workplace
        .run("sim compare tiny.yaml --policies percentile --seeds 3 --format json --quiet");
    assert_eq!(ended.out, compared.out);
}

#[test]
fn what_can_not_be_judged_is_refused_with_a_way_out() {
    let workplace = workplace();
    workplace.write("short.csv", days(12));
    let failures: String = [
        "evaluate --policy nonsuch --intensity EU-DE=de.csv",
        "evaluate --policy percentil --intensity EU-DE=de.csv",
        "evaluate --policy a=,b --intensity EU-DE=de.csv",
        "evaluate --policy percentile --against plan --intensity EU-DE=de.csv --forecast yesterday",
        "evaluate --intensity EU-DE=short.csv",
        "evaluate --intensity EU-DE=none.csv",
        "evaluate --intensity EU-DE=de.csv --from 2021-01-01T00:00:00Z",
        "evaluate --intensity EU-DE=de.csv --forecast nonsuch",
        "evaluate --intensity EU-DE=de.csv --forecast yesterday --weather EU-DE=w.csv",
        "tune --policy default-scheduler --intensity EU-DE=de.csv",
    ]
    .iter()
    .map(|words| format!("$ {words}\n{}\n", run(&workplace, words).failure()))
    .collect();
    let bare: String = [
        "evaluate --weather EU-DE=w.csv",
        "evaluate --scenario tiny.yaml --policy a=b,c",
        "evaluate --scenario tiny.yaml --policy nonsuch",
        "evaluate --from 2020-03-01T00:00:00Z --to 2020-02-01T00:00:00Z",
    ]
    .iter()
    .map(|words| format!("$ {words}\n{}\n", workplace.run(words).failure()))
    .collect();
    insta::assert_snapshot!(format!("{failures}{bare}"));
}
