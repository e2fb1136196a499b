//! A policy is taken into use while requests go on: whole, or not at all.

mod common;

use common::guard::{Guard, PASSWORD, Start, quickstart, with};
use common::http::{Connection, Request, Response};
use common::log::Line;
use common::upstream::{Upstream, ok};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Anybody may push that one job, by a principal whose name says which policy it was.
fn policy(principal: &str, job: &str) -> String {
    format!(
        "version: 1\nprincipals:\n  {principal}:\n    anonymous: true\n    from: anywhere\n    \
         grants: [{{ operations: [push], job: {job} }}]\n    quotas: [{{ per: job, burst: 1000000, period: 1s }}]\n"
    )
}

const BROKEN: &str = "version: 1\nprincipals:\n  a: { anonymous: true, form: anywhere }\n";

fn push(job: &str) -> Request {
    Request::post(format!("/metrics/job/{job}"), "m 1\n")
}

fn start(policy: &str, interval: &str, upstream: &Upstream) -> Guard {
    let start = Start::new(policy, &upstream.url()).flag("--policy.watch-interval", interval);
    let start = start.flag("--ranges.github-url", &upstream.url());
    start.env("PUSHGUARD_WEB_ENABLE_LIFECYCLE", "true").run()
}

fn write(guard: &Guard, text: &str) {
    std::fs::write(guard.folder.path().join("policy.yaml"), text).unwrap();
}

fn reload(guard: &Guard) -> Response {
    Request::post("/-/reload", "").send(guard.admin())
}

const LAST_RELOAD: &str = "pushguard_config_last_reload_successful";

/// Waits for the log to say so once more than it did.
fn wait_again(guard: &Guard, msg: &str, act: impl FnOnce()) {
    let count =
        |lines: &[String]| lines.iter().filter_map(|l| Line::read(l).ok()).filter(|l| l.get("msg") == msg).count();
    let before = count(&guard.log.raw());
    act();
    let again = guard.log.find(|lines| (count(lines) > before).then_some(()));
    assert!(again.is_some(), "{msg}:\n{}", guard.log.raw().join("\n"));
}

#[test]
fn a_signal_takes_the_new_policy_into_use_and_a_broken_one_keeps_the_old() {
    let upstream = Upstream::start(|_| ok());
    let guard = start(&policy("a", "one"), "0s", &upstream);
    push("one").send(guard.address()).is(200, "", "the first policy");
    push("two").send(guard.address()).is(403, "job_not_granted", "the first policy");
    let reloaded_at = "pushguard_config_last_reload_success_timestamp_seconds";
    let first = guard.metric(reloaded_at).unwrap();

    write(&guard, &policy("b", "two"));
    wait_again(&guard, "policy reloaded", || guard.signal("HUP"));
    let answer = push("two").send(guard.address()).is(200, "", "the second policy");
    let record = guard.record(&answer);
    assert_eq!((&record["principal"], &record["generation"]), ("b", "2"));
    push("one").send(guard.address()).is(403, "job_not_granted", "the second policy");
    guard.await_metric(LAST_RELOAD, 1.0);
    common::wait_for("the time of the reload", || (guard.metric(reloaded_at)? > first).then_some(()));

    write(&guard, BROKEN);
    wait_again(&guard, "policy not reloaded", || guard.signal("HUP"));
    let answer = push("two").send(guard.address()).is(200, "", "the one in use stays");
    assert_eq!(&guard.record(&answer)["generation"], "2");
    guard.await_metric(LAST_RELOAD, 0.0);
    let problems = guard.log.lines().into_iter().filter(|line| line.get("msg") == "policy problem");
    let problems: Vec<String> = problems.map(|line| line["problem"].to_owned()).collect();
    assert!(problems.iter().any(|p| p.contains("policy.yaml:3:") && p.contains("\"from\"")), "{problems:?}");
}

