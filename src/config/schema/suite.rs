//! The schema of the tests of a policy.

use super::policy::name;
use super::words::{about, document, duration, list, merged, named, object, prefix, text, whole, word};
use crate::config::suite::MOST_TIMES;
use crate::decision::Reason;
use crate::policy::Operation;
use serde_json::{Value, json};

/// The schema of a test file.
pub fn suite() -> Value {
    let keys = vec![
        ("policy", text("The policy, relative to this file. Default: NAME.yaml beside NAME.test.yaml.")),
        (
            "start",
            text("The time that the tests call 0s, such as 2030-01-31T12:00:00Z. Default: 2030-01-01T00:00:00Z."),
        ),
        ("sets", sets()),
        ("defaults", object("What requests are unless they say otherwise.", request(), &[])),
        ("tests", list("The tests. Each begins with nothing spent.", case())),
    ];
    document("pushguard tests of a policy", object("Run by pushguard test.", keys, &["tests"]))
}

fn case() -> Value {
    let keys = vec![
        ("name", text("What the test shows.")),
        ("defaults", object("What its requests are unless they say otherwise.", request(), &[])),
        ("sets", sets()),
        ("requests", list("The requests, in the order of time.", step())),
    ];
    object("A test.", keys, &["name", "requests"])
}

fn step() -> Value {
    let mut keys = vec![
        ("at", duration("When, from the start. Default: as the request before.")),
        ("times", whole("How often it is sent at that time. Default: 1.", MOST_TIMES)),
        ("sets", sets()),
        ("expect", expect()),
        ("swept", swept()),
    ];
    keys.extend(request());
    object("A request and what is expected of it, or a sweep and what it removes.", keys, &[])
}

fn swept() -> Value {
    let path = text("The path of a group, such as /metrics/job/ci.");
    let about = "Instead of a request: the groups that a sweep by the policy's ttl removes at that time, all of them, of \
                 those that the test has pushed.";
    json!({ "type": "array", "description": about, "items": path })
}

/// The keys of a request.
fn request() -> Vec<(&'static str, Value)> {
    vec![
        ("method", text("The method. Default: POST for a path of a group, else GET.")),
        ("path", text("The request target as it is sent.")),
        ("from", text("The address of the remote end of the connection.")),
        ("listener", text("The listener. Default: default.")),
        ("user", or_nothing("The user name of basic authentication; ~ for none.", text(""))),
        ("password", word("Whether the password is the right one. Default: right.", ["right", "wrong"])),
        ("token", about("The claims of a token; ~ for none.", json!({ "type": ["object", "null"] }))),
        ("certificate", certificate()),
        ("headers", named("Header fields.", text("The value."))),
        ("body", or_nothing("The body of a push or replace; ~ for none.", text(""))),
        ("body_file", text("A file with the body, relative to this one.")),
    ]
}

fn certificate() -> Value {
    let names = json!({ "type": "array", "items": name(), "minItems": 1 });
    let about = "The names in the client's certificate; ~ for none.";
    json!({ "description": about, "anyOf": [name(), names, { "type": "null" }] })
}

fn or_nothing(description: &str, schema: Value) -> Value {
    about(description, merged(schema, json!({ "type": ["string", "null"] })))
}

fn sets() -> Value {
    let list = json!({ "type": "array", "description": "Its prefixes.", "items": prefix() });
    named("What fetched address lists hold, by name, from here on. One that is not named is not there.", list)
}

fn reasons() -> impl Iterator<Item = &'static str> {
    Reason::ALL.iter().map(|reason| reason.code())
}

fn expect() -> Value {
    let operations = Operation::ALL.iter().map(|operation| operation.name());
    let keys = vec![
        ("verdict", word("Whether it passes.", ["allow", "deny"])),
        ("reason", word("Why it is refused.", reasons())),
        ("would_deny", word("What a rule in report mode would have refused it for.", reasons())),
        ("rule", text("The rule that decides, such as ci.grants[0].")),
        ("principal", text("Who it turns out to come from.")),
        ("operation", word("What it does.", operations)),
        ("upstream", text("Method and path that the gateway gets, such as POST /metrics/job/ci.")),
        ("job", text("The job that is written.")),
        ("labels", named("All grouping labels that are written.", text("The value."))),
        ("retry_after", duration("When to come back.")),
    ];
    json!({
        "description": "allow, deny, the reason of the refusal, or several things.",
        "anyOf": [
            word("What becomes of it.", ["allow", "deny"].into_iter().chain(reasons())),
            object("All that is expected.", keys, &[]),
        ],
    })
}
