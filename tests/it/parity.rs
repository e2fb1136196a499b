//! Dry runs answer what the live proxy answers: every request of every policy's tests, and generated ones, go through a
//! real listener and are asked of the dry run as well, at the same time of one clock that stands still between them.

use crate::common::guard::PASSWORD;
use crate::common::mint::{RSA, key_set};
use crate::common::upstream::{Upstream as Recorder, ok};
use crate::volume::rng::Rng;
use crate::volume::{Volume, say};
use async_trait::async_trait;
use pushguard::auth::phc;
use pushguard::clock::{Clock, ManualClock, Tick};
use pushguard::config::{self, Secrets};
use pushguard::dry_run::{Body, Described, End, Logins, Proof, Quotas, Token, Told, ask};
use pushguard::gate::{Gate, login_rates};
use pushguard::inventory::{Bounds, Inventory};
use pushguard::keys::{self, Keys};
use pushguard::limit::Ledger;
use pushguard::live::Live;
use pushguard::metrics::Metrics;
use pushguard::policy::{Limits, NamedSets, Policy, World};
use pushguard::proxy::{
    Connections, Failures, Handler, Incoming, Listener, PeerKind, Proxy, Room, Service, Upstream, bind,
};
use pushguard::request::Web;
use pushguard::secret::Secret;
use pushguard::suite::Act;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// What a record tells beyond the answer.
#[derive(Clone, Debug, Default, PartialEq)]
struct Noted {
    rule: String,
    principal: String,
}

/// The records of all requests by their ids.
static RECORDS: LazyLock<Mutex<HashMap<String, Noted>>> = LazyLock::new(Mutex::default);

struct Collect;

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Collect {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let get = |name| fields.0.get(name).cloned().unwrap_or_default();
        if get("msg") == "request" {
            let noted = Noted { rule: get("rule"), principal: get("principal") };
            RECORDS.lock().unwrap().insert(get("request_id"), noted);
        }
    }
}

fn collect() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Collect)).unwrap();
    });
}

/// The proxy, for whom connections seem to come from where a test says.
struct From {
    proxy: Arc<Proxy>,
    peer: Arc<Mutex<IpAddr>>,
}

#[async_trait]
impl Handler for From {
    async fn handle(&self, mut incoming: Incoming<'_>) {
        incoming.peer = *self.peer.lock().unwrap();
        self.proxy.handle(incoming).await;
    }
}

/// A live proxy in this process, and what a dry run needs to be asked the same.
struct Stand {
    runtime: tokio::runtime::Runtime,
    clock: ManualClock,
    live: Arc<Live>,
    policy: Arc<Policy>,
    listeners: BTreeMap<String, SocketAddr>,
    peer: Arc<Mutex<IpAddr>>,
    upstream: Recorder,
    stop: watch::Sender<bool>,
    quotas: Ledger,
    logins: Ledger,
    sets: Arc<NamedSets>,
}