#[test]
fn a_request_on_the_admin_listener_reloads_only_where_it_was_asked_for_at_the_start() {
    let upstream = Upstream::start(|_| ok());
    let closed = Guard::start(&policy("a", "one"), &upstream.url());
    reload(&closed).is(404, "target_unknown", "without the flag");

    let guard = start(&policy("a", "one"), "0s", &upstream);
    write(&guard, &policy("b", "two"));
    Request::get("/-/reload").send(guard.admin()).is(405, "method_not_allowed", "GET");
    for (name, value) in [("Origin", "http://127.0.0.1:9095"), ("Sec-Fetch-Site", "same-origin")] {
        let ridden = Request::post("/-/reload", "").header(name, value).send(guard.admin());
        ridden.is(403, "origin_not_allowed", format!("a browser's {name}"));
    }
    push("two").send(guard.address()).is(403, "job_not_granted", "nothing was reloaded");
    assert_eq!(reload(&guard).is(200, "", "the new policy").text(), "reloaded; generation 2\n");
    push("two").send(guard.address()).is(200, "", "the new policy");
    write(&guard, BROKEN);
    let text = reload(&guard).is(500, "", "the broken policy").text();
    assert!(text.starts_with("not reloaded; the policy in use stays\n") && text.contains("form"), "{text}");
    // The public listener knows nothing of it.
    Request::post("/-/reload", "").send(guard.address()).is(404, "target_unknown", "the public listener");
}

