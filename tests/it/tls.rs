//! Listeners with TLS: what real clients see, and how certificates are replaced while connections stand.

use crate::common::authority::{self, Authority, HOST, Pair, days};
use crate::common::guard::{EVERYTHING, Guard, PASSWORD, Start, path, quickstart, with};
use crate::common::http::{Connection, Request};
use crate::common::upstream::{Upstream, ok};
use crate::common::wait_for;
use pushguard::tls::TlsFiles;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

fn push() -> Request {
    Request::post("/metrics/job/ci", "m 1\n")
}

/// Where the certificate of the listener `default` lies.
fn with_pair(start: Start, pair: &Pair) -> (Start, TlsFiles) {
    let files = pair.write(start.folder.path());
    let start = start.flag("--web.tls-cert-file", &path(&files.certificate));
    (start.flag("--web.tls-key-file", &path(&files.key)), files)
}

fn start(upstream: &Upstream, pair: &Pair) -> (Guard, TlsFiles) {
    let (start, files) = with_pair(Start::new(EVERYTHING, &upstream.url()), pair);
    (start.flag("--policy.watch-interval", "1s").run(), files)
}

const USED: &str = "pushguard_tls_last_reload_successful{listener=\"default\"}";
const NOT_AFTER: &str = "pushguard_tls_certificate_not_after_timestamp_seconds{listener=\"default\"}";

fn failures(guard: &Guard, cause: &str) -> f64 {
    let series = format!("pushguard_tls_handshake_failures_total{{listener=\"default\",cause=\"{cause}\"}}");
    guard.metric(&series).unwrap_or(0.0)
}

fn openssl(guard: &Guard, arguments: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &guard.address().to_string(), "-servername", HOST, "-brief"]);
    command.args(arguments).stdin(Stdio::null()).output().expect("openssl can be run")
}

#[test]
fn curl_and_openssl_find_strict_tls() {
    let upstream = Upstream::start(|_| ok());
    let authority = Authority::new("an authority");
    let (start, _) = with_pair(Start::new(&quickstart(), &upstream.url()), &authority.issue(days(90)));
    let guard = start.run();
    let ca = guard.folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let curl = |more: &[&str]| {
        let resolve = format!("{HOST}:{}:127.0.0.1", guard.address().port());
        let url = format!("https://{HOST}:{}/metrics/job/ci", guard.address().port());
        let mut command = Command::new("curl");
        command.args(["-sS", "--cacert", &path(&ca), "--resolve", &resolve, "-u", &format!("ci:{PASSWORD}")]);
        command.args(["-w", "%{http_code} %{ssl_verify_result} %{http_version}", "--data-binary", "m 1\n"]);
        command.args(more).arg(url).output().expect("curl can be run")
    };
    for versions in [&["--tlsv1.3"][..], &["--tlsv1.2", "--tls-max", "1.2"], &["--http2"]] {
        let output = curl(versions);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "200 0 1.1", "{versions:?}: {output:?}");
    }
    assert_eq!(upstream.seen().len(), 3);
    let brief = |output: Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let verified = brief(openssl(&guard, &["-CAfile", &path(&ca), "-verify_return_error", "-alpn", "h2,http/1.1"]));
    assert!(verified.contains("Protocol version: TLSv1.3") && verified.contains("Verification: OK"), "{verified}");
    for refused in
        [&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..], &["-alpn", "h2"], &["-tls1_2", "-cipher", "AES256-SHA"]]
    {
        let output = openssl(&guard, refused);
        assert!(!output.status.success(), "{refused:?}: {output:?}");
    }
    wait_for("three incompatible clients", || (failures(&guard, "incompatible") == 3.0).then_some(()));
    // A client that does not trust the certificate says so.
    let untrusting = Command::new("curl").args(["-sS", &format!("https://{}/", guard.address())]).output().unwrap();
    assert_eq!(untrusting.status.code(), Some(60), "{untrusting:?}");
    wait_for("a refused certificate", || (failures(&guard, "certificate_refused") == 1.0).then_some(()));
}