impl Stand {
    fn new(policy: &Policy, start: SystemTime, listeners: &[String]) -> Self {
        collect();
        let clock = ManualClock::default();
        clock.advance(start.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        let limits = Limits::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let upstream = Recorder::start(|_| ok());
        let live = Arc::new(Live::new(policy.clone()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ids = AtomicUsize::new(0);
        let stand = format!("{:p}", Arc::as_ptr(&live));
        let metrics = Arc::new(Metrics::new());
        let no_tls = || Err("this gateway is asked in clear text");
        let gateway = Upstream::new(upstream.url().parse().unwrap(), no_tls, limits, shared.clone());
        let (clock_of_keys, counted) = (shared.clone(), metrics.keys.clone());
        let keys = keys::Settings {
            folder: None,
            clock: clock_of_keys,
            metrics: counted,
            publish: Box::new(|_| ()),
            longest_wait: keys::LONGEST_WAIT,
        };
        let proxy = Arc::new(Proxy {
            live: live.clone(),
            gate: Gate::new(shared.clone(), limits, policy.verifier_memory_kib(), [7; 32]),
            keys: Keys::new(keys),
            upstream: Arc::new(gateway.unwrap()),
            inventory: Arc::new(Inventory::new(Bounds::new(limits.groups, limits.metrics, limits.page_bytes))),
            limits,
            body_room: Room::new(limits.body_bytes),
            clock: shared.clone(),
            metrics: metrics.clone(),
            recent: Arc::default(),
            web: Web::default(),
            ids: Box::new(move || format!("{stand}-{}", ids.fetch_add(1, std::sync::atomic::Ordering::SeqCst))),
        });
        let peer = Arc::new(Mutex::new(IpAddr::from([127, 0, 0, 1])));
        let (stop, stopping) = watch::channel(false);
        let open = |name: &String| {
            let (socket, address) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let listener = Listener {
                name: name.as_str().into(),
                handler: Arc::new(From { proxy: proxy.clone(), peer: peer.clone() }),
                limits,
                tls: None,
                handshake_failures: Failures::default(),
                connections: Connections::new(64, 64),
                kind: Box::new(|_| PeerKind::Proxy),
                in_flight: Arc::default(),
                draining: stopping.clone(),
                clock: shared.clone(),
                metrics: metrics.clone(),
            };
            let _running = runtime.block_on(async { Service::start(socket, address, listener, stopping.clone()) });
            (name.clone(), address)
        };
        let listeners = listeners.iter().map(open).collect();
        let (quotas, logins) = (Ledger::new(limits.quota_keys), Ledger::new(limits.quota_keys));
        let (policy, sets) = (Arc::new(policy.clone()), Arc::default());
        Self { runtime, clock, live, policy, listeners, peer, upstream, stop, quotas, logins, sets }
    }

    /// The token with these claims as the policy's issuer would sign it now; what they lack is as in a good one.
    fn signed(&self, token: &Token) -> String {
        let issuer = &self.policy.issuers.values().next().expect("an issuer").token;
        let now = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": issuer.url, "aud": issuer.audience, "sub": "imagined", "jti": "imagined",
            "iat": now, "nbf": now, "exp": now + 300,
        });
        claims.as_object_mut().unwrap().extend(token.claims.clone());
        RSA.token(&claims)
    }

    fn serve_sets(&mut self, sets: &Arc<NamedSets>) {
        if !Arc::ptr_eq(&self.sets, sets) {
            self.live.publish_sets(sets.clone());
            self.sets = sets.clone();
        }
    }

    /// Sends a request to the live proxy; tells its verdict, reason, would-deny, rule, principal and what the gateway got.
    fn send(&self, request: &Described) -> String {
        let before = self.upstream.seen().len();
        *self.peer.lock().unwrap() = request.peer;
        let password = if request.proof == Proof::Right { PASSWORD } else { "wrong" };
        let mut bytes = request.head(password);
        if let Some(token) = &request.token {
            let head = String::from_utf8(bytes).unwrap();
            assert!(head.contains("Bearer imagined"), "{head}");
            bytes = head.replace("Bearer imagined", &format!("Bearer {}", self.signed(token))).into_bytes();
        }
        if let Body::Bytes(body) = &request.body {
            bytes.extend_from_slice(body);
        }
        let mut stream = TcpStream::connect(self.listeners[&request.listener]).unwrap();
        stream.set_read_timeout(Some(crate::common::DEADLINE)).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "no answer to {request:?}");
            answer.extend_from_slice(&part[..read]);
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or("-").to_owned()
        };
        let verdict = if text.starts_with("HTTP/1.1 200") { "allow" } else { "deny" };
        let id = field("Pushguard-Request-Id");
        let noted = crate::common::wait_for("the record", || RECORDS.lock().unwrap().remove(&id));
        let seen = self.upstream.seen();
        let upstream = seen.get(before).map_or("-".to_owned(), |seen| seen.line().to_owned());
        shown(verdict, &field("Pushguard-Reason"), &field("Pushguard-Would-Deny"), &noted, &upstream)
    }

    /// Asks the dry run the same.
    fn ask(&self, request: &Described) -> String {
        let world = World { policy: self.policy.clone(), sets: self.sets.clone(), ..World::default() };
        let question = request.question(&self.policy, &Web::default(), self.clock.wall());
        let logins = Logins { ledger: &self.logins, rates: login_rates(&Limits::default()) };
        let now = Tick::from_nanos(self.clock.tick().as_nanos());
        told(&ask(&world, &question, Quotas::Kept { ledger: &self.quotas, logins, now }))
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        let _entered = self.runtime.enter();
    }
}

