//! What the black-box tests share: a real gateway, a running pushguard, a client that sends exactly the bytes it is
//! told, and an upstream that records every byte it gets.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod authority;
pub mod balancer;
pub mod gateway;
pub mod guard;
pub mod http;
pub mod issuer;
pub mod log;
pub mod mint;
pub mod upstream;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Polls until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < end, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the end of a process that was told to end.
pub fn wait_exit(child: &mut Child) -> ExitStatus {
    wait_for("the end of a process", || child.try_wait().expect("a child can be waited for"))
}

/// Whether the environment demands that nothing is skipped for want of a gateway, which `make test` installs.
pub fn gateway_is_demanded() -> bool {
    let is_set = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    is_set("CI", "true") || is_set("PUSHGUARD_REQUIRE_ALL", "1")
}

/// Says past the test harness's capture that something was not tested, or fails where it must be.
pub fn skip(what: &str, demanded: bool) {
    assert!(!demanded, "cannot test: {what}");
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("\n*** SKIPPED {name}: {what} ***\n");
    // Not a print macro: those are captured when a test passes. Whole, since other tests write beside it.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Data measured of real gateways, where it is at hand; else the test is skipped: it is kept beside the project, not in
/// it.
pub fn data(name: &str) -> Option<Vec<u8>> {
    const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");
    let path = PathBuf::from(DATA).join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            skip(&format!("{}: {error}", path.display()), false);
            None
        }
    }
}
