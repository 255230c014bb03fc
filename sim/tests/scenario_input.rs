//! Hostile and broken input: a diagnostic, never a panic, a hang or an exhausted stack.

use std::path::Path;

use carbon_kube_sim::scenario::{self, Code, Diagnostic};
use proptest::prelude::*;

const VALID: &str = include_str!("scenarios/full.yaml");

fn refused(bytes: &[u8]) -> Vec<Diagnostic> {
    scenario::parse(bytes, "s.yaml", &[]).expect_err("this is no scenario")
}

/// The codes, on a thread whose stack has room for no recursion over the input.
fn codes_on_a_small_stack(text: String) -> Vec<Code> {
    let work = move || refused(text.as_bytes()).iter().map(|d| d.code).collect();
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let thread = thread.spawn(work).expect("the system has room for a thread");
    thread.join().expect("no input makes the reader panic")
}

#[test]
fn deep_nesting_is_refused_in_every_style() {
    const DEEP: usize = 5_000;
    let indented: String = (0..DEEP).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    for text in [
        "[".repeat(DEEP),
        "{a: ".repeat(DEEP),
        format!("spec: {}1{}", "[".repeat(DEEP), "]".repeat(DEEP)),
        format!("spec: {}", "- ".repeat(DEEP)),
        format!("{}1", "- ".repeat(DEEP)),
        "[{a: ".repeat(DEEP),
        "? ".repeat(DEEP),
        indented,
    ] {
        let shown: String = text.chars().take(20).collect();
        let codes = codes_on_a_small_stack(text);
        assert_eq!(codes.len(), 1, "{shown}: {codes:?}");
        let expected = [Code::TooDeep, Code::Syntax, Code::UnsupportedYaml];
        assert!(expected.contains(&codes[0]), "{shown}: {codes:?}");
    }
}

#[test]
fn aliases_cannot_multiply_without_end() {
    let mut bomb = String::from("a0: &a0 [lol, lol]\n");
    for i in 1..60 {
        bomb += &format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1);
    }
    assert_eq!(codes_on_a_small_stack(bomb), [Code::TooLarge]);
    // One long text, copied often.
    let long = "x".repeat(100_000);
    let bomb = format!("a: &a {long}\nb: [{}]", "*a, ".repeat(5_000));
    assert_eq!(codes_on_a_small_stack(bomb), [Code::TooLarge]);
    // Deeper by each alias.
    let mut deep = String::from("a0: &a0 [1]\n");
    for i in 1..80 {
        deep += &format!("a{i}: &a{i} [*a{}]\n", i - 1);
    }
    assert_eq!(codes_on_a_small_stack(deep), [Code::TooDeep]);
}

#[test]
fn what_is_no_text_is_refused_with_a_position() {
    let found = refused(b"kind: Scenario\nab\xff\n");
    assert_eq!((found[0].code, found[0].line, found[0].column), (Code::Unreadable, 2, 3));
    let utf16: Vec<u8> = "kind: x".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(&utf16)[0].code, Code::Unreadable);
    assert_eq!(refused(&[0x1f, 0x8b, 8, 0, 0, 0])[0].code, Code::Unreadable);
    assert_eq!(refused(&vec![b' '; (16 << 20) + 1])[0].code, Code::Unreadable);
    for empty in ["", "\n\n", "# nothing\n", "---\n", "\u{feff}"] {
        assert!(!refused(empty.as_bytes()).is_empty(), "{empty:?}");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_accepted() {
    let windows = format!("\u{feff}{}", VALID.replace('\n', "\r\n"));
    let parsed = scenario::parse(windows.as_bytes(), "s.yaml", &[]).unwrap();
    let plain = scenario::parse(VALID.as_bytes(), "s.yaml", &[]).unwrap();
    assert_eq!(parsed.spec, plain.spec);
}

#[test]
fn every_truncation_is_handled() {
    for end in (0..VALID.len()).step_by(7).filter(|&end| VALID.is_char_boundary(end)) {
        let _ = scenario::parse(&VALID.as_bytes()[..end], "s.yaml", &[]);
    }
}

/// About how many pods a scenario has: a mutation can make it millions.
fn pods(parsed: &scenario::Parsed) -> f64 {
    let spec = &parsed.spec.spec;
    let days = spec.duration.0.hours() / 24.0;
    let of = |workload: &scenario::spec::Workload| {
        let generated = workload.generated.as_ref();
        let listed = workload.pods.iter().flatten();
        listed.map(|pod| f64::from(pod.count)).sum::<f64>()
            + f64::from(workload.replicas.unwrap_or(0))
            + generated.and_then(|g| g.pods_per_day).unwrap_or(0.0) * days
    };
    spec.workloads.iter().map(of).sum()
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = scenario::parse(&bytes, "s.yaml", &[]);
    }

    #[test]
    fn random_yaml_punctuation_never_panics(text in "[-a0:?{}\\[\\],&*!|>'\"%@`#~<. \n\t]{0,80}") {
        let _ = scenario::parse(text.as_bytes(), "s.yaml", &[]);
    }

    /// Lines dropped, doubled and swapped, and bytes replaced: near enough to a scenario to get
    /// past the parser.
    #[test]
    fn mutations_of_a_scenario_never_panic(
        cuts in prop::collection::vec((0usize..200, 0usize..4, 0usize..200), 0..4),
        bytes in prop::collection::vec((0usize..4000, any::<u8>()), 0..6),
    ) {
        let mut lines: Vec<&str> = VALID.lines().collect();
        for (at, what, other) in cuts {
            let (at, other) = (at % lines.len(), other % lines.len());
            match what {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[other]),
                2 => lines.swap(at, other),
                _ => lines[at] = lines[at].trim_start(),
            }
        }
        let mut text = lines.join("\n").into_bytes();
        for (at, byte) in bytes {
            let at = at % text.len();
            text[at] = byte;
        }
        if let Ok(parsed) = scenario::parse(&text, "s.yaml", &[])
            && pods(&parsed) < 100_000.0
        {
            let _ = scenario::build(&parsed, Path::new("tests/scenarios"));
        }
    }

    #[test]
    fn random_overrides_never_panic(path in "[a-zA-Z.\\[\\]0-9\"]{0,30}", value in ".{0,20}") {
        let _ = scenario::parse(VALID.as_bytes(), "s.yaml", &[(path, value)]);
    }
}
