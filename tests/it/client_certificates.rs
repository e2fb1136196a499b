//! Clients that prove themselves by certificates.

use crate::common::authority::{self, Authority, Pair, days};
use crate::common::guard::{Guard, PASSWORD, Start, path};
use crate::common::http::{Request, Response};
use crate::common::upstream::{Upstream, ok};
use crate::common::wait_for;
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

const POLICY: &str = r#"
version: 1
principals:
  runner:
    certificate: { san: ["URI:spiffe://prod.example/ns/ci/sa/*", "DNS:ci.example.com"] }
    basic: { username: ci, password_hash_file: ci.phc }
    from: anywhere
    grants: [{ operations: [push], job: ci }]
    quotas: [{ per: principal, burst: 1000, period: 1h }]
  people:
    certificate: { san: "email:*@example.com" }
    from: anywhere
    grants: [{ operations: [push], job: mail }]
    quotas: [{ per: principal, burst: 1, period: 1h }]
  prometheus:
    anonymous: true
    from: anywhere
    grants: [{ operations: [scrape] }]
"#;

const SPIFFE: &str = "URI:spiffe://prod.example/ns/ci/sa/push";

/// A guard whose server certificate and whose clients' are signed by two authorities.
struct House {
    servers: Authority,
    clients: Authority,
    upstream: Upstream,
    guard: Guard,
}

impl House {
    fn start(mode: &str) -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let upstream = Upstream::start(|_| ok());
        let start = Start::new(POLICY, &upstream.url());
        let files = servers.issue(days(90)).write(start.folder.path());
        let ca = start.folder.path().join("clients.pem");
        std::fs::write(&ca, clients.pem()).unwrap();
        let start = start.flag("--web.tls-cert-file", &path(&files.certificate));
        let start = start.flag("--web.tls-key-file", &path(&files.key)).flag("--web.tls-client-ca-file", &path(&ca));
        let guard = start.flag("--web.tls-client-auth", mode).flag("--policy.watch-interval", "0s").run();
        Self { servers, clients, upstream, guard }
    }

    fn issue(&self, names: &[&str]) -> Pair {
        self.clients.issue_client(names, days(1))
    }

    /// Sends a request over a connection of its own; none where the handshake comes to nothing. In TLS 1.3 the client
    /// learns that only when it reads.
    fn try_send(&self, shows: Option<&Pair>, request: &Request) -> Option<Response> {
        let tcp = TcpStream::connect(self.guard.address()).unwrap();
        let (mut connection, _) = authority::secure(self.servers.client(shows), tcp).ok()?;
        connection.send(request.bytes());
        connection.try_receive("POST").ok()
    }

    fn send(&self, shows: Option<&Pair>, request: &Request) -> Response {
        self.try_send(shows, request).expect("a handshake")
    }

    /// Changes files and waits until the log says what came of it.
    fn reload(&self, msg: &str, change: impl FnOnce()) {
        let count = || self.guard.log.lines().iter().filter(|line| line.get("msg") == msg).count();
        let before = count();
        change();
        self.guard.signal("HUP");
        wait_for(msg, || (count() > before).then_some(()));
    }

    fn refused(&self) -> f64 {
        let series = "pushguard_tls_handshake_failures_total{listener=\"default\",cause=\"client_certificate\"}";
        self.guard.metric(series).unwrap_or(0.0)
    }
}

fn push(job: &str) -> Request {
    Request::post(format!("/metrics/job/{job}"), "m 1\n")
}

#[test]
fn a_certificate_proves_a_principal_by_the_names_of_its_leaf() {
    let house = House::start("optional");
    for names in [&[SPIFFE][..], &["DNS:ci.example.com"], &["DNS:other.example.com", "DNS:CI.example.com"]] {
        let answer = house.send(Some(&house.issue(names)), &push("ci")).is(200, "", format!("{names:?}"));
        let record = house.guard.record(&answer);
        assert_eq!((&record["principal"], &record["rule"]), ("runner", "runner.grants[0]"));
        assert_eq!(record["certificate"], serde_json::to_string(names).unwrap());
    }
    // Others that are signed as well, but named nowhere. The common name is nobody's business.
    let intermediate = house.clients.vouch_for("an intermediate", &["DNS:ci.example.com"]);
    let mut below = intermediate.issue_client(&["DNS:below.example.com"], days(1));
    below.certificate.push_str(&intermediate.pem());
    let unnamed = [
        ("no name", house.issue(&[])),
        ("another", house.issue(&["DNS:other.example.com"])),
        ("another kind", house.issue(&["DNS:spiffe", "URI:ci.example.com", "email:ci.example.com"])),
        ("beyond the star", house.issue(&["URI:spiffe://prod.example/ns/ci/sa/push/more"])),
        ("only the intermediate is named", below),
    ];
    for (case, pair) in &unnamed {
        let answer = house.send(Some(pair), &push("ci")).is(401, "credential_rejected", case);
        let record = house.guard.record(&answer);
        assert!(record["detail"].starts_with("certificate_not_granted: "), "{case}: {record:?}");
        assert_eq!(&record["principal"], "none", "{case}");
    }
    // What it is granted, and what it may spend.
    let mail = house.issue(&["email:me@example.com"]);
    house.send(Some(&mail), &push("ci")).is(403, "job_not_granted", "another's job");
    house.send(Some(&mail), &push("mail")).is(200, "", "the one");
    house.send(Some(&mail), &push("mail")).is(429, "quota_exhausted", "the second");
    assert_eq!(house.upstream.seen().len(), 4);
    assert_eq!(house.refused(), 0.0);
}