#[test]
fn what_is_no_handshake_is_told_or_closed_and_the_log_is_not_flooded() {
    let upstream = Upstream::start(|_| ok());
    let pair = Authority::new("an authority").issue(days(90));
    let (start, _) = with_pair(Start::new(EVERYTHING, &upstream.url()), &pair);
    let guard = start.flag("--web.handshake-timeout", "500ms").run();
    let answer = push().send(guard.address()).is(400, "", "plain HTTP");
    assert_eq!(answer.text(), "request_malformed: this port speaks https only\n");
    for begun in [b"".as_slice(), b"\x16", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"] {
        let mut silent = Connection::open(guard.address());
        silent.send(begun);
        silent.is_closed("a handshake that goes on too long");
    }
    wait_for("all silent ones to be counted", || (failures(&guard, "timeout") == 3.0).then_some(()));
    for _ in 0..50 {
        let mut garbage = Connection::open(guard.address());
        garbage.send(b"\x16\x03\x01\0\x05hello");
        let _ = garbage.rest();
        drop(Connection::open(guard.address()));
    }
    wait_for("all garbage to be counted", || (failures(&guard, "protocol") == 50.0).then_some(()));
    wait_for("all ended ones to be counted", || (failures(&guard, "closed") == 50.0).then_some(()));
    wait_for("plain HTTP to be counted", || (failures(&guard, "not_tls") == 1.0).then_some(()));
    let told = guard.log.lines().into_iter().filter(|line| line.get("msg") == "handshakes failed").count();
    assert_eq!(told, 1, "104 failures in less than a minute");
    assert_eq!(upstream.contacts(), (0, 0));
}

#[test]
fn the_proxy_protocol_comes_before_tls() {
    let upstream = Upstream::start(|_| ok());
    let authority = Authority::new("an authority");
    let policy = with(
        EVERYTHING,
        "version: 1\n",
        "version: 1\nlisteners: { default: { client_from: proxy-protocol, trusted_proxies: [127.0.0.0/8] } }\n",
    );
    let (start, _) = with_pair(Start::new(&policy, &upstream.url()), &authority.issue(days(90)));
    let guard = start.run();
    let announce = b"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n";
    let mut tcp = TcpStream::connect(guard.address()).unwrap();
    tcp.write_all(announce).unwrap();
    let (mut connection, _) = authority::secure(authority.client(None), tcp).unwrap();
    let answer = connection.exchange(&push()).is(200, "", "announced, then encrypted");
    assert_eq!(&guard.record(&answer)["source"], "198.51.100.7");
    // In one segment with what follows it.
    let mut together = Connection::open(guard.address());
    together.send([announce.as_slice(), b"\x16\x03\x01\0\x05hello"].concat());
    let _ = together.rest();
    wait_for("garbage to be counted", || (failures(&guard, "protocol") == 1.0).then_some(()));
    let inside = authority::secure(authority.client(None), TcpStream::connect(guard.address()).unwrap());
    assert!(inside.is_err(), "without an announcement");
}

