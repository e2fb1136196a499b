//! The command line as people meet it: what it prints and how it exits.
//!
//! `TRYCMD=overwrite cargo test --test cli` writes what it prints now.

#[test]
fn commands() {
    let cases = trycmd::TestCases::new();
    // The environment of the one who runs the tests must not change defaults in the help.
    for name in ["POLICY_FILE", "UPSTREAM_URL", "WEB_LISTEN_ADDRESS", "ADMIN_LISTEN_ADDRESS", "STATE_DIR", "LOG_LEVEL"]
    {
        assert!(std::env::var_os(format!("PUSHGUARD_{name}")).is_none(), "unset PUSHGUARD_{name} for this test");
    }
    cases.case("tests/cmd/*.toml");
}
