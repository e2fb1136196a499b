//! Log lines of hostile values: one line each, read back as what was logged.

use super::format::{Field, Format, Value};
use super::{LogLayer, Settings, rfc3339};
use crate::clock::{Clock, ManualClock};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;

const HOSTILE: &[&str] = &[
    "",
    " ",
    "plain",
    "a b",
    "a=b",
    "\"",
    "\\",
    "\\\"",
    "\\n",
    "a\nmsg=forged",
    "\r\n",
    "\t",
    "\0",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\u{7f}",
    "\u{85}",
    "\u{9b}31m",
    "\u{202e}gnp.exe",
    "\u{2066}x\u{2069}",
    "\u{200b}\u{200d}",
    "\u{2028}\u{2029}",
    "\u{feff}",
    "caf\u{e9} cafe\u{301}",
    "\u{1f600}",
    "\u{10ffff}",
    "{\"json\": [1]}",
    "null",
    "-1.5e3",
    "'single'",
    "%00",
];

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn line(format: Format, value: &str) -> String {
    format.line(&[
        Field { name: "before", value: text("1") },
        Field { name: "value", value: text(value) },
        Field { name: "behind", value: Value::Bare("2".to_owned()) },
    ])
}

/// A small reader of logfmt: pairs between spaces, a value bare or a JSON string.
fn parse(line: &str) -> Option<Vec<(String, String)>> {
    let mut rest = line.strip_suffix('\n')?;
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (key, tail) = rest.split_once('=')?;
        let end = match tail.strip_prefix('"') {
            None => tail.find(' ').unwrap_or(tail.len()),
            Some(inside) => {
                let mut escaped = false;
                let closing = inside.char_indices().find(|(_, c)| {
                    let closes = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    closes
                });
                closing?.0 + 2
            }
        };
        let (value, tail) = tail.split_at(end);
        let value = if value.starts_with('"') { serde_json::from_str(value).ok()? } else { value.to_owned() };
        pairs.push((key.to_owned(), value));
        rest = tail.strip_prefix(' ').unwrap_or(tail);
    }
    Some(pairs)
}

