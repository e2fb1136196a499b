//! A line against a small server of its own: when it asks, what it keeps, who waits.

use super::*;
use crate::clock::ManualClock;
use crate::config::{Secrets, read};
use crate::policy::Published;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e","x":"WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY"}]}"#;

/// An issuer that publishes what it is told to.
struct Server {
    url: String,
    body: Arc<Mutex<(&'static str, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let body = Arc::new(Mutex::new(("200 OK", KEYS.to_owned())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (of, count) = (body.clone(), asked.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (status, body) = of.lock().clone();
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, body, asked }
    }

    fn publish(&self, status: &'static str, body: &str) {
        *self.body.lock() = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn lines(&self) -> Lines {
        let published = Published { jwks_url: Some(format!("{}/keys", self.url)), ..Published::default() };
        Lines(vec![Source::new("issuer".into(), "https://issuer.example", &published).unwrap()])
    }
}

struct Kept {
    keys: Arc<Keys>,
    clock: ManualClock,
    known: Arc<Mutex<Arc<IssuerKeys>>>,
}

fn keep(folder: Option<&Path>) -> Kept {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = ManualClock::default();
    let known = Arc::new(Mutex::new(Arc::default()));
    let publish = known.clone();
    let keys = Keys::new(Settings {
        folder: folder.map(Path::to_owned),
        clock: Arc::new(clock.clone()),
        metrics: KeyMetrics::default(),
        publish: Box::new(move |keys| *publish.lock() = keys),
        longest_wait: Duration::from_secs(300),
    });
    Kept { keys, clock, known }
}

impl Kept {
    fn count(&self) -> Option<usize> {
        self.known.lock().get("issuer").map(|keys| keys.len())
    }
}

#[tokio::test]
async fn a_storm_of_unknown_keys_asks_once_a_minute() {
    let (server, kept) = (Server::start().await, keep(None));
    kept.keys.change(server.lines());
    // The first answer is on its way from the start: whoever comes before it waits for it.
    kept.keys.wanted("issuer").await;
    assert_eq!((server.asked(), kept.count()), (1, Some(1)));
    for minute in 1..=3 {
        let storm: Vec<_> = (0..40)
            .map(|_| {
                let keys = kept.keys.clone();
                tokio::spawn(async move {
                    for _ in 0..1000 {
                        keys.wanted("issuer").await;
                    }
                })
            })
            .collect();
        for task in storm {
            task.await.unwrap();
        }
        assert_eq!(server.asked(), minute, "40,000 requests in minute {minute}");
        kept.clock.advance(Duration::from_secs(59));
        kept.keys.wanted("issuer").await;
        assert_eq!(server.asked(), minute, "a second before the next");
        kept.clock.advance(Duration::from_secs(1));
    }
    kept.keys.wanted("nobody").await;
}

