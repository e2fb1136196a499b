//! GitHub's meta document (`GET /meta`): which addresses its services and runners use.
//!
//! Keys come and go, their types differ, and an array of texts is not always one of prefixes (`ssh_keys`,
//! `commit_signing_keys`). So keys are chosen by name out of those that hold addresses.

/// GitHub's own meta endpoint.
pub const URL: &str = "https://api.github.com/meta";

/// What its feed is called.
pub const NAME: &str = "github";

/// The keys that hold addresses.
pub const KEYS: [&str; 13] = [
    "actions",
    "actions_macos",
    "api",
    "codespaces",
    "copilot",
    "dependabot",
    "git",
    "github_enterprise_importer",
    "hooks",
    "importer",
    "packages",
    "pages",
    "web",
];