fn shown(verdict: &str, reason: &str, would: &str, noted: &Noted, upstream: &str) -> String {
    format!("{verdict} {reason}, would {would}, rule {:?}, principal {:?}, {upstream}", noted.rule, noted.principal)
}

fn told(told: &Told) -> String {
    let reason = told.denial().map_or("-", |denial| denial.reason.code());
    let End::Decided(decision) = &told.end else {
        return shown(told.verdict(), reason, "-", &Noted { rule: String::new(), principal: "none".into() }, "-");
    };
    let would = decision.would_deny.as_ref().map_or("-", |would| would.denial.reason.code());
    let upstream = match &decision.verdict {
        pushguard::decision::Verdict::Allow(permit) => {
            let (method, path) = permit.upstream();
            format!("{method} {path}")
        }
        pushguard::decision::Verdict::Deny(_) => "-".to_owned(),
    };
    let noted = Noted {
        rule: decision.identity.rule.as_deref().unwrap_or_default().to_owned(),
        principal: decision.identity.principal.as_deref().unwrap_or("none").to_owned(),
    };
    shown(told.verdict(), reason, would, &noted, &upstream)
}

/// A policy that ships, with a hash of the tests' password for everybody, and the tests' key for every issuer.
fn policy(text: &str) -> Policy {
    static HASH: LazyLock<String> =
        LazyLock::new(|| phc::hash(&Secret::new(PASSWORD.as_bytes().to_vec()), *b"a salt for tests").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.phc");
    std::fs::write(&file, &*HASH).unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, key_set(&[RSA.jwk()])).unwrap();
    let mut adapted = String::new();
    let text = text.replace("audience: ", &format!("jwks_file: {}, audience: ", keys.display()));
    for line in text.lines() {
        match line.split_once("password_hash_file: ") {
            Some((before, after)) => {
                let end = after.find([' ', ',', '}']).unwrap_or(after.len());
                adapted.push_str(&format!("{before}password_hash_file: {}{}\n", file.display(), &after[end..]));
            }
            None => adapted.push_str(&format!("{line}\n")),
        }
    }
    match config::read(&adapted, folder.path(), Secrets::Required, &mut || [7; 48]) {
        Ok((policy, _)) => policy,
        Err(problems) => panic!("{problems:#?}\n{adapted}"),
    }
}

#[test]
fn the_tests_of_policies_are_answered_as_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let (mut requests, mut with_tokens) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if !file.to_str().unwrap().ends_with(".test.yaml") {
            continue;
        }
        let suite = config::suite(&file).unwrap();
        let policy = policy(&std::fs::read_to_string(&suite.policy).unwrap());
        for case in &suite.cases {
            // A sweep is no request, and only an encrypted connection has a certificate.
            let asked = case.steps.iter().filter_map(|step| match &step.act {
                Act::Ask(asked) if asked.request.certificate.is_none() => Some((step.at, asked)),
                Act::Ask(_) | Act::Sweep(_) => None,
            });
            let names: Vec<String> = asked.clone().map(|(_, asked)| asked.request.listener.clone()).collect();
            let mut stand = Stand::new(&policy, suite.start, &names);
            let mut now = Duration::ZERO;
            for (at, step) in asked {
                stand.clock.advance(at - now);
                now = at;
                stand.serve_sets(&step.sets);
                for _ in 0..step.times {
                    let (live, dry) = (stand.send(&step.request), stand.ask(&step.request));
                    assert_eq!(live, dry, "{}: {:?}: {:?}", file.display(), case.name, step.request);
                    requests += 1;
                    with_tokens += usize::from(step.request.token.is_some());
                }
            }
        }
    }
    say(format!("parity: {requests} requests of the tests of policies, {with_tokens} of them with a token"));
    assert!(requests > 500 && with_tokens > 50);
}

