//! The README is true: its policies compile, its tables are the code's, its commands answer as it says.

mod common;

use common::gateway::Gateway;
use common::guard::{Guard, PASSWORD, quickstart};
use common::http::Request;
use common::upstream::{Upstream, ok};
use pushguard::config::{self, Secrets};
use pushguard::decision::Reason;
use pushguard::payload::{MAX_RATIO, NESTING, RATIO_FREE_BYTES};
use pushguard::policy::{Limit, Limits, PayloadLimits, Per, default_quotas};
use pushguard::proxy::{TESTED, Tested};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const README: &str = include_str!("../README.md");

/// The fenced blocks of a language, without the indentation of the list that they may stand in.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start() != format!("```{language}") {
            continue;
        }
        let block: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim_start() != "```")
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        blocks.push(block.join("\n"));
    }
    blocks
}

/// The rows of the table with that head, cell by cell.
fn table(head: &str) -> Vec<Vec<String>> {
    let rows = README.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

#[test]
fn the_commands_answer_as_shown() {
    let Some(gateway) = Gateway::start() else { return };
    let guard = Guard::start(&quickstart(), &gateway.url());
    let console: Vec<String> = blocks("console").into_iter().filter(|block| block.contains("curl")).collect();
    assert_eq!(console.len(), 1, "the README shows one session of pushes");
    let mut commands = 0;
    for exchange in console[0].split("$ echo ").skip(1) {
        let (command, shown) = exchange.split_once('\n').expect("a command and its answer");
        let command = format!("echo {command}").replace("127.0.0.1:9091", &guard.address().to_string());
        let output = Command::new("sh").args(["-c", &command]).env("PASSWORD", PASSWORD).output().expect("sh runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), shown.trim_end(), "{command}\n{output:?}");
        commands += 1;
    }
    assert_eq!(commands, 3);
}

const NO_TESTS: &str =
    "policy.yaml: nothing tests it: write policy.test.yaml and run it with pushguard test (warning)\n";

#[test]
fn the_steps_to_a_checked_policy_work() {
    let steps: Vec<String> = blocks("sh").into_iter().filter(|block| block.contains("pushguard check")).collect();
    assert_eq!(steps.len(), 1, "the README says once how to hash and check");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), &blocks("yaml")[0]).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_pushguard")).parent().unwrap().to_str().unwrap();
    let path = format!("{binary}:{}", std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-ec", &format!("umask 077\n{}", steps[0])])
        .env("PATH", path)
        .env("PASSWORD", PASSWORD)
        .current_dir(folder.path())
        .output()
        .expect("sh runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "policy.yaml: ok, 2 principals\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), NO_TESTS, "no other warnings");
}

