//! `carbon-kube forecast`: from a file of intensities to a model, its errors, a picture, a scenario.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use support::Workplace;

/// 200 days of a made-up zone: a daily swing, a weekly one, and something like noise.
fn workplace() -> Workplace {
    let workplace = Workplace::new();
    let mut text = "timestamp,intensity\n".to_owned();
    let start = jiff::Timestamp::from_second(1_577_836_800).unwrap();
    for hour in 0..200i64 * 24 {
        let at = start + jiff::SignedDuration::from_hours(hour);
        let h = hour as f64;
        let value = 220.0
            + 60.0 * (h / 24.0 * std::f64::consts::TAU).sin()
            + 20.0 * (h / 168.0 * std::f64::consts::TAU).cos()
            + 10.0 * (h * h * 0.37).sin();
        text.push_str(&format!("{at},{value:.3}\n"));
    }
    workplace.write("de.csv", text);
    workplace
}

const DATA: &str = "--intensity EU-DE=de.csv --time-column timestamp --value-column intensity";

fn trained() -> Workplace {
    let workplace = workplace();
    let ended = workplace.run(&format!("forecast train --name mine --out mine {DATA}"));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    workplace
}

#[test]
fn what_was_trained_predicts_is_judged_drawn_and_exported() {
    let workplace = trained();
    let at = "2020-06-01T06:00:00Z";
    let ended =
        workplace.run(&format!("forecast predict --model mine --at {at} --format json {DATA}"));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let hours = document["forecast"].as_array().unwrap();
    assert_eq!(hours.len(), 97);
    assert_eq!(hours[0]["origin"], "known");
    assert!(hours[1..].iter().all(|hour| hour["origin"] == "zone"));

    let ended = workplace.run(&format!("forecast evaluate --model mine --format json {DATA}"));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let share = document["zones"][0]["plan"]["sharePercent"].as_f64().unwrap();
    assert!((60.0..=100.0).contains(&share), "{share}");

    let ended = workplace.run(&format!("forecast plot --model mine --at {at} -o de.svg {DATA}"));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(workplace.read("de.svg").contains("<title>EU-DE: forecast of the next 96 hours"));

    let ended = workplace.run("forecast export mine --namespace green");
    let manifest: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(manifest["metadata"]["name"], "carbon-kube-forecast");
    assert!(manifest["binaryData"]["forecast.safetensors"].is_string());
    assert!(ended.out.len() < 1 << 20, "more than a ConfigMap holds");
}

#[test]
fn a_model_in_a_scenario_is_planned_with() {
    let workplace = trained();
    let ended = workplace.run(
        "sim run tiny.yaml --set spec.forecast.kind=model --set spec.forecast.file=mine \
         --policy plan --format json --quiet",
    );
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("\"plan\""), "{}", ended.out);
}

#[test]
fn what_is_wrong_is_said_with_the_file_and_what_to_do() {
    let workplace = trained();
    let failed = |words: &str| {
        let ended = workplace.run(words);
        assert_eq!(ended.code, Some(2), "{words}: {}", ended.out);
        ended.err
    };
    let error = failed(&format!("forecast predict --model nowhere {DATA}"));
    assert!(error.contains("nowhere/forecast.yaml") && error.contains("hint: "), "{error}");
    let error = failed(&format!("forecast predict --model mine --at 2030-01-01 {DATA}"));
    assert!(error.contains("--at: zone `EU-DE`: nothing is known at 2030"), "{error}");
    let error = failed(&format!("forecast train --name mine --out mine {DATA}"));
    assert!(error.contains("mine"), "{error}");
    let error = failed("forecast evaluate --intensity EU-DE");
    assert!(error.contains("is not ZONE=FILE"), "{error}");
    let error = failed(&format!("forecast evaluate --train-until 2020-02-01 {DATA}"));
    assert!(error.contains("a model needs"), "{error}");

    let weights = workplace.path().join("mine/forecast.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let error = failed(&format!("forecast predict --model mine {DATA}"));
    assert!(error.contains("forecast.safetensors: checksum"), "{error}");
    let ended = workplace.run(
        "sim validate tiny.yaml --set spec.forecast.kind=model --set spec.forecast.file=nowhere",
    );
    assert_ne!(ended.code, Some(0), "{}", ended.out);
}