fn check(value: &str) {
    for format in [Format::Logfmt, Format::Json] {
        let line = line(format, value);
        let shown = line.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {line:?}"));
        let unsafe_char = |c: char| c.is_control() || "\u{202e}\u{2066}\u{2028}\u{200b}\u{feff}".contains(c);
        assert!(!shown.contains(unsafe_char), "{format:?} {value:?}: {line:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&line(Format::Json, value)).unwrap();
    assert_eq!(json, serde_json::json!({ "before": "1", "value": value, "behind": 2 }));
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let expected = vec![pair("before", "1"), pair("value", value), pair("behind", "2")];
    assert_eq!(parse(&line(Format::Logfmt, value)), Some(expected), "{}", line(Format::Logfmt, value));
}

#[test]
fn hostile_values_read_back() {
    HOSTILE.iter().for_each(|value| check(value));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_reads_back(value in proptest::collection::vec(any::<char>(), 0..30)) {
        check(&value.into_iter().collect::<String>());
    }

    #[test]
    fn values_of_everyday_characters_read_back(value in "[a-c=\"\\\\ \n\r\t\u{1b}\u{202e}]{0,20}") {
        check(&value);
    }
}

#[test]
fn plain_values_stand_bare_in_logfmt() {
    for (value, expected) in [
        ("a/b:c{}[],;'%", "value=a/b:c{}[],;'% "),
        ("", "value=\"\" "),
        ("a b", "value=\"a b\" "),
        ("a=b", "value=\"a=b\" "),
        ("caf\u{e9}", "value=\"caf\u{e9}\" "),
        ("\u{1b}", "value=\"\\u001b\" "),
    ] {
        assert!(line(Format::Logfmt, value).contains(expected), "{value:?}: {}", line(Format::Logfmt, value));
    }
}

#[test]
fn numbers_that_json_does_not_have_are_text() {
    for value in ["NaN", "inf", "-inf", "1.5", "true", "-3"] {
        let line = Format::Json.line(&[Field { name: "value", value: Value::Bare(value.to_owned()) }]);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let text = ["NaN", "inf", "-inf"].contains(&value);
        assert_eq!(json["value"].is_string(), text, "{line}");
    }
}

/// Runs `log` under a layer of that level and answers the lines.
fn logged(format: Format, level: Level, log: impl FnOnce()) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let write = move |line: String| {
        sink.lock().unwrap().push(line);
        true
    };
    let clock = ManualClock::default();
    clock.advance(Duration::from_millis(1500));
    let settings = Settings { format, level, per_second: 10 };
    let layer = LogLayer::new(settings, Arc::new(clock) as Arc<dyn Clock>, Box::new(|_| ()), write);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    let lines = lines.lock().unwrap();
    lines.clone()
}

#[test]
fn an_event_is_one_line_with_its_keys_in_order() {
    let log = || tracing::info!(msg = "request", status = 200_u16, ok = true, share = 0.25, job = "a b", none = "");
    assert_eq!(
        logged(Format::Logfmt, Level::INFO, log),
        [
            "time=1970-01-01T00:00:01.500Z level=info msg=request status=200 ok=true share=0.250000 job=\"a b\" none=\"\"\n"
        ]
    );
    assert_eq!(
        logged(Format::Json, Level::INFO, log),
        ["{\"time\":\"1970-01-01T00:00:01.500Z\",\"level\":\"info\",\"msg\":\"request\",\"status\":200,\"ok\":true,\
          \"share\":0.250000,\"job\":\"a b\",\"none\":\"\"}\n"]
    );
}

/// Libraries quote what clients send, so of them only errors are logged, whatever the level.
#[test]
fn levels_and_libraries() {
    let log = || {
        tracing::error!(msg = "a");
        tracing::warn!(msg = "b");
        tracing::debug!(msg = "c");
        tracing::error!(target: "pingora_core", "d {}", "\n");
        tracing::warn!(target: "pingora_core", "e");
    };
    let messages = |level| -> Vec<String> {
        let lines = logged(Format::Logfmt, level, log);
        lines.iter().filter_map(|line| parse(line)?.into_iter().find(|(key, _)| key == "msg")).map(|(_, v)| v).collect()
    };
    assert_eq!(messages(Level::ERROR), ["a", "d \n"]);
    assert_eq!(messages(Level::WARN), ["a", "b", "d \n"]);
    assert_eq!(messages(Level::DEBUG), ["a", "b", "c", "d \n"]);
}

#[test]
fn times_are_utc_with_milliseconds() {
    let time = |seconds: u64, nanos: u32| rfc3339(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos));
    assert_eq!(time(0, 0), "1970-01-01T00:00:00.000Z");
    assert_eq!(time(1_700_000_000, 999_999_999), "2023-11-14T22:13:20.999Z");
    assert_eq!(time(951_782_400, 0), "2000-02-29T00:00:00.000Z");
}

/// Errors of libraries come through another door, with fields of their own.
#[test]
fn errors_of_libraries_are_lines_like_others() {
    let lines = logged(Format::Logfmt, Level::INFO, || {
        tracing::error!(target: "log", { log.target = "pingora_core::services", log.line = 7 }, "Accept() failed");
        tracing::warn!(target: "log", { log.target = "pingora_core::services" }, "not an error");
    });
    assert_eq!(
        lines,
        ["time=1970-01-01T00:00:01.500Z level=error msg=\"Accept() failed\" target=pingora_core::services\n"]
    );
}

/// What strangers can multiply is sampled by its message and reason; what is allowed, and our own errors, are not.
#[test]
fn refusals_and_warnings_are_sampled() {
    let lines = logged(Format::Logfmt, Level::INFO, || {
        for n in 0..100 {
            tracing::info!(msg = "request", verdict = "deny", reason = "quota_exhausted", n);
            tracing::info!(msg = "request", verdict = "error", reason = "overloaded", n);
            tracing::info!(msg = "request", verdict = "allow", reason = "", n);
            tracing::warn!(msg = "connection refused", n);
            tracing::error!(msg = "certificate not reloaded", n);
        }
    });
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    let counts = ["quota_exhausted", "overloaded", "verdict=allow", "connection refused", "certificate"].map(count);
    assert_eq!(counts, [10, 10, 100, 10, 100]);
}

#[test]
fn a_value_that_was_made_to_be_long_is_cut() {
    for format in [Format::Logfmt, Format::Json] {
        let line = line(format, &"x".repeat(100_000));
        assert!(line.len() < 1200 && line.contains('…'), "{format:?}: {}", line.len());
    }
}
