//! Signing keys from an issuer over TLS: fetched with the first push if need be, kept over a restart, never mistaken.

use crate::common::guard::{Guard, Start, path};
use crate::common::http::{Request, Response};
use crate::common::issuer::Issuer;
use crate::common::mint::{Signer, but, github_run};
use crate::common::upstream::{Upstream, ok};
use crate::common::wait_for;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::SystemTime;

static KEY: LazyLock<Signer> = LazyLock::new(|| Signer::p256("key-1"));
static OTHER: LazyLock<Signer> = LazyLock::new(|| Signer::p256("key-2"));

const PATH: &str = "/metrics/job/ci/repository@base64/YWNtZS9hcHA";

/// A policy that takes runs of a GitHub server of one's own; `more` goes on about how its keys are asked for.
fn policy(issuer: &Issuer, more: &str) -> String {
    format!(
        r#"
version: 1
issuers:
  ghes: {{ preset: github-actions, url: "{}", audience: push, algorithms: [ES256], ca_file: {:?}{more} }}
principals:
  ci:
    token:  {{ issuer: ghes, claims: {{ repository: acme/app }} }}
    from:   anywhere
    grants: [{{ operations: [push], job: ci, labels: {{ repository: "{{repository}}" }} }}]
"#,
        issuer.url,
        issuer.ca_file()
    )
}

fn claims(issuer: &Issuer) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    but(&but(&github_run(now - 30), "iss", json!(issuer.url)), "aud", json!("push"))
}

fn push(guard: &Guard, token: &str) -> Response {
    let request = Request::post(PATH, "m 1\n").header("Authorization", &format!("Bearer {token}"));
    request.send(guard.address())
}

#[test]
fn the_first_push_waits_for_the_keys_and_a_restart_needs_no_issuer() {
    let upstream = Upstream::start(|_| ok());
    let issuer = Issuer::start("/_services/token", &[KEY.jwk()]);
    let state = tempfile::tempdir().unwrap();
    let start = || Start::new(&policy(&issuer, ""), &upstream.url()).flag("--state.dir", &path(state.path())).run();
    issuer.hold(true);
    let guard = start();
    let token = KEY.token(&claims(&issuer));
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..5).map(|_| scope.spawn(|| push(&guard, &token))).collect();
        issuer.hold(false);
        for answer in waiting {
            answer.join().unwrap().is(200, "", "it waited for the keys");
        }
    });
    let documents = ["/_services/token/.well-known/openid-configuration", "/_services/token/.well-known/jwks"];
    assert_eq!(issuer.asked(), documents, "asked once for all of them");
    // A key that nobody published: asked for less than a minute ago, so refused at once.
    let answer = push(&guard, &OTHER.token(&claims(&issuer))).is(401, "credential_rejected", "an unknown key");
    assert!(guard.record(&answer)["detail"].starts_with("token_key_unknown"), "{:?}", guard.record(&answer));
    assert_eq!(issuer.asked().len(), 2);
    guard.await_metric("pushguard_issuer_keys{issuer=\"ghes\"}", 1.0);
    guard.await_metric("pushguard_issuer_keys_fetches_total{issuer=\"ghes\",result=\"ok\"}", 1.0);
    wait_for("the keys on disk", || state.path().join("keys-ghes.json").exists().then_some(()));
    drop(guard);
    issuer.go_away();
    push(&start(), &KEY.token(&claims(&issuer))).is(200, "", "the issuer is away, its keys are on disk");
}

/// A request waits a moment for keys, and not as long as an issuer likes.
#[test]
fn an_issuer_that_never_answers_holds_up_nobody() {
    let upstream = Upstream::start(|_| ok());
    let issuer = Issuer::start("", &[KEY.jwk()]);
    issuer.hold(true);
    let guard = Guard::start(&policy(&issuer, ""), &upstream.url());
    let answer = push(&guard, &KEY.token(&claims(&issuer))).is(503, "keys_unavailable", "no answer yet");
    assert_eq!(answer.header("Retry-After"), Some("5"));
    issuer.hold(false);
}

#[test]
fn keys_come_only_from_an_issuer_that_proves_to_be_it() {
    let upstream = Upstream::start(|_| ok());
    let issuer = Issuer::start("", &[KEY.jwk()]);
    let unavailable = |policy: &str, why: &str| {
        let guard = Guard::start(policy, &upstream.url());
        let answer = push(&guard, &KEY.token(&claims(&issuer))).is(503, "keys_unavailable", why);
        assert_eq!(answer.header("Retry-After"), Some("5"), "{why}");
        let line = guard.log.line(why, |line| line.get("msg") == "keys not fetched");
        assert!(line["error"].contains(why), "{line:?}");
    };
    let trusted = policy(&issuer, "");
    let stranger = Issuer::start("", &[KEY.jwk()]);
    let untrusted = trusted.replace(&path(&issuer.ca_file()), &path(&stranger.ca_file()));
    unavailable(&untrusted, "certificate");
    issuer.say_it_is("https://evil.example");
    unavailable(&trusted, "the document of the issuer \"https://evil.example\"");
    issuer.say_it_is(&format!("{}/", issuer.url));
    unavailable(&trusted, "the document of the issuer");
    assert!(upstream.seen().is_empty());
}