/// Certificates change under load: every connection goes on, every new one is shown a whole pair, at last the newest.
#[test]
fn a_changed_pair_is_taken_into_use_without_losing_a_connection() {
    let upstream = Upstream::start(|_| ok());
    let authority = Authority::new("an authority");
    let pairs: Vec<Pair> = (30..40).map(|days| authority.issue(self::days(days))).collect();
    let (guard, files) = start(&upstream, &pairs[0]);
    let client = authority.client(None);
    let (mut kept, shown) = authority::connect(&client, guard.address());
    assert_eq!(shown, pairs[0].der());
    let first = guard.metric(NOT_AFTER).unwrap();
    let (over, pushes) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let (mut connection, _) = authority::connect(&client, guard.address());
                    for _ in 0..3 {
                        connection.exchange(&push()).is(200, "", "while certificates change");
                        pushes.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        for pair in &pairs[1..] {
            // As a Kubernetes secret changes: both files at once, by the swap of a link; here one after the other.
            pair.write(files.certificate.parent().unwrap());
            guard.signal("HUP");
            wait_for("the new certificate", || {
                let (mut connection, shown) = authority::connect(&client, guard.address());
                connection.exchange(&push()).is(200, "", "a new connection");
                (shown == pair.der()).then_some(())
            });
            kept.exchange(&push()).is(200, "", "the first connection");
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(pushes.load(Ordering::SeqCst) > 0);
    guard.await_metric(USED, 1.0);
    wait_for("its end in the metrics, nine days later", || {
        let days = (guard.metric(NOT_AFTER)? - first) / 86_400.0;
        (8.9..9.1).contains(&days).then_some(())
    });
}

#[test]
fn a_pair_that_does_not_fit_keeps_the_one_before() {
    let upstream = Upstream::start(|_| ok());
    let authority = Authority::new("an authority");
    let good = authority.issue(days(90));
    let (guard, files) = start(&upstream, &good);
    let now = SystemTime::now();
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let (other, key) = (authority.issue(days(90)), std::fs::read_to_string(&files.key).unwrap());
    let half = &other.certificate[..other.certificate.len() / 2];
    let mut garbled = other.clone();
    garbled.certificate = garbled.certificate.replace("\nM", "\nN");
    let pair = |certificate: &str, key: &str| Pair { certificate: certificate.to_owned(), key: key.to_owned() };
    let cases = [
        ("another's key", pair(&other.certificate, &key), "is not the key of the first certificate"),
        ("half of a file", pair(half, &other.key), "broken PEM"),
        ("empty files", pair("", ""), "no certificate in it"),
        ("the two exchanged", pair(&other.key, &other.certificate), "no certificate in it"),
        ("no key", pair(&other.certificate, "nothing\n"), "no private key in it"),
        ("no certificate inside", garbled, "a certificate is not one"),
        ("expired", authority.issue(now - hours(48)..now - hours(24)), "expired at 2"),
        ("too early", authority.issue(now + hours(24)..now + hours(48)), "not valid before 2"),
    ];
    for (case, pair, problem) in cases {
        pair.write(files.certificate.parent().unwrap());
        guard.signal("HUP");
        let said = guard
            .log
            .line(case, |line| line.get("msg") == "certificate not reloaded" && line.get("problem").contains(problem));
        assert_eq!((&said["level"], &said["listener"]), ("error", "default"), "{case}");
        let (mut connection, shown) = authority::connect(&authority.client(None), guard.address());
        connection.exchange(&push()).is(200, "", case);
        assert_eq!(shown, good.der(), "{case}");
        guard.await_metric(USED, 0.0);
    }
    std::fs::remove_file(&files.key).unwrap();
    guard.log.line("a file that is gone, by itself", |line| line.get("problem").contains("No such file"));
    // The same pair as ever is as good as a new one, and needs no signal.
    good.write(files.certificate.parent().unwrap());
    guard.await_metric(USED, 1.0);
    let (_, shown) = authority::connect(&authority.client(None), guard.address());
    assert_eq!(shown, good.der());
}

#[test]
fn a_start_with_files_that_do_not_fit_ends_with_one_line() {
    let authority = Authority::new("an authority");
    let (one, other) = (authority.issue(days(90)), authority.issue(days(90)));
    let mixed = Pair { certificate: one.certificate.clone(), key: other.key };
    let (start, _) = with_pair(Start::new(EVERYTHING, "http://127.0.0.1:1"), &mixed);
    let (status, text) = start.fail();
    assert_eq!(status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with("pushguard: TLS of the listener \"default\": ") && text.contains("tls.key is not"),
        "{text}"
    );
    let missing = Start::new(EVERYTHING, "http://127.0.0.1:1").flag("--web.tls-cert-file", "/nonexistent/tls.crt");
    let (status, text) = missing.fail();
    assert_eq!(status.code(), Some(2), "{text}");
    assert!(text.contains("no --web.tls-key-file"), "{text}");
}

/// What is expired at the start is no reason to serve nothing: other listeners may have none, and the next pair comes.
#[test]
fn a_start_with_an_expired_certificate_says_so_and_a_short_life_is_told() {
    let authority = Authority::new("an authority");
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now();
    for (life, level, msg) in [
        (now - 48 * hour..now - 24 * hour, "error", "certificate expired"),
        (now - 48 * hour..now + 10 * hour, "warn", "certificate near its end"),
        (now + 24 * hour..now + 48 * hour, "error", "certificate not yet valid"),
    ] {
        let (start, _) = with_pair(Start::new(EVERYTHING, "http://127.0.0.1:1"), &authority.issue(life));
        let guard = start.run();
        let said = guard.log.line(msg, |line| line.get("msg") == msg);
        assert_eq!((&said["level"], &said["listener"]), (level, "default"));
    }
}

#[test]
fn passwords_inside_tls_are_not_warned_about_and_the_admin_listener_can_have_tls_too() {
    let upstream = Upstream::start(|_| ok());
    let authority = Authority::new("an authority");
    let start = Start::with_policy(&quickstart()).flag("--upstream.url", &upstream.url());
    let files = authority.issue(days(90)).write(start.folder.path());
    let start = start.flag("--web.listen-address", "default=:0,inside=:0");
    let both = |file: &std::path::Path| format!("{0},admin={0}", path(file));
    let start = start.flag("--web.tls-cert-file", &both(&files.certificate));
    let guard = start.flag("--web.tls-key-file", &both(&files.key)).run();
    let warned: Vec<String> = guard
        .log
        .lines()
        .into_iter()
        .filter(|l| l.get("msg") == "passwords in clear text")
        .map(|line| line["listener"].to_owned())
        .collect();
    assert_eq!(warned, ["inside"]);
    let (mut admin, _) = authority::connect(&authority.client(None), guard.admin());
    let page = admin.exchange(&Request::get("/metrics")).is(200, "", "metrics").text();
    for (listener, exposed) in [("default", 0), ("inside", 1)] {
        let series = format!("pushguard_listener_cleartext_credentials{{listener=\"{listener}\"}} {exposed}\n");
        assert!(page.contains(&series), "{series} in {page}");
    }
}