/// Files that are no policy, and some that are made to cost: each is told in one line, and the world stays as it is.
#[test]
fn what_is_no_policy_leaves_the_one_in_use() {
    let upstream = Upstream::start(|_| ok());
    let guard = start(&policy("a", "one"), "0s", &upstream);
    let file = guard.folder.path().join("policy.yaml");
    let large = format!("version: 1\nprincipals: {{}}\n#{}", "x".repeat(50 * 1024 * 1024));
    let mut bomb = String::from("version: 1\na0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..40 {
        let previous = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [previous.as_str(); 9].join(", ")));
    }
    let deep = format!("version: 1\nprincipals: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let missing_hash = quickstart().replace("ci.phc", "none.phc");
    let cases: [(&str, &[u8], &str); 7] = [
        ("50 MB", large.as_bytes(), "a policy has at most 1048576 bytes"),
        ("an alias bomb", bomb.as_bytes(), "aliases (*name) are not read"),
        ("deep nesting", deep.as_bytes(), "policy.yaml"),
        ("not UTF-8", b"version: 1\nprincipals: {} # \xff", "UTF-8"),
        ("half of it", b"version: 1\nprincipals: { a: { anonymous", "policy.yaml:"),
        ("nothing", b"", "version is missing"),
        ("a secret that is not there", missing_hash.as_bytes(), "none.phc"),
    ];
    for (case, bytes, said) in cases {
        std::fs::write(&file, bytes).unwrap();
        let text = reload(&guard).is(500, "", case).text();
        assert!(text.starts_with("not reloaded; the policy in use stays\n") && text.contains(said), "{case}: {text}");
        let answer = push("one").send(guard.address()).is(200, "", case);
        assert_eq!(&guard.record(&answer)["generation"], "1", "{case}");
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let text = reload(&guard).is(500, "", "a folder").text();
    assert!(text.contains("policy.yaml: Is a directory"), "{text}");
    std::fs::remove_dir(&file).unwrap();
    let text = reload(&guard).is(500, "", "no file").text();
    assert!(text.contains("policy.yaml: No such file"), "{text}");
    push("one").send(guard.address()).is(200, "", "no file");
    guard.await_metric(LAST_RELOAD, 0.0);
    write(&guard, &policy("a", "two"));
    reload(&guard).is(200, "", "mended");
    push("two").send(guard.address()).is(200, "", "mended");
}

/// What can be done to a folder that holds the policy.
type Change = fn(&Path, &str);

#[test]
fn every_way_of_changing_a_file_is_noticed() {
    let upstream = Upstream::start(|_| ok());
    let overwritten: Change = |folder, text| std::fs::write(folder.join("policy.yaml"), text).unwrap();
    let renamed: Change = |folder, text| {
        std::fs::write(folder.join(".policy.yaml.swp"), text).unwrap();
        std::fs::rename(folder.join(".policy.yaml.swp"), folder.join("policy.yaml")).unwrap();
    };
    // As a mounted ConfigMap changes: `policy.yaml` and `..data` are links, and `..data` is swapped.
    let swapped: Change = |folder, text| {
        let version = folder.join(format!("..{}", text.len()));
        std::fs::create_dir_all(&version).unwrap();
        std::fs::write(version.join("policy.yaml"), text).unwrap();
        std::os::unix::fs::symlink(&version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        let _ = std::fs::remove_file(folder.join("policy.yaml.link"));
        std::os::unix::fs::symlink("..data/policy.yaml", folder.join("policy.yaml.link")).unwrap();
        std::fs::rename(folder.join("policy.yaml.link"), folder.join("policy.yaml")).unwrap();
    };
    let guard = start(&policy("a", "first"), "1s", &upstream);
    for (job, how) in [("written", overwritten), ("renamed", renamed), ("linked", swapped), ("swapped-again", swapped)]
    {
        wait_again(&guard, "policy reloaded", || how(guard.folder.path(), &policy("a", job)));
        push(job).send(guard.address()).is(200, "", job);
        push("first").send(guard.address()).is(403, "job_not_granted", job);
    }
    wait_again(&guard, "policy not reloaded", || overwritten(guard.folder.path(), BROKEN));
    push("swapped-again").send(guard.address()).is(200, "", "a broken file");
    wait_again(&guard, "policy reloaded", || overwritten(guard.folder.path(), &policy("a", "mended")));
    push("mended").send(guard.address()).is(200, "", "mended");
}

#[test]
fn a_changed_password_file_is_noticed_and_the_old_password_refused_at_once() {
    let upstream = Upstream::start(|_| ok());
    // It begins without a password, so that the verifier must make room for the first one.
    let guard = start(&policy("a", "one"), "1s", &upstream);
    let login = |password: &str| push("ci").basic("ci", password).send(guard.address());
    login(PASSWORD).is(401, "credential_rejected", "no password yet");
    wait_again(&guard, "policy reloaded", || write(&guard, &quickstart()));
    login(PASSWORD).is(200, "", "the first password");

    let secret = guard.folder.path().join("ci.phc");
    let other = pushguard::secret::Secret::new(b"another password".to_vec());
    let hash = pushguard::auth::phc::hash(&other, *b"another salt 16b").unwrap();
    wait_again(&guard, "policy reloaded", || std::fs::write(&secret, &hash).unwrap());
    login(PASSWORD).is(401, "credential_rejected", "the old password");
    login("another password").is(200, "", "the new password");

    // A policy that lost its secret stays in use, and the secret's return is noticed.
    wait_again(&guard, "policy not reloaded", || std::fs::remove_file(&secret).unwrap());
    login("another password").is(200, "", "the secret is gone");
    wait_again(&guard, "policy reloaded", || std::fs::write(&secret, &hash).unwrap());
    login("another password").is(200, "", "the secret is back");
}

/// A hash for which no memory was set aside is not taken into use, and who could log in still can.
#[test]
fn a_hash_that_needs_too_much_memory_leaves_the_old_policy_in_use() {
    // Refused by its numbers, whatever its password.
    let dear = "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g\n";
    let upstream = Upstream::start(|_| ok());
    for (flag, value, said) in [
        (
            "--login.max-memory",
            "32MiB",
            "needs m=65536 KiB for each of --login.workers 1, and --login.max-memory sets 32768",
        ),
        (
            "--memory.limit",
            "128MiB",
            "64 MiB for the password verifier (--login.workers, m of the hashes in the policy)",
        ),
    ] {
        let start = Start::new(&quickstart(), &upstream.url()).flag("--policy.watch-interval", "0s").flag(flag, value);
        let guard = start.env("PUSHGUARD_WEB_ENABLE_LIFECYCLE", "true").run();
        let login = || push("ci").basic("ci", PASSWORD).send(guard.address());
        login().is(200, "", "before");
        let secret = guard.folder.path().join("ci.phc");
        let good = std::fs::read_to_string(&secret).unwrap();
        std::fs::write(&secret, format!("{good}{dear}")).unwrap();
        let text = reload(&guard).is(500, "", flag).text();
        assert!(text.contains(said), "{text}");
        login().is(200, "", "the password of the policy in use");
        guard.await_metric(LAST_RELOAD, 0.0);
        std::fs::write(&secret, good).unwrap();
        reload(&guard).is(200, "", "mended");
    }
}

/// A slip in the name of a list must not shut out whom the list admits. At the start there is nobody to shut out.
#[test]
fn a_list_whose_file_is_not_there_leaves_the_old_policy_and_its_list_in_use() {
    let upstream = Upstream::start(|_| ok());
    let listed = |file: &str| {
        let text = with(&policy("a", "one"), "from: anywhere", "from: { require: [office] }");
        with(
            &text,
            "version: 1",
            &format!("version: 1\nsources: {{ office: {{ file: {file}, listeners: [default] }} }}"),
        )
    };
    let start = Start::new(&listed("office.txt"), &upstream.url()).flag("--policy.watch-interval", "1s");
    let start = start.flag("--ranges.ready-timeout", "0s").env("PUSHGUARD_WEB_ENABLE_LIFECYCLE", "true");
    let guard = start.run();
    push("one").send(guard.address()).is(403, "ranges_unavailable", "it may come later than the start");
    let write_list = |name: &str, list: &str| std::fs::write(guard.folder.path().join(name), list).unwrap();
    write_list("office.txt", "127.0.0.1\n");
    let becomes = |reason: &str| {
        common::wait_for(reason, || (push("one").send(guard.address()).reason() == reason).then_some(()));
    };
    becomes("");

    wait_again(&guard, "policy not reloaded", || write(&guard, &listed("offcie.txt")));
    let text = reload(&guard).is(500, "", "a slip").text();
    let told = "sources.office.file: the list office cannot be read: ";
    assert!(text.contains(told) && text.contains("offcie.txt: No such file or directory"), "{text}");
    assert!(text.contains("put it there, or write its right name"), "{text}");
    push("one").send(guard.address()).is(200, "", "the list that is held");
    // The file that was missed is waited for, and is what is served then.
    wait_again(&guard, "policy reloaded", || write_list("offcie.txt", "127.0.0.9\n"));
    becomes("source_not_allowed");

    // Of a list that stays the file may be away: what is held is good.
    wait_again(&guard, "policy reloaded", || write(&guard, &listed("office.txt")));
    becomes("");
    std::fs::remove_file(guard.folder.path().join("office.txt")).unwrap();
    wait_again(&guard, "policy reloaded", || write(&guard, &with(&listed("office.txt"), "job: one", "job: [one, b]")));
    push("b").send(guard.address()).is(200, "", "the same list");
}

/// What a policy needs is counted, and the policy before it is not: there is never room for both.
#[test]
fn costlier_hashes_take_the_place_of_the_old_ones_in_memory() {
    const ARENA_KIB: u64 = 40_000;
    let hash =
        |m: u64| format!("$argon2id$v=19$m={m},t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g\n");
    let upstream = Upstream::start(|_| ok());
    let start = Start::new(&quickstart(), &upstream.url()).flag("--policy.watch-interval", "0s");
    let secret = start.folder.path().join("ci.phc");
    std::fs::write(&secret, hash(ARENA_KIB)).unwrap();
    let guard = start.flag("--login.timeout", "60s").env("PUSHGUARD_WEB_ENABLE_LIFECYCLE", "true").run();
    let peak_kib = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", guard.pid())).unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        peak.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let guess = || push("ci").basic("ci", "a guess").send(guard.address()).is(401, "credential_rejected", "a guess");
    guess();
    let before = peak_kib();
    assert!(before > ARENA_KIB, "{before} KiB with the first arena");
    std::fs::write(&secret, hash(ARENA_KIB + 500)).unwrap();
    reload(&guard).is(200, "", "costlier by a little");
    guess();
    let more = peak_kib().saturating_sub(before);
    assert!(more < ARENA_KIB / 2, "{more} KiB more at the reload");
}

#[test]
fn what_was_spent_stays_spent_and_what_needs_a_restart_is_refused() {
    let upstream = Upstream::start(|_| ok());
    let text = with(&policy("a", "one"), "burst: 1000000, period: 1s", "burst: 2, period: 1h");
    let guard = start(&text, "0s", &upstream);
    for _ in 0..2 {
        push("one").send(guard.address()).is(200, "", "within the quota");
    }
    write(&guard, &with(&text, "job: one", "job: [one, two]"));
    reload(&guard).is(200, "", "a policy with the same quota");
    push("one").send(guard.address()).is(429, "quota_exhausted", "spent before the reload");
    push("two").send(guard.address()).is(200, "", "the new job");

    let unbound = with(&text, "version: 1", "version: 1\nlisteners: { public: {} }");
    write(&guard, &unbound);
    let refused = reload(&guard).is(500, "", "a listener without an address").text();
    assert!(refused.contains("--web.listen-address public=ADDR"), "{refused}");
    let fetched = with(&text, "from: anywhere", "from: { require: [runners] }");
    write(&guard, &with(&fetched, "version: 1", "version: 1\nsources: { runners: { github: [actions] } }"));
    reload(&guard).is(200, "", "an address list that was not needed before");
    push("one").send(guard.address()).is(403, "ranges_unavailable", "until the list is there");
    let asked = guard.log.line("of the list", |line| line.get("msg") == "ranges refused");
    assert_eq!((&asked["set"], &asked["kept"]), ("actions", "false"));
}

/// A file on disk that is being replaced while it is used: the load is real, and so is every third broken policy.
#[test]
fn reloads_under_load_fail_no_request_and_mix_no_two_policies() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |v| v.parse().expect("a number"));
    let (reloads, rate) = (number("PUSHGUARD_VOLUME", 60), number("PUSHGUARD_RATE", 200));
    let upstream = Upstream::start(|_| ok());
    let guard = start(&policy("p1", "\"*\""), "0s", &upstream);
    // Generation to principal, as the answers of the reloads tell.
    let mut published = BTreeMap::from([(1_u64, "p1".to_owned())]);
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(guard.address());
                    let (mut statuses, started) = (Vec::new(), Instant::now());
                    while !over.load(Ordering::SeqCst) {
                        statuses.push(connection.exchange(&push("steady")).status);
                        sent.fetch_add(1, Ordering::SeqCst);
                        let due = Duration::from_micros(4_000_000 / rate) * u32::try_from(statuses.len()).unwrap();
                        std::thread::sleep(due.saturating_sub(started.elapsed()));
                    }
                    statuses
                })
            })
            .collect();
        for turn in 0..reloads {
            if turn % 10 < 3 {
                write(&guard, BROKEN);
                reload(&guard).is(500, "", format!("broken policy {turn}"));
                continue;
            }
            let name = format!("p{turn}");
            write(&guard, &policy(&name, "\"*\""));
            let text = reload(&guard).is(200, "", format!("policy {turn}")).text();
            let generation = text.trim_end().strip_prefix("reloaded; generation ").unwrap().parse().unwrap();
            assert!(published.insert(generation, name).is_none(), "{text}");
            // Some requests are judged by it.
            let enough = sent.load(Ordering::SeqCst) + 2;
            common::wait_for("requests", || (sent.load(Ordering::SeqCst) >= enough).then_some(()));
        }
        over.store(true, Ordering::SeqCst);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let is_record = |line: &Line| line.get("msg") == "request" && line.get("job") == "steady";
    let read = |lines: &[String]| -> Vec<Line> {
        lines.iter().filter_map(|line| Line::read(line).ok()).filter(is_record).collect()
    };
    let records = guard.log.find(|lines| Some(read(lines)).filter(|records| records.len() >= statuses.len()));
    let records = records.expect("a record for every request");
    for record in &records {
        let generation: u64 = record["generation"].parse().unwrap();
        assert_eq!(published[&generation], record["principal"], "{record:?}");
    }
    println!(
        "{reloads} reloads, {} of them broken, {} requests: 0 failed, each judged by one policy whole",
        (0..reloads).filter(|turn| turn % 10 < 3).count(),
        statuses.len()
    );
}
