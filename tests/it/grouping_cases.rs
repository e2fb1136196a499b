//! Every measured spelling of a grouping key, byte by byte: refused with nothing sent upstream, or stored by the real
//! gateway under exactly the labels that were judged.

use crate::common::data;
use crate::common::gateway::Gateway;
use crate::common::guard::{EVERYTHING, Guard};
use crate::common::http::Request;
use crate::common::upstream::Upstream;
use pushguard::request::{GroupingKey, RawHead, Target};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: u32,
    method: String,
    target_hex: String,
    note: String,
    /// Every measured gateway stored the bytes as sent, under the same labels.
    stored_everywhere: bool,
    results: BTreeMap<String, Measured>,
}

#[derive(Deserialize)]
struct Measured {
    #[serde(default)]
    groups: Vec<BTreeMap<String, String>>,
}

impl Case {
    fn target(&self) -> Vec<u8> {
        let digits = self.target_hex.as_bytes().chunks(2);
        digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    }

    fn request(&self) -> Request {
        match self.method.as_str() {
            "PUT" | "POST" => Request::new(&self.method, self.target()).body("m 1\n"),
            method => Request::new(method, self.target()),
        }
    }

    /// What the library makes of it: the key that a write is about, or nothing.
    fn key(&self) -> Option<GroupingKey> {
        let raw = RawHead::read(&self.request().head_bytes()).ok()?;
        match Target::read(&raw.target).ok()? {
            Target::Group(key) if ["PUT", "POST", "DELETE"].contains(&self.method.as_str()) => Some(key),
            _ => None,
        }
    }

    /// The sets of labels that the measured gateways stored for the bytes as sent.
    fn stored(&self) -> BTreeSet<&BTreeMap<String, String>> {
        self.results.values().flat_map(|measured| &measured.groups).collect()
    }
}

fn labels(key: &GroupingKey) -> BTreeMap<String, String> {
    let job = ("job".to_owned(), key.job().to_owned());
    key.labels().clone().into_iter().chain([job]).collect()
}

#[test]
fn every_case_is_refused_unsent_or_stored_as_judged() {
    let Some(text) = data("pushgateway/grouping-cases.json") else { return };
    let Some(gateway) = Gateway::start() else { return };
    let cases: Cases = serde_json::from_slice(&text).expect("the cases can be read");
    let tap = Upstream::tap(gateway.address);
    let guard = Guard::start(EVERYTHING, &tap.url());
    let (mut accepted, mut refused) = (0, 0);
    for case in &cases.cases {
        let about = format!("case {} {} {:?} ({})", case.id, case.method, text_of(&case.target()), case.note);
        let before = tap.contacts();
        let answer = case.request().send(guard.address());
        if let Some(key) = case.key() {
            accepted += 1;
            let expected = if case.method == "DELETE" { 202 } else { 200 };
            let answer = answer.is(expected, "", &about);
            check_stored(&gateway, case, &key, &about);
            // What was judged is what is told.
            assert_eq!(guard.record(&answer)["job"], *key.job(), "{about}");
        } else if answer.reason().is_empty() {
            // A page was read: nothing is stored by it.
            assert_eq!((case.method.as_str(), answer.status), ("GET", 200), "{about}");
            assert_eq!(gateway.groups(), [], "{about}");
        } else {
            refused += 1;
            assert!((400..500).contains(&answer.status), "{about}: {} {}", answer.status, answer.text());
            assert_eq!(tap.contacts(), before, "{about}: refused, but the upstream was contacted");
            assert_eq!(gateway.groups(), [], "{about}: refused, but something is stored");
        }
    }
    println!("{} cases: {accepted} accepted, {refused} refused", cases.cases.len());
    assert!(accepted >= 30 && refused >= 60, "{accepted} accepted, {refused} refused: the data has changed");
}

/// Stored by this gateway as judged; and no measured gateway would have taken the client's own bytes for another group.
fn check_stored(gateway: &Gateway, case: &Case, key: &GroupingKey, about: &str) {
    let judged = labels(key);
    let expected: Vec<_> = if case.method == "DELETE" { vec![] } else { vec![judged.clone()] };
    let stored = || gateway.groups().into_iter().map(|group| group.labels).collect::<Vec<_>>();
    assert_eq!(stored(), expected, "{about}");
    let others: Vec<_> = case.stored().into_iter().filter(|labels| **labels != judged).collect();
    assert!(others.is_empty(), "{about}: a gateway reads the bytes as sent as {others:?}, judged was {judged:?}");
    if !case.stored_everywhere && case.method != "DELETE" {
        // Versions disagree on the bytes as sent, so another spelling must have been sent.
        assert_ne!(key.upstream_path().as_bytes(), case.target(), "{about}: sent as it came");
    }
    Request::delete(key.upstream_path()).send(gateway.address).is(202, "", about);
    crate::common::wait_for("an empty store", || gateway.groups().is_empty().then_some(()));
}

fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// Groups that two spellings could share or split, beyond the measured cases.
#[test]
fn spellings_of_one_group_are_one_group() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(EVERYTHING, &gateway.url());
    let spellings = [
        "/metrics/job/ci/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k/run/7",
        "/metrics/job/ci/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k=/run/7",
        "/metrics/job/ci/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k%3D/run/7/",
        "/metrics/job@base64/Y2k/run/7/workflow%40base64/RWxpeGlyL1Bob2VuaXggQ0k",
        "/metrics/job%40base64/Y2k=/run@base64/Nw==/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k",
        "/metrics/job/c%69/run/%37/workflow@base64/RWxpeGlyL1Bob2VuaXggQ0k",
    ];
    let expected = crate::common::gateway::labels(&[("job", "ci"), ("run", "7"), ("workflow", "Elixir/Phoenix CI")]);
    for (index, spelling) in spellings.iter().enumerate() {
        Request::post(spelling, format!("m{index} 1\n")).send(guard.address()).is(200, "", spelling);
        let groups = gateway.groups();
        let found: Vec<_> = groups.iter().map(|group| (&group.labels, group.families().len())).collect();
        assert_eq!(found, [(&expected, index + 1)], "{spelling}");
    }
}
