//! Logins: what guessing costs the one who guesses, and nobody else.

use crate::common::guard::{Guard, PASSWORD};
use crate::common::http::{Request, Response};
use crate::common::upstream::{Upstream, ok};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

const POLICY: &str = r#"
version: 1
principals:
  ci:
    basic: { username: ci, password_hash_file: ci.phc }
    from: anywhere
    grants: [{ operations: [push], job: ci }]
    quotas: [{ per: principal, burst: 3, period: 1h }]
  other:
    basic: { username: other, password_hash_file: ci.phc }
    from: anywhere
    grants: [{ operations: [push], job: "*" }]
"#;

const GUESSER: &str = "127.0.0.66";

fn push(from: &str, address: SocketAddr, user: &str, password: &str) -> Response {
    let from: IpAddr = from.parse().unwrap();
    Request::post("/metrics/job/ci", "m 1\n").basic(user, password).send_from(from, address)
}

/// Guesses until throttled: after exactly so many, and one more for each 6 s that a slow machine takes for them.
fn throttled_after(budget: u64, guess: impl Fn(u64) -> Response) {
    let started = Instant::now();
    for count in 0.. {
        let answer = guess(count);
        if answer.status == 429 {
            assert!(count >= budget, "throttled after {count}");
            return drop(answer.is(429, "login_throttled", count));
        }
        answer.is(401, "credential_rejected", format!("guess {count}"));
        assert!(count < budget + started.elapsed().as_secs() / 6, "guess {count} is still taken");
    }
}

#[test]
fn ten_wrong_passwords_throttle_their_source_and_nobody_else() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(POLICY, &upstream.url());
    let address = guard.address();
    push(GUESSER, address, "ci", PASSWORD).is(200, "", "a good login, remembered");
    // A user that does not exist counts the same.
    let users = ["ci", "nobody", "stranger"];
    throttled_after(10, |guess| push(GUESSER, address, users[usize::try_from(guess).unwrap() % 3], "a guess"));
    for user in ["ci", "nobody", "other"] {
        let answer = push(GUESSER, address, user, "guess 11").is(429, "login_throttled", user);
        let wait: u64 = answer.header("Retry-After").expect("Retry-After").parse().expect("seconds");
        assert!((1..=6).contains(&wait), "{user}: Retry-After: {wait}");
        assert_eq!(answer.header("RateLimit-Policy"), Some("\"login\";q=10;w=60"), "{user}");
        assert_eq!(answer.header("RateLimit"), Some(format!("\"login\";r=0;t={wait}").as_str()), "{user}");
        assert_eq!(answer.header("WWW-Authenticate"), None, "{user}");
        assert_eq!(&guard.record(&answer)["principal"], "none", "{user}");
    }
    // The right password of somebody who has not logged in yet would have to be hashed: it waits as well.
    push(GUESSER, address, "other", PASSWORD).is(429, "login_throttled", "a good password, not remembered");
    push(GUESSER, address, "ci", PASSWORD).is(200, "", "a remembered password");
    push("127.0.0.67", address, "other", PASSWORD).is(200, "", "another source");
    push("127.0.0.67", address, "ci", "wrong").is(401, "credential_rejected", "a wrong password from another source");
    // None of the guesses was charged to the principal: the third of its three pushes passes, and no fourth.
    push(GUESSER, address, "ci", PASSWORD).is(200, "", "the last of the quota");
    push(GUESSER, address, "ci", PASSWORD).is(429, "quota_exhausted", "one more");
    assert_eq!(upstream.seen().len(), 4);
}

/// Good logins are refunded: more users than the budget holds log in, each hashed for the first time.
#[test]
fn good_logins_spend_no_budget() {
    let upstream = Upstream::start(|_| ok());
    let users = (0..12).map(|n| {
        format!(
            "  u{n}: {{ basic: {{ username: u{n}, password_hash_file: ci.phc }}, from: anywhere, \
             grants: [{{ operations: [push], job: ci }}] }}\n"
        )
    });
    let guard = Guard::start(&format!("version: 1\nprincipals:\n{}", users.collect::<String>()), &upstream.url());
    for n in 0..12 {
        push(GUESSER, guard.address(), &format!("u{n}"), PASSWORD).is(200, "", format!("u{n}"));
    }
    throttled_after(5, |_| push(GUESSER, guard.address(), "u1", "wrong"));
}

/// Guesses for one user are throttled earlier, and other users of that source are not.
#[test]
fn five_wrong_passwords_throttle_one_user_from_one_source() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(POLICY, &upstream.url());
    let address = guard.address();
    throttled_after(5, |_| push(GUESSER, address, "ci", "a guess"));
    let answer = push(GUESSER, address, "ci", PASSWORD).is(429, "login_throttled", "the user from there");
    assert_eq!(answer.header("RateLimit-Policy"), Some("\"login_user\";q=5;w=60"));
    push(GUESSER, address, "other", PASSWORD).is(200, "", "another user from there");
    push("127.0.0.67", address, "ci", PASSWORD).is(200, "", "the user from elsewhere: nobody is locked out");
}

/// Many at once: each is right or told to come back, and none gets in by a wrong password.
#[test]
fn a_crowd_of_logins_is_answered() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(POLICY, &upstream.url());
    let address = guard.address();
    let statuses: Vec<(bool, u16)> = std::thread::scope(|scope| {
        let login = |n: u8| {
            let good = n.is_multiple_of(2);
            let password = if good { PASSWORD } else { "wrong" };
            (good, push(&format!("127.0.3.{n}"), address, "other", password).status)
        };
        let threads: Vec<_> = (0..40).map(|n| scope.spawn(move || login(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (good, status) in &statuses {
        let expected: &[u16] = if *good { &[200, 503] } else { &[401, 503] };
        assert!(expected.contains(status), "good: {good}, {status}; all: {statuses:?}");
    }
    let came_through = upstream.seen().len();
    assert_eq!(came_through, statuses.iter().filter(|(_, status)| *status == 200).count());
    push("127.0.3.100", address, "other", PASSWORD).is(200, "", "afterwards");
}