#[tokio::test]
async fn keys_that_are_held_stay_until_better_ones_come() {
    let (server, kept) = (Server::start().await, keep(None));
    kept.keys.change(server.lines());
    kept.keys.wanted("issuer").await;
    assert_eq!(kept.count(), Some(1));
    let huge = format!("{KEYS}{}", " ".repeat(300_000));
    for (status, body) in [
        ("500 Oops", KEYS),
        ("200 OK", r#"{"keys":[]}"#),
        ("200 OK", "<html>"),
        ("200 OK", &*huge),
        ("302 Found", ""),
        ("200 OK", r#"{"keys":[{"kty":"oct","k":"AA","kid":"e"}]}"#),
    ] {
        server.publish(status, body);
        kept.clock.advance(Duration::from_secs(60));
        let before = server.asked();
        kept.keys.wanted("issuer").await;
        assert_eq!((server.asked(), kept.count()), (before + 1, Some(1)), "{status} {body:.40}");
    }
    server.publish("200 OK", &KEYS.replace("\"e\"", "\"f\""));
    kept.clock.advance(Duration::from_secs(60));
    kept.keys.wanted("issuer").await;
    assert_eq!(kept.count(), Some(1));
    assert_ne!(kept.known.lock()["issuer"].as_ref(), &KeySet::parse(KEYS.as_bytes()).unwrap(), "the new key");
}

#[tokio::test]
async fn a_restart_takes_keys_from_the_disk_and_another_issuer_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let first = keep(Some(folder.path()));
    first.keys.change(server.lines());
    first.keys.wanted("issuer").await;
    let file = folder.path().join("keys-issuer.json");
    while !file.exists() {
        tokio::task::yield_now().await;
    }
    server.publish("503 Away", "");
    let second = keep(Some(folder.path()));
    second.keys.change(server.lines());
    second.keys.wanted("issuer").await;
    assert_eq!(second.count(), Some(1), "the issuer is away, the keys are there");
    let elsewhere = Server::start().await;
    elsewhere.publish("503 Away", "");
    let third = keep(Some(folder.path()));
    third.keys.change(elsewhere.lines());
    third.keys.wanted("issuer").await;
    assert_eq!(third.count(), None, "keys that came another way");
}

#[tokio::test]
async fn a_changed_policy_drops_keys_that_came_another_way_at_once() {
    let (server, other, kept) = (Server::start().await, Server::start().await, keep(None));
    kept.keys.change(server.lines());
    kept.keys.wanted("issuer").await;
    kept.keys.change(server.lines());
    assert_eq!((kept.count(), server.asked()), (Some(1), 1), "a line that stays goes on");
    other.publish("503 Away", "");
    kept.keys.change(other.lines());
    assert_eq!(kept.count(), None, "another way");
    kept.keys.wanted("issuer").await;
    assert_eq!((kept.count(), other.asked()), (None, 1));
    kept.keys.change(Lines(Vec::new()));
    assert!(kept.known.lock().is_empty());
}

/// Other certificates are another way to the same keys: what is held stays, and whoever held on to the old ones ends.
#[tokio::test]
async fn a_line_with_other_certificates_takes_the_place_of_the_old_one() {
    let (server, kept) = (Server::start().await, keep(None));
    let lines = |ca: &[u8]| {
        let published =
            Published { jwks_url: Some(format!("{}/keys", server.url)), ca: ca.to_vec(), ..Published::default() };
        Lines(vec![Source::new("issuer".into(), "https://issuer.example", &published).unwrap()])
    };
    kept.keys.change(lines(b"old"));
    kept.keys.wanted("issuer").await;
    let line = |kept: &Kept| Arc::downgrade(&kept.keys.state.lock().lines["issuer"]);
    let old = line(&kept);
    kept.keys.change(lines(b"old"));
    assert!(old.ptr_eq(&line(&kept)), "the same certificates");
    server.publish("503 Away", "");
    kept.keys.change(lines(b"new"));
    assert_eq!(kept.count(), Some(1), "they come from the same place");
    kept.keys.wanted("issuer").await;
    assert_eq!((server.asked(), kept.count()), (2, Some(1)), "asked at once");
    while old.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn only_issuers_that_publish_are_asked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys"), KEYS).unwrap();
    let lines = |issuer: &str| {
        let text =
            format!("version: 1\nissuers: {{ i: {{ preset: gitlab, audience: push{issuer} }} }}\nprincipals: {{}}");
        let (policy, _) = read(&text, folder.path(), Secrets::Required, &mut || [7; 48]).unwrap();
        Keys::lines(&policy).map(|lines| lines.0.len())
    };
    assert_eq!(lines(""), Ok(1));
    assert_eq!(lines(", jwks_url: \"https://elsewhere.example/keys\""), Ok(1));
    assert_eq!(lines(", jwks_file: keys"), Ok(0));
    let error = lines(", ca_file: keys").unwrap_err();
    assert!(error.starts_with("issuers.i: ") && error.contains("PEM certificates"), "{error}");
}
