//! The schema of a policy.

use super::words::{
    DURATION, about, boolean, document, duration, list, matching, named, object, one_or_more, plainly_named, prefixes,
    text, whole, word,
};
use crate::auth::token::Algorithm;
use crate::config::payload::{COUNTS, MAX_GROUPS, Part, SIZES};
use crate::config::trust;
use crate::policy::{Operation, PayloadLimits, Per, Preset};
use crate::ranges::github;
use crate::request::ClientFrom;
use serde_json::{Value, json};

/// The schema of a policy file.
pub fn policy() -> Value {
    let mut keys = vec![
        ("version", about("The version of this form.", json!({ "const": 1 }))),
        (
            "listeners",
            plainly_named("Listeners by name; addresses are bound to them by --web.listen-address.", listener()),
        ),
        ("sources", plainly_named("Sets of addresses by name.", source())),
        ("issuers", plainly_named("Issuers of tokens by name.", issuer())),
        ("principals", plainly_named("Who may do what, in the order in which they are tried.", principal())),
        ("defaults", defaults()),
        ("quotas", quotas("Quotas that all principals share.")),
        ("ttl", ttl()),
    ];
    keys.extend(mode("everything but what would harm the gateway"));
    document(
        "pushguard policy",
        object("What pushguard lets through. See pushguard check.", keys, &["version", "principals"]),
    )
}

fn listener() -> Value {
    let ways = ClientFrom::ALL.iter().map(|(name, _)| *name);
    object(
        "A listener as the policy knows it.",
        vec![
            ("trusted_proxies", prefixes("Peers that may name their clients. They are never clients themselves.")),
            ("client_from", word("How trusted proxies name their clients. Default: x-forwarded-for.", ways)),
        ],
        &[],
    )
}

fn source() -> Value {
    let file = "A file on this machine with one prefix a line, or JSON with pointer. Read every five seconds.";
    let mut keys = vec![
        ("cidrs", prefixes("Addresses and prefixes.")),
        ("extra", prefixes("Addresses besides those of a list from elsewhere.")),
        ("except", prefixes("Addresses that are not in it, whatever else says that they are.")),
        ("listeners", list("The listeners that it holds for. Default: all.", text("A listener."))),
        ("github", list("Lists of GitHub's address document, by key.", word("A key.", github::KEYS))),
        ("url", text("An address list: text with one prefix a line, or JSON with pointer.")),
        ("file", text(file)),
        ("pointer", text("Where the array of prefixes is in the JSON document of url or file, such as /prefixes.")),
        ("token_file", text("A file with a bearer token for url.")),
        ("allow_private", boolean("Whether a fetched list may hold private addresses. Default: false.")),
    ];
    keys.extend(mode("addresses outside of it"));
    object("A set of addresses.", keys, &[])
}

fn issuer() -> Value {
    let presets = Preset::ALL.iter().map(|(name, _)| *name);
    let algorithms = Algorithm::ALL.iter().map(|(name, _)| *name);
    object(
        "An issuer whose tokens are taken.",
        vec![
            ("preset", word("Its kind.", presets)),
            ("url", text("The issuer, as iss in its tokens says it. Default: the preset's.")),
            ("audience", text("What aud must be: one that is used for this proxy alone, such as its own address.")),
            ("algorithms", list("What it signs with. Default: the preset's.", word("An algorithm.", algorithms))),
            ("leeway", duration("How far clocks may be apart, 0s to 60s. Default: 30s.")),
            ("max_lifetime", duration("How long a token may live, 1m to 24h. Default: the preset's.")),
            ("jwks_file", text("A file with its keys; nothing is fetched then.")),
            ("jwks_url", text("Where its keys are. Default: what its discovery document says.")),
            ("ca_file", text("A PEM file of further authorities that its host may prove itself by.")),
            ("bearer_file", text("A file with a bearer token for the issuer.")),
        ],
        &["preset", "audience"],
    )
}

fn principal() -> Value {
    object(
        "Somebody that a request can turn out to come from. It needs basic, token, certificate or anonymous.",
        vec![
            ("basic", basic()),
            ("token", token()),
            ("certificate", certificate()),
            ("anonymous", boolean("Whether a request without a credential is it.")),
            ("from", from()),
            ("grants", list("What it may do; the first grant that covers a request decides.", grant())),
            (
                "quotas",
                quotas("Its quotas instead of defaults.quotas. Operations that none counts have built-in ones."),
            ),
            ("payload", payload()),
        ],
        &["from", "grants"],
    )
}

fn basic() -> Value {
    let file = "A file with one password hash a line, made by pushguard hash. Relative to the policy.";
    let mut keys = vec![("username", text("The user name.")), ("password_hash_file", text(file))];
    keys.extend(mode("requests without the password or with a wrong one"));
    object("A user name and a password prove it.", keys, &["username", "password_hash_file"])
}

fn token() -> Value {
    let value = text("A value. * crosses any character but / and :");
    let claims = named("What the token must say, by claim or JSON pointer.", one_or_more("Any of these.", value));
    let accepted = "Accept names of owners or repositories where numbers are safe.";
    let mut keys = vec![
        ("issuer", text("Who signs the token: a name of issuers.")),
        ("claims", claims),
        (trust::ACCEPT, boolean(accepted)),
    ];
    keys.extend(mode("requests without a fitting token"));
    object("A signed token proves it.", keys, &["issuer", "claims"])
}