/// A cluster publishes its keys to those who are known to it.
#[test]
fn an_issuer_may_want_a_token_itself() {
    let upstream = Upstream::start(|_| ok());
    let issuer = Issuer::start("", &[KEY.jwk()]);
    issuer.want_bearer("service-account");
    let start = Start::new(&policy(&issuer, ", bearer_file: sa-token"), &upstream.url());
    std::fs::write(start.folder.path().join("sa-token"), "service-account\n").unwrap();
    push(&start.run(), &KEY.token(&claims(&issuer))).is(200, "", "with the token");
    let named = policy(&issuer, &format!(", bearer_file: sa-token, jwks_url: \"{}/keys/jwks\"", issuer.url));
    let start = Start::new(&named, &upstream.url());
    std::fs::write(start.folder.path().join("sa-token"), "service-account\n").unwrap();
    push(&start.run(), &KEY.token(&claims(&issuer))).is(200, "", "with a named address");
    assert_eq!(issuer.asked().last().map(String::as_str), Some("/keys/jwks"), "without discovery");
    let guard = Guard::start(&policy(&issuer, ""), &upstream.url());
    push(&guard, &KEY.token(&claims(&issuer))).is(503, "keys_unavailable", "without it");
}

/// What a policy names anew is asked for when it is taken into use; what it no longer names proves nobody.
#[test]
fn a_reloaded_policy_brings_its_own_issuers() {
    let upstream = Upstream::start(|_| ok());
    let (old, new) = (Issuer::start("", &[KEY.jwk()]), Issuer::start("", &[KEY.jwk()]));
    let guard = Guard::start(&policy(&old, ""), &upstream.url());
    push(&guard, &KEY.token(&claims(&old))).is(200, "", "before");
    std::fs::write(guard.folder.path().join("policy.yaml"), policy(&new, "")).unwrap();
    guard.signal("HUP");
    guard.log.line("the reload", |line| line.get("msg") == "policy reloaded");
    push(&guard, &KEY.token(&claims(&new))).is(200, "", "the new issuer");
    push(&guard, &KEY.token(&claims(&old))).is(401, "credential_rejected", "the old one");
    std::fs::write(guard.folder.path().join("broken.pem"), "nothing").unwrap();
    let broken = policy(&new, "").replace(&path(&new.ca_file()), "broken.pem");
    std::fs::write(guard.folder.path().join("policy.yaml"), broken).unwrap();
    guard.signal("HUP");
    guard.log.line("no reload", |line| line.get("msg") == "policy not reloaded");
    push(&guard, &KEY.token(&claims(&new))).is(200, "", "the last good policy stays");
}

/// The path of the authorities stays and what the file holds changes, as when they are renewed.
#[test]
fn changed_authorities_of_an_issuer_are_taken_into_use() {
    let upstream = Upstream::start(|_| ok());
    let (issuer, stranger) = (Issuer::start("", &[KEY.jwk()]), Issuer::start("", &[KEY.jwk()]));
    let text = policy(&issuer, "").replace(&path(&issuer.ca_file()), "ca.pem");
    let start = Start::new(&text, &upstream.url()).flag("--policy.watch-interval", "0s");
    let file = start.folder.path().join("ca.pem");
    std::fs::copy(stranger.ca_file(), &file).unwrap();
    let guard = start.run();
    let logged = |msg: &str| guard.log.lines().iter().filter(|line| line.get("msg") == msg).count();
    let reload = |ca: &Issuer| {
        let before = logged("policy reloaded");
        std::fs::copy(ca.ca_file(), &file).unwrap();
        guard.signal("HUP");
        wait_for("the reload", || (logged("policy reloaded") > before).then_some(()));
    };
    push(&guard, &KEY.token(&claims(&issuer))).is(503, "keys_unavailable", "signed by nobody that is trusted");
    reload(&issuer);
    push(&guard, &KEY.token(&claims(&issuer))).is(200, "", "its own authority");
    let asked = issuer.asked();
    reload(&issuer);
    push(&guard, &KEY.token(&claims(&issuer))).is(200, "", "nothing changed");
    assert_eq!(issuer.asked(), asked, "so nobody was asked");
    let failed = logged("keys not fetched");
    reload(&stranger);
    wait_for("the refusal", || (logged("keys not fetched") > failed).then_some(()));
    push(&guard, &KEY.token(&claims(&issuer))).is(200, "", "the keys that are held stay");
}
