//! What the gateway says of itself: its version, and flags that change what a push means.

use serde::Deserialize;
use std::collections::BTreeMap;

/// How far a version of the gateway is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tested {
    /// The tests run against it.
    Run,
    /// The tests hold against what was recorded of it.
    Recorded,
}

/// The versions that are known. The README's table is checked against this list.
pub const TESTED: &[(&str, Tested)] = &[
    ("1.5.1", Tested::Run),
    ("1.9.0", Tested::Recorded),
    ("1.11.0", Tested::Recorded),
    ("1.11.2", Tested::Run),
    ("1.11.3", Tested::Recorded),
];

/// The version that closes the connection instead of answering a push that it refuses.
const LOSES_ANSWERS: &str = "1.11.0";

/// A gateway as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// Its version, shortened.
    pub(super) version: String,
    /// When it was started, in its own words, shortened.
    pub(super) started: String,
    /// Whether it takes label names in `U__` spelling for others.
    pub(super) utf8_names: bool,
    /// Whether it checks that pushed metrics fit those of other groups.
    pub(super) checks_consistency: bool,
}

#[derive(Deserialize)]
struct Page {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    build_information: Build,
    #[serde(default)]
    flags: BTreeMap<String, String>,
    #[serde(default)]
    start_time: String,
}

#[derive(Deserialize)]
struct Build {
    version: String,
}

impl Status {
    /// Reads the answer to `GET /api/v1/status`.
    pub(super) fn read(page: &[u8]) -> Result<Self, serde_json::Error> {
        let Data { build_information, flags, start_time } = serde_json::from_slice::<Page>(page)?.data;
        let is_set = |flag: &str| flags.get(flag).is_some_and(|value| value == "true");
        Ok(Self {
            version: shown(&build_information.version),
            started: shown(&start_time),
            utf8_names: is_set("push.enable-utf8-names"),
            checks_consistency: !is_set("push.disable-consistency-check"),
        })
    }

    /// What an operator should know of such a gateway.
    pub(super) fn warnings(&self) -> Vec<&'static str> {
        let version = self.version.as_str();
        let mut warnings = Vec::new();
        if !TESTED.iter().any(|(tested, _)| *tested == version) {
            warnings.push("this version was not tested with pushguard; the README names those that were");
        }
        if version == LOSES_ANSWERS {
            warnings.push(
                "this version closes the connection instead of answering a push that clashes with another group \
                 (502 upstream_failed here); take 1.11.1 or later",
            );
        }
        if !self.checks_consistency {
            warnings.push(
                "--push.disable-consistency-check is set: metrics that clash with another group's are stored and break \
                 every scrape, and 202 does not say that a push was stored; start the gateway without it",
            );
        }
        if self.utf8_names {
            warnings.push(
                "--push.enable-utf8-names is set: a label U__NAME means another label there; pushguard refuses such \
                 names, so groups that have them can neither be pushed nor deleted through it",
            );
        }
        warnings
    }
}

/// A text of the gateway's as it may stand in a log line or a metric.
fn shown(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(version: &str, flags: &str) -> String {
        format!(
            r#"{{"status":"success","data":{{"build_information":{{"version":"{version}","goVersion":"go1"}},
            "flags":{{{flags}}},"start_time":"2026-11-24T08:48:36.36Z"}}}}"#
        )
    }

    fn read(version: &str, flags: &str) -> Status {
        Status::read(page(version, flags).as_bytes()).unwrap()
    }

    #[test]
    fn a_tested_gateway_with_default_flags_is_nothing_to_warn_of() {
        let flags = r#""push.disable-consistency-check":"false","push.enable-utf8-names":"false","log.level":"info""#;
        for (version, _) in TESTED.iter().filter(|(version, _)| *version != LOSES_ANSWERS) {
            for flags in [flags, ""] {
                assert_eq!(read(version, flags).warnings(), [""; 0], "{version}");
            }
        }
    }

    #[test]
    fn what_changes_the_meaning_of_a_push_is_warned_of() {
        let about = |status: Status| -> String {
            status.warnings().iter().map(|w| format!("{}\n", w.split([':', ';']).next().unwrap())).collect()
        };
        let both = r#""push.disable-consistency-check":"true","push.enable-utf8-names":"true""#;
        insta::assert_snapshot!(about(read("1.11.2", both)), @r"
        --push.disable-consistency-check is set
        --push.enable-utf8-names is set
        ");
        insta::assert_snapshot!(about(read("1.11.0", "")), @"
        this version closes the connection instead of answering a push that clashes with another group (502 upstream_failed here)
        ");
        insta::assert_snapshot!(about(read("2.0.0", "")), @"this version was not tested with pushguard");
    }

    #[test]
    fn what_a_hostile_gateway_says_stays_short_and_harmless() {
        let status = read(&format!("1\\n{}\\u001b\\u202e", "x".repeat(1000)), "");
        assert_eq!(status.version.len(), 40);
        assert!(status.version.bytes().all(|b| b.is_ascii_graphic()));
        for page in
            ["", "{}", "[]", "null", "<html>", r#"{"data":{}}"#, r#"{"data":{"build_information":{"version":1}}}"#]
        {
            assert!(Status::read(page.as_bytes()).is_err(), "{page}");
        }
    }
}
