//! Every measured body, through the guard: what it takes, each measured version of the gateway took, and what a version
//! refused is refused before the gateway sees a byte.

use crate::common::data;
use crate::common::guard::{EVERYTHING, Guard};
use crate::common::http::Request;
use crate::common::upstream::{Upstream, ok};
use base64::Engine as _;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: u32,
    note: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
    body_length: usize,
    results: BTreeMap<String, Measured>,
}

#[derive(Deserialize)]
struct Measured {
    status: Option<u16>,
}

impl Case {
    /// None where the data does not hold the body, for its size.
    fn bytes(&self) -> Option<Vec<u8>> {
        let coded = || base64::engine::general_purpose::STANDARD.decode(self.body_base64.as_ref()?).ok();
        let bytes = self.body.as_ref().map(|text| text.clone().into_bytes()).or_else(coded)?;
        (bytes.len() == self.body_length).then_some(bytes)
    }

    fn is_coded(&self) -> bool {
        let has = |value: &str| !value.is_empty() && !value.eq_ignore_ascii_case("identity");
        self.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-encoding") && has(value))
    }

    /// The measured versions that refused it. Of coded bodies the oldest tells nothing: it ignores codings that it does
    /// not know, and they are decoded before it sees them.
    fn refusing(&self) -> Vec<&str> {
        let refused = self.results.iter().filter(|(_, measured)| !matches!(measured.status, Some(200 | 202)));
        let versions = refused.map(|(version, _)| version.as_str());
        versions.filter(|version| !(self.is_coded() && *version == "1.5.1")).collect()
    }
}

#[test]
fn what_is_taken_was_taken_by_every_measured_version() {
    let Some(text) = data("pushgateway/body-cases.json") else { return };
    let cases: Cases = serde_json::from_slice(&text).expect("the cases can be read");
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(EVERYTHING, &upstream.url());
    let (mut taken, mut refused, mut stricter) = (0, 0, Vec::new());
    for case in &cases.cases {
        let Some(body) = case.bytes().filter(|_| ["PUT", "POST"].contains(&case.method.as_str())) else { continue };
        let about = format!("case {} ({})", case.id, case.note);
        let request = Request::new(&case.method, &case.target).body(body);
        let request = case.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let before = upstream.seen().len();
        let answer = request.send(guard.address());
        if answer.status == 200 {
            taken += 1;
            assert_eq!(case.refusing(), [""; 0], "{about}: taken, though these refused it");
            let seen = upstream.seen().pop().unwrap();
            assert!(seen.header("content-encoding").is_empty(), "{about}: forwarded coded");
            assert_eq!(seen.header("content-length"), [seen.body.len().to_string()], "{about}");
        } else {
            refused += 1;
            assert!((400..500).contains(&answer.status), "{about}: {} {}", answer.status, answer.text());
            assert_eq!(upstream.seen().len(), before, "{about}: refused, but forwarded");
            if case.refusing().is_empty() {
                stricter.push(format!("{about}: {}", answer.text().trim_end()));
            }
        }
    }
    println!(
        "{taken} taken, {refused} refused, {} of them taken by every gateway:\n{}",
        stricter.len(),
        stricter.join("\n")
    );
    assert!(taken >= 20 && refused >= 20, "{taken} taken, {refused} refused: the data has changed");
}