#[test]
fn without_a_certificate_nothing_stands_for_one() {
    let house = House::start("optional");
    let answer = house.send(None, &push("mail")).is(401, "credential_missing", "no certificate");
    assert!(answer.text().contains("password"), "{}", answer.text());
    for (name, value) in [
        ("X-Forwarded-Client-Cert", "By=spiffe://x;URI=spiffe://prod.example/ns/ci/sa/push;DNS=ci.example.com"),
        ("X-Client-Cert", "ci.example.com"),
        ("X-SSL-Client-S-DN", "CN=ci.example.com"),
        ("ssl-client-verify", "SUCCESS"),
        ("Client-Cert", ":MIIB:"),
    ] {
        let pretends = push("ci").header(name, value);
        house.send(None, &pretends).is(401, "credential_missing", name);
        let other = house.issue(&["DNS:other.example.com"]);
        house.send(Some(&other), &pretends).is(401, "credential_rejected", name);
    }
    // What the request itself presents goes before what the connection has.
    let certified = house.issue(&[SPIFFE]);
    house.send(Some(&certified), &push("ci").basic("ci", "wrong")).is(401, "credential_rejected", "a wrong password");
    let other = house.issue(&["email:me@example.com"]);
    let answer = house.send(Some(&other), &push("ci").basic("ci", PASSWORD)).is(200, "", "a right one");
    assert_eq!(&house.guard.record(&answer)["principal"], "runner");
    // The anonymous are still served.
    let tcp = TcpStream::connect(house.guard.address()).unwrap();
    let (mut scrape, _) = authority::secure(house.servers.client(None), tcp).unwrap();
    scrape.exchange(&Request::get("/metrics")).is(200, "", "a scrape");
}

#[test]
fn who_is_not_signed_for_does_not_get_through_the_handshake() {
    let house = House::start("required");
    let ago = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3600);
    let hence = |hours: u64| SystemTime::now() + Duration::from_secs(hours * 3600);
    let server = house.servers.issue(days(1));
    let cases = [
        ("none at all", None),
        ("another authority", Some(Authority::new("clients").issue_client(&[SPIFFE], days(1)))),
        ("expired", Some(house.clients.issue_client(&[SPIFFE], ago(2)..ago(1)))),
        ("not yet valid", Some(house.clients.issue_client(&[SPIFFE], hence(1)..hence(2)))),
        ("that of a server", Some(server)),
    ];
    for (count, (case, pair)) in cases.iter().enumerate() {
        assert!(house.try_send(pair.as_ref(), &push("ci")).is_none(), "{case}");
        wait_for(case, || (house.refused() == f64::from(u32::try_from(count + 1).unwrap())).then_some(()));
    }
    house.send(Some(&house.issue(&[SPIFFE])), &push("ci")).is(200, "", "one that holds");
    assert_eq!(house.upstream.seen().len(), 1);
    // Optional means that there may be none, not that a bad one is none.
    let house = House::start("optional");
    let strange = Authority::new("clients").issue_client(&[SPIFFE], days(1));
    assert!(house.try_send(Some(&strange), &push("ci")).is_none(), "another authority");
    house.send(None, &push("ci").basic("ci", PASSWORD)).is(200, "", "none at all");
}