fn certificate() -> Value {
    let mut keys = vec![("san", one_or_more("Whom it is issued for: any of these names.", name()))];
    keys.extend(mode("requests without a fitting certificate"));
    object("A client certificate proves it.", keys, &["san"])
}

/// A name in a certificate.
pub(super) fn name() -> Value {
    matching("A name with its kind. * stays within a part of it.", "^(DNS|URI|email):.+$", "DNS:ci.example.com")
}

fn from() -> Value {
    let sources = |description: &str| list(description, text("A name of sources."));
    let required = sources("Sources of which one must hold the address.");
    let preferred = sources("Sources that are counted but not demanded, for principals that a token alone proves.");
    let keys = vec![("require", required), ("prefer", preferred)];
    json!({
        "description": "From where it may be used.",
        "anyOf": [
            { "const": "anywhere", "description": "From every address." },
            object("From some sources.", keys, &[]),
        ],
    })
}

fn grant() -> Value {
    let mut keys = vec![
        ("operations", operations("What it allows.")),
        ("job", jobs("The jobs that it allows to write. Needed for push, replace and delete.")),
        ("labels", labels("Grouping labels by name; NAME? may be absent, \"*\" stands for any further one.")),
    ];
    keys.extend(mode("other jobs and labels"));
    object("A grant.", keys, &["operations"])
}

fn operations(description: &str) -> Value {
    list(description, word("An operation.", Operation::ALL.iter().map(|operation| operation.name())))
}

fn jobs(description: &str) -> Value {
    one_or_more(description, pattern())
}

fn labels(description: &str) -> Value {
    named(description, pattern())
}

fn pattern() -> Value {
    text("A pattern: * stands for any characters, \\ escapes, {claim} stands for what a token says.")
}

fn quotas(description: &str) -> Value {
    let keys = [Per::Job, Per::Group, Per::Principal, Per::Source];
    let names: Vec<&str> = keys.iter().map(Per::name).collect();
    let mut keys = vec![
        ("per", counted_by("What it is counted by: one of these words, or {claim} of a token.", &names)),
        ("burst", whole("How many at once.", 1_000_000)),
        ("period", duration("The time in which all of them come back, one by one; 1s to 366d.")),
        ("operations", operations("What it counts. Default: push, replace and delete.")),
    ];
    keys.extend(mode("what exceeds it"));
    list(description, object("A quota.", keys, &["per", "burst", "period"]))
}

/// A word, or a claim in braces.
fn counted_by(description: &str, names: &[&str]) -> Value {
    let claim = json!({ "type": "string", "pattern": "^\\{.+\\}$" });
    json!({ "description": description, "anyOf": [{ "enum": names }, claim] })
}

fn payload() -> Value {
    let limits = PayloadLimits::default();
    let sent = format!("The most bytes of a body as it is sent. Default: {}.", limits.max_bytes);
    let decoded = format!("The most bytes of a body once it is decoded. Default: {}.", limits.max_decoded_bytes);
    let groups = format!("The most groups that the principal may have at once. Default: {}.", limits.max_groups);
    let most = |part: &Part| format!("{} Default: {}.", part.about, part.default());
    let mut keys = vec![
        ("max_bytes", size(&sent)),
        ("max_decoded_bytes", size(&decoded)),
        ("max_groups", whole(&groups, MAX_GROUPS)),
        (
            "max_groups_per",
            counted_by("Whose groups are counted together. Default: of a token, who runs.", &["principal"]),
        ),
        ("metrics", patterns("Metric names that may be pushed. Default: all.")),
        ("denied_metrics", patterns("Metric names that may not be pushed.")),
        ("labels", labels("Labels that each series must have, by name; NAME? may be absent.")),
        ("denied_labels", patterns("Labels that may not be in the body.")),
    ];
    keys.extend(COUNTS.map(|part| (part.key, whole(&most(&part), part.most))));
    keys.extend(SIZES.map(|part| (part.key, size(&most(&part)))));
    keys.extend(mode("metric names and labels that it does not allow"));
    object("Limits on what is pushed.", keys, &[])
}

fn patterns(description: &str) -> Value {
    list(description, pattern())
}

fn size(description: &str) -> Value {
    json!({
        "description": description,
        "anyOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": "^[0-9]+ *(B|[kK]B|MB|GB|KiB|MiB|GiB)?$", "examples": ["256KiB"] },
        ],
    })
}

fn defaults() -> Value {
    let keys = vec![("quotas", quotas("Quotas of principals without any.")), ("payload", payload())];
    object("For principals that say nothing themselves.", keys, &[])
}

fn ttl() -> Value {
    let age = format!("^never$|{DURATION}");
    let keys = vec![
        ("job", jobs("The jobs that it is about.")),
        ("max_age", matching("How long after its last push a group is kept: 1s to 3660d, or never.", &age, "30d")),
    ];
    list(
        "How long groups are kept; the first rule that names a job holds.",
        object("A rule.", keys, &["job", "max_age"]),
    )
}

/// The keys of a rule that can report, and what it then lets pass.
fn mode(lets_pass: &str) -> Vec<(&'static str, Value)> {
    let about = format!("enforce (default), or report: {lets_pass} would be refused, passes and is told.");
    let until = "The day (its first moment, UTC) or time from which on it enforces again.";
    let time = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.*)?$";
    vec![("mode", word(&about, ["enforce", "report"])), ("report_until", matching(until, time, "2030-01-31"))]
}