/// A request that is as it should be, but for a few things that are taken at random.
fn generated(rng: &mut Rng) -> Described {
    let (listener, peer, client, user, method, target) = *[
        ("public", "10.42.0.9", "198.51.100.7", "ci", "POST", "/metrics/job/ci/workflow/a"),
        ("public", "10.42.0.9", "203.0.113.7", "ci", "PUT", "/metrics/job/ci"),
        ("public", "10.42.0.9", "203.0.113.7", "operator", "DELETE", "/metrics/job/x/a/b"),
        ("public", "10.42.0.9", "203.0.113.7", "operator", "GET", "/status"),
        ("internal", "10.1.2.3", "", "", "POST", "/metrics/job/batch-1"),
        ("internal", "10.1.2.3", "", "", "GET", "/metrics"),
    ]
    .get(rng.below(6))
    .unwrap();
    let mut other = |usual: &'static str, others: &[&'static str]| {
        if rng.chance(12) { *rng.pick(&others.iter().collect::<Vec<_>>()) } else { usual }
    };
    let listener = other(listener, &["public", "internal"]);
    let peer = other(peer, &["10.42.0.9", "10.1.2.3", "203.0.113.7", "9.9.9.9", "2001:db8::1"]);
    let client = other(client, &["", "10.1.2.3", "9.9.9.9", "garbage", "203.0.113.7, 10.42.0.3"]);
    let user = other(user, &["", "ci", "operator", "nobody"]);
    let method = other(method, &["POST", "PUT", "DELETE", "GET", "PATCH"]);
    let target = other(
        target,
        &[
            "/metrics/job@base64/Y2k/workflow@base64/YS9i",
            "/metrics/job/ci/team/x",
            "/metrics/job/batch-1/instance/i",
            "/metrics/job/other",
            "/metrics",
            "/",
            "/api/v1/metrics",
            "/-/ready",
            "/nowhere",
            "/metrics/job/a%2Fb",
            "/metrics/job/ci/workflow",
            "/metrics/job",
        ],
    );
    let body = other("up 1\n", &["up 1\nup 2\n", "# nothing\n", "", "tests_total 4\n"]);
    let coding = other("", &["gzip", "br"]);
    let site = other("", &["cross-site", "same-origin"]);
    let fields = [("X-Forwarded-For", client), ("Content-Encoding", coding), ("Sec-Fetch-Site", site)];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let takes_body = matches!(method, "POST" | "PUT") && !rng.chance(3);
    Described {
        method: method.to_owned(),
        target: target.to_owned(),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        user: Some(user.to_owned()).filter(|user| !user.is_empty()),
        // A wrong password costs a hash.
        proof: if rng.chance(3) { Proof::Wrong } else { Proof::Right },
        token: None,
        certificate: None,
        peer: peer.parse().unwrap(),
        announced: None,
        listener: listener.to_owned(),
        body: if takes_body { Body::Bytes(body.as_bytes().to_vec()) } else { Body::Absent },
    }
}

#[test]
fn generated_requests_are_answered_as_the_dry_run_says() {
    let volume = Volume::read(1000);
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/policies/kubernetes-ingress.yaml")).unwrap();
    for mode in ["", "mode: report\n"] {
        let policy = policy(&format!("{text}{mode}"));
        let mut rng = Rng::new(volume.seed);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let stand = Stand::new(&policy, start, &["public".to_owned(), "internal".to_owned()]);
        let mut outcomes = BTreeMap::<String, usize>::new();
        for number in 0..volume.count() / 2 {
            let request = generated(&mut rng);
            stand.clock.advance(Duration::from_millis(u64::try_from(rng.below(700)).unwrap()));
            let (live, dry) = (stand.send(&request), stand.ask(&request));
            assert_eq!(live, dry, "PUSHGUARD_SEED={} request {number} {mode:?}: {request:?}", volume.seed);
            let outcome = live.split(", rule").next().unwrap().to_owned();
            *outcomes.entry(outcome).or_default() += 1;
        }
        say(format!(
            "parity: {} generated requests, {} kinds of outcome: {outcomes:?}",
            volume.count() / 2,
            outcomes.len()
        ));
        assert!(outcomes.len() >= 10, "{outcomes:?}");
    }
}