/// The run of the example would push, and runs of pull requests would not, until the rule names them.
#[test]
fn what_would_become_of_a_run_is_told_as_shown() {
    let steps: Vec<String> = blocks("sh").into_iter().filter(|block| block.contains("--token-claims")).collect();
    assert_eq!(steps.len(), 1, "the README asks once about a run");
    let policy = blocks("yaml").into_iter().find(|block| block.contains("preset: github-actions")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("metrics.txt"), "tests_total 42\n").unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_pushguard")).parent().unwrap().to_str().unwrap();
    let path = format!("{binary}:{}", std::env::var("PATH").unwrap());
    let ask = |policy: &str, step: &str| {
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        let mut command = Command::new("sh");
        let output =
            command.args(["-ec", step]).env("PATH", &path).current_dir(folder.path()).output().expect("sh runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = ask(&policy, &steps[0]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("workflows"), "it says who that is: {said}");
    let changed = |from: &str, to: &str| {
        assert!(steps[0].contains(from), "{from}");
        steps[0].replace(from, to)
    };
    let review = changed("\"event_name\": \"push\"", "\"event_name\": \"pull_request\"");
    let (code, said) = ask(&policy, &review);
    assert!(code == Some(1) && said.contains("token_event_not_granted"), "{said}");
    let opted = policy
        .replace("ref_protected: \"true\" }", "ref_protected: \"true\", event_name: [push, schedule, pull_request] }");
    assert_ne!(opted, policy);
    assert_eq!(ask(&opted, &review).0, Some(0), "the rule names it");
    let other = changed("\"event_name\": \"push\"", "\"event_name\": \"workflow_dispatch\"");
    assert_eq!((ask(&opted, &other).0, ask(&policy, &other).0), (Some(1), Some(0)), "what a list leaves out");
    let branch = changed("\"ref_protected\": \"true\"", "\"ref_protected\": \"false\"");
    let (code, said) = ask(&policy, &branch);
    assert!(code == Some(1) && said.contains("token_claims_not_granted"), "{said}");
}

#[test]
fn every_policy_compiles_without_a_problem() {
    let mut policies = blocks("yaml");
    policies.retain(|block| !block.contains("\ntests:\n"));
    let payload = policies.iter().position(|block| block.starts_with("payload:")).expect("the README shows a payload");
    let payload = policies.remove(payload).replace('\n', "\n  ");
    policies.push(format!("version: 1\nprincipals: {{}}\ndefaults:\n  {payload}"));
    assert_eq!(policies.len(), 5, "the README shows four policies and a part of one");
    for policy in policies {
        let compiled = config::read(&policy, Path::new(""), Secrets::Optional, &mut || [7; 48]);
        let (_, warnings) = compiled.unwrap_or_else(|problems| panic!("{policy}\n{problems:#?}"));
        let unexpected: Vec<_> = warnings.iter().filter(|w| !w.path.ends_with("password_hash_file")).collect();
        assert!(unexpected.is_empty(), "{policy}\n{unexpected:#?}");
    }
}

#[test]
fn the_first_policy_passes_the_tests_that_are_shown() {
    let tests: Vec<String> = blocks("yaml").into_iter().filter(|block| block.contains("\ntests:\n")).collect();
    assert_eq!(tests.len(), 1, "the README shows one test file");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), &blocks("yaml")[0]).unwrap();
    std::fs::write(folder.path().join("policy.test.yaml"), &tests[0]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushguard"));
    let output = command.args(["test", "policy.yaml"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_first_policy_takes_at_most_12_lines() {
    assert!(blocks("yaml")[0].lines().count() <= 12);
}

#[test]
fn the_table_of_reasons_is_the_codes() {
    let documented: Vec<(String, String)> =
        table("| status | reason | what to do |").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let mut actual: Vec<(String, String)> =
        Reason::ALL.iter().map(|r| (r.status().to_string(), format!("`{}`", r.code()))).collect();
    let mut sorted = documented.clone();
    sorted.sort();
    actual.sort();
    assert_eq!(sorted, actual);
}

#[test]
fn the_table_of_limits_is_the_codes() {
    let (limits, payload) = (Limits::default(), PayloadLimits::default());
    let [writes, reads] = default_quotas();
    assert_eq!((&writes.per, &reads.per), (&Per::Job, &Per::Source));
    let seconds = |d: Duration| format!("{}s", d.as_secs());
    let per = |burst: u32, period: Duration| {
        assert_eq!(period, Duration::from_secs(60));
        format!("{burst} per 1m")
    };
    let actual = [
        ("writes of a principal, for each job", per(writes.rate.burst(), writes.rate.period())),
        ("reads of a principal, for each source", per(reads.rate.burst(), reads.rate.period())),
        ("wrong passwords from one source", per(limits.login_burst, limits.login_period)),
        ("of them for one user", per(limits.login_user_burst, limits.login_period)),
        ("bytes of a body", payload.max_bytes.to_string()),
        ("bytes of a body once decoded", payload.max_decoded_bytes.to_string()),
        ("times that a body may grow when decoded, beyond 65536 bytes", {
            assert_eq!(RATIO_FREE_BYTES, 65536);
            MAX_RATIO.to_string()
        }),
        ("series of a push", payload.shape.series.to_string()),
        ("metric families of a push", payload.shape.families.to_string()),
        ("labels of a series, those of the path among them", payload.shape.labels.to_string()),
        ("bytes of a metric or label name, in the path too", payload.shape.name_bytes.to_string()),
        ("bytes of a label value, in the path too", payload.shape.value_bytes.to_string()),
        ("bytes of a HELP text", payload.shape.help_bytes.to_string()),
        ("bytes of a line of text", payload.shape.line_bytes.to_string()),
        ("bytes of a protobuf message", payload.shape.message_bytes.to_string()),
        ("protobuf messages inside each other", NESTING.to_string()),
        ("bytes of all bodies at once", limits.body_bytes.to_string()),
        ("bytes of a head", limits.head_size.bytes.to_string()),
        ("bytes of a request target", limits.head_size.target.to_string()),
        ("header fields", limits.head_size.fields.to_string()),
        ("connections at once", limits.connections.to_string()),
        ("connections at once from one source", limits.source_connections.to_string()),
        ("time for a TLS handshake", seconds(limits.handshake)),
        ("time for a head", seconds(limits.head)),
        ("time for a body", seconds(limits.body)),
        ("bytes a second of a body, after 5s", {
            assert_eq!(seconds(limits.body_stall), "5s");
            limits.body_rate.to_string()
        }),
        ("time of an idle connection", seconds(limits.idle)),
        ("time to write an answer", seconds(limits.write)),
        ("time for a whole request", seconds(limits.request)),
        ("time to wait for room for a body, or for a turn to read", seconds(limits.room_wait)),
        ("time to connect to the gateway", seconds(limits.connect)),
        ("time to the first byte of the gateway's answer", seconds(limits.first_byte)),
        ("time for the whole exchange with the gateway", seconds(limits.upstream)),
        ("writes in flight to the gateway", limits.upstream_writes.to_string()),
        ("writes that wait for it", limits.upstream_queue.to_string()),
        ("writes of them to one group", limits.group_queue.to_string()),
        ("scrapes in flight to the gateway", limits.upstream_scrapes.to_string()),
        ("other reads in flight to the gateway", limits.upstream_reads.to_string()),
        ("bytes of the gateway's answer to a write", limits.answer_bytes.to_string()),
        ("bytes of a page of the gateway", limits.page_bytes.to_string()),
        ("groups of a principal, or of each of its repositories or subjects", payload.max_groups.to_string()),
        ("groups at the gateway", limits.groups.to_string()),
        ("metrics at the gateway, of all groups together", limits.metrics.to_string()),
        ("time between two looks at what the gateway holds", seconds(limits.learn)),
        ("logins that wait for the password verifier", limits.login_queue.to_string()),
        ("threads that verify passwords", limits.login_workers.to_string()),
        ("KiB of memory of all of them", limits.login_memory_kib.to_string()),
        ("time to verify a password, with the wait for its turn", seconds(limits.login_wait)),
        ("time for which a verified password is remembered", seconds(limits.login_cache)),
        ("quota states kept", limits.quota_keys.to_string()),
    ];
    let documented: Vec<(String, String)> =
        table("| limit | default | set by |").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let actual: Vec<(String, String)> = actual.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(documented, actual);
}

#[test]
fn what_is_refused_has_reasons_that_exist() {
    let rows = table("| what | why | reason |");
    assert!(rows.len() > 5);
    for row in rows {
        for reason in row[2].split(", ") {
            assert!(Reason::ALL.iter().any(|known| format!("`{}`", known.code()) == reason), "{reason} in {row:?}");
        }
    }
}

#[test]
fn the_table_of_gateways_is_the_codes() {
    let documented: Vec<(String, bool)> = table("| gateway | how it is known |")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].contains("run")))
        .collect();
    let actual: Vec<(String, bool)> =
        TESTED.iter().map(|(version, tested)| ((*version).to_owned(), *tested == Tested::Run)).collect();
    assert_eq!(documented, actual);
}

#[test]
fn every_limit_that_is_counted_says_where_it_is_set() {
    let set_by: Vec<String> = table("| limit | default | set by |").into_iter().map(|row| row[2].clone()).collect();
    for limit in Limit::ALL {
        let (flag, key) = (format!("`--{}`", limit.name()), format!("`{}` in the policy", limit.name()));
        assert!(set_by.iter().any(|cell| *cell == flag || *cell == key), "{} is not in the table", limit.name());
    }
}

#[test]
fn every_flag_of_the_readme_is_one() {
    let help = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_pushguard")).args([command, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let help: String = ["serve", "check", "explain", "test", "replay", "diff", "sweep", "doctor"].map(help).concat();
    let flags: Vec<&str> = README.split([' ', '`', '\n', '=']).filter(|word| word.starts_with("--")).collect();
    assert!(flags.len() > 10);
    // Other commands have their own, curl and the gateway theirs.
    let others = ["--principal", "--data-binary", "--fail-with-body", "--format", "--help", "--retry", "--secrets"];
    for flag in flags {
        let known = [" <", " ", "\n"].iter().any(|end| help.contains(&format!("{flag}{end}")));
        assert!(known || others.contains(&flag), "{flag} is no flag");
    }
}

#[test]
fn the_table_of_operations_is_the_codes() {
    let documented: Vec<String> = table("| operation | request |").into_iter().map(|row| row[0].clone()).collect();
    let actual: Vec<String> = pushguard::policy::Operation::ALL.iter().map(|o| format!("`{}`", o.name())).collect();
    assert_eq!(documented, actual);
}

/// The names in the tables of metrics in the code, as they are shown.
fn registered() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inner = std::fs::read_dir(folder.join("metrics")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for file in inner.chain([folder.join("metrics.rs")]) {
        let text = std::fs::read_to_string(&file).unwrap();
        let prefix =
            text.split_once("sub_registry_with_prefix(\"").map_or("", |(_, rest)| rest.split('"').next().unwrap());
        for rows in text.split(".rows(&[").skip(1) {
            let rows = rows.split("]);").next().unwrap();
            for (at, _) in rows.match_indices('(') {
                let Some(rest) = rows[at + 1..].trim_start().strip_prefix('"') else { continue };
                let name = rest.split('"').next().unwrap();
                found.push(if prefix.is_empty() { name.to_owned() } else { format!("{prefix}_{name}") });
            }
        }
    }
    found
}

#[test]
fn the_table_of_metrics_is_the_codes() {
    let rows = table("| metric | type | labels | what it says |");
    let plain = |cell: &str| cell.trim_matches('`').to_owned();
    let mut documented: Vec<String> = rows
        .iter()
        .map(|row| plain(&row[0]).trim_start_matches("pushguard_").trim_end_matches("_total").to_owned())
        .collect();
    let mut actual = registered();
    documented.sort();
    actual.sort();
    assert_eq!(documented, actual);

    // What a running one shows has the types and labels of the table.
    let guard = Guard::start(&quickstart(), "http://127.0.0.1:1");
    guard.record(&Request::get("/nope").send(guard.address()));
    guard.record(&Request::post("/metrics/job/ci", "m 1\n").send(guard.address()));
    let page = guard.metrics();
    let mut shown = 0;
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (family, kind) = line.split_once(' ').unwrap();
        let name = if kind == "counter" { format!("{family}_total") } else { family.to_owned() };
        let row =
            rows.iter().find(|row| plain(&row[0]) == name).unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(row[1], kind, "{name}");
        let labels: Vec<String> = row[2].split(' ').filter(|cell| !cell.is_empty()).map(plain).collect();
        let series = page.lines().find_map(|line| line.strip_prefix(&name)?.strip_prefix('{'));
        let names = series.map(|text| text.split(',').filter_map(|pair| pair.split_once("=\"")).map(|(name, _)| name));
        let names: Vec<&str> = names.map(Iterator::collect).unwrap_or_default();
        assert_eq!(names, labels, "{name}");
        shown += 1;
    }
    assert!(shown > 10, "{page}");
}

#[test]
fn the_table_of_the_log_is_the_codes() {
    let upstream = Upstream::start(|_| ok());
    let guard = Guard::start(common::guard::EVERYTHING, &upstream.url());
    let record = guard.record(&Request::post("/metrics/job/ci", "m 1\n").send(guard.address()));
    let rows = table("| key of `msg=request` | |");
    let documented = rows.iter().flat_map(|row| row[0].split(' ').map(|key| key.trim_matches('`').to_owned()));
    let mut documented: Vec<String> = documented.filter(|key| key != "not_logged").collect();
    let mut actual: Vec<String> = record.0.into_keys().filter(|k| !["time", "level", "msg"].contains(&&**k)).collect();
    documented.sort();
    actual.sort();
    assert_eq!(documented, actual);
}

/// Within the page to a heading, else to a file that is there.
#[test]
fn every_link_leads_somewhere() {
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let headings = README.lines().filter(|line| line.starts_with('#'));
    let anchors: Vec<String> = headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect();
    let links: Vec<&str> = README.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        match link.strip_prefix('#') {
            Some(to) => assert!(anchors.iter().any(|anchor| anchor == to), "there is no heading for #{to}"),
            None => assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "there is no file {link}"),
        }
    }
}