#[test]
fn changed_authorities_are_taken_into_use_and_broken_ones_are_not() {
    let house = House::start("required");
    let file = house.guard.folder.path().join("clients.pem");
    let (old, next) = (house.issue(&[SPIFFE]), Authority::new("the next"));
    let new = next.issue_client(&[SPIFFE], days(1));
    let change = |text: &str, msg: &str| house.reload(msg, || std::fs::write(&file, text).unwrap());
    assert!(house.try_send(Some(&new), &push("ci")).is_none(), "before");
    change(&format!("{}{}", house.clients.pem(), next.pem()), "certificate reloaded");
    for pair in [&old, &new] {
        house.send(Some(pair), &push("ci")).is(200, "", "both, while clients change over");
    }
    for broken in ["", "no PEM", &next.pem()[..200]] {
        change(broken, "certificate not reloaded");
        house.send(Some(&old), &push("ci")).is(200, "", format!("{broken:?}: the ones in use stay"));
    }
    change(&next.pem(), "certificate reloaded");
    house.send(Some(&new), &push("ci")).is(200, "", "the next");
    assert!(house.try_send(Some(&old), &push("ci")).is_none(), "the one before");
}

/// A connection is no longer good than the certificate that it began with.
#[test]
fn a_connection_ends_with_its_certificate() {
    let house = House::start("optional");
    // Certificates count in whole seconds, and a slow machine may need more of them for a handshake.
    let (mut connection, end) = (2..)
        .find_map(|seconds| {
            let end = SystemTime::now() + Duration::from_secs(seconds);
            let pair = house.clients.issue_client(&[SPIFFE], SystemTime::now() - Duration::from_secs(60)..end);
            let tcp = TcpStream::connect(house.guard.address()).unwrap();
            let (mut connection, _) = authority::secure(house.servers.client(Some(&pair)), tcp).ok()?;
            connection.send(push("ci").bytes());
            let answer = connection.try_receive("POST").ok()?;
            answer.is(200, "", "while it holds");
            Some((connection, end))
        })
        .unwrap();
    std::thread::sleep(end.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_secs(1));
    let before = house.upstream.seen().len();
    connection.send(push("ci").bytes());
    assert!(connection.try_receive("POST").is_err(), "after its end");
    assert_eq!(house.upstream.seen().len(), before);
}

/// Nor than whose word it was taken by. What does not concern that word ends no connection.
#[test]
fn a_connection_ends_with_the_authority_of_its_certificate() {
    let house = House::start("optional");
    let (folder, next) = (house.guard.folder.path(), Authority::new("the next"));
    let open = |shows: Option<&Pair>| {
        let tcp = TcpStream::connect(house.guard.address()).unwrap();
        authority::secure(house.servers.client(shows), tcp).unwrap().0
    };
    let anybody = push("ci").basic("ci", PASSWORD);
    let (mut certified, mut plain) = (open(Some(&house.issue(&[SPIFFE]))), open(None));
    let authorities = |text: &str| std::fs::write(folder.join("clients.pem"), text).unwrap();
    let both = format!("{}{}", next.pem(), house.clients.pem());
    let changes: [(&str, &dyn Fn()); 3] = [
        ("nothing", &|| ()),
        ("another certificate of the server", &|| drop(house.servers.issue(days(90)).write(folder))),
        ("one authority more", &|| authorities(&both)),
    ];
    for (case, change) in changes {
        if case != "nothing" {
            house.reload("certificate reloaded", change);
        }
        certified.exchange(&push("ci")).is(200, "", case);
        plain.exchange(&anybody).is(200, "", case);
    }
    house.reload("certificate reloaded", || authorities(&next.pem()));
    plain.exchange(&anybody).is(200, "", "it showed no certificate");
    let before = house.upstream.seen().len();
    certified.send(push("ci").bytes());
    assert!(certified.try_receive("POST").is_err(), "its authority is gone");
    assert_eq!(house.upstream.seen().len(), before);
}

#[test]
fn what_does_not_fit_together_ends_the_start() {
    let upstream = Upstream::start(|_| ok());
    let (status, text) = Start::new(POLICY, &upstream.url()).fail();
    assert!(!status.success());
    let expected = "principals.runner.certificate: no listener asks clients for certificates; start with \
                    --web.tls-client-ca-file";
    assert!(text.contains(expected), "{text}");
    let start = Start::new(POLICY, &upstream.url());
    let files = Authority::new("servers").issue(days(90)).write(start.folder.path());
    let key_as_authority = path(&files.key);
    let start = start.flag("--web.tls-cert-file", &path(&files.certificate));
    let start = start.flag("--web.tls-key-file", &path(&files.key));
    let (status, text) = start.flag("--web.tls-client-ca-file", &key_as_authority).fail();
    assert!(!status.success() && text.contains("tls.key: no certificate in it"), "{text}");
}
