//! Test files: YAML beside a policy.

use super::lines::key_path;
use super::load::{parse, text, whole};
use super::problem::{Problem, Problems};
use super::reader::{Map, Node, Reader};
use super::request::Given;
use super::units;
use crate::decision::Reason;
use crate::policy::{NamedSets, Operation};
use crate::prefix_set::PrefixSet;
use crate::request::GroupingKey;
use crate::suite::{Act, Asked, Case, Expected, Step, Suite};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What stands around a request.
#[derive(Clone)]
struct Around<'a> {
    folder: &'a Path,
    given: Given,
    sets: Arc<NamedSets>,
}

/// Reads a test file.
///
/// # Errors
/// All its problems.
pub fn suite(file: &Path) -> Result<Suite, Problems> {
    let problems = |list: Vec<Problem>, unreadable| Problems { file: file.to_owned(), list, unreadable };
    let text = text(file).map_err(|message| problems(vec![whole(message)], true))?;
    let (mut reader, document) = parse(&text).map_err(|list| problems(list, false))?;
    let suite = document_suite(&mut reader, &Node { value: &document, path: String::new() }, file);
    if reader.problems.is_empty() {
        return Ok(suite);
    }
    reader.problems.sort_by_key(|problem| problem.line.unwrap_or(0));
    Err(problems(reader.problems, false))
}

pub(super) fn document_suite(reader: &mut Reader, root: &Node<'_>, file: &Path) -> Suite {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut suite = Suite { policy: PathBuf::new(), start: SystemTime::UNIX_EPOCH, cases: Vec::new() };
    let Some(mut map) = reader.map(root) else { return suite };
    let (policy, start, sets) = (map.take("policy"), map.take("start"), map.take("sets"));
    let (defaults, tests) = (map.take("defaults"), map.take("tests"));
    map.finish(reader);
    let named = policy.and_then(|node| reader.text(&node));
    suite.policy = folder.join(named.unwrap_or_else(|| beside(file)));
    suite.start = start.and_then(|node| self::start(reader, &node)).unwrap_or(SystemTime::UNIX_EPOCH + DEFAULT_START);
    let sets = sets.map(|node| self::sets(reader, &node)).unwrap_or_default();
    let given = defaults.map(|node| Given::of(reader, &node, folder, "defaults")).unwrap_or_default();
    let around = Around { folder, given, sets: Arc::new(sets) };
    let Some(tests) = tests else {
        reader.problem("", "tests is missing; a test is { name: …, requests: [{ path: …, from: …, expect: allow }] }");
        return suite;
    };
    for node in reader.list(&tests).unwrap_or_default() {
        suite.cases.extend(case(reader, &node, &around, suite.start));
    }
    suite
}

/// 2030-01-01: no test depends on the day when it is run.
const DEFAULT_START: Duration = Duration::from_secs(1_893_456_000);

/// `NAME.yaml` of `NAME.test.yaml`.
fn beside(file: &Path) -> String {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.replacen(".test.", ".", 1)
}

fn start(reader: &mut Reader, node: &Node<'_>) -> Option<SystemTime> {
    let text = reader.text(node)?;
    let start = humantime::parse_rfc3339(&text).ok();
    if start.is_none() {
        reader.problem(&node.path, format!("{text:?} is not a time such as 2030-01-31T12:00:00Z"));
    }
    start
}

fn sets(reader: &mut Reader, node: &Node<'_>) -> NamedSets {
    let mut sets = NamedSets::new();
    for (name, node) in reader.map(node).map(|m| m.rest()).unwrap_or_default() {
        let mut nets = Vec::new();
        // An empty list is a set that is there and holds nothing.
        for (path, text) in texts(reader, &node) {
            let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            match net {
                Some(net) => nets.push(net),
                None => reader.problem(&path, format!("{text:?} is not an address or prefix such as 10.0.0.0/8")),
            }
        }
        sets.insert(name, Arc::new(PrefixSet::from_prefixes(nets)));
    }
    sets
}

fn case(reader: &mut Reader, node: &Node<'_>, around: &Around<'_>, start: SystemTime) -> Option<Case> {
    let mut map = reader.map(node)?;
    let (name, defaults, sets) = (map.take("name"), map.take("defaults"), map.take("sets"));
    let requests = map.take("requests");
    map.finish(reader);
    let name = match name {
        Some(name) => reader.text(&name)?,
        None => {
            reader.problem(&node.path, "name is missing; say what the test shows");
            return None;
        }
    };
    let mut around = around.clone();
    if let Some(node) = defaults {
        around.given = Given::of(reader, &node, around.folder, &name).or(around.given);
    }
    if let Some(node) = sets {
        around.sets = Arc::new(self::sets(reader, &node));
    }
    let Some(requests) = requests else {
        reader.problem(&node.path, "requests is missing");
        return None;
    };
    let (mut steps, mut now) = (Vec::new(), Duration::ZERO);
    for node in reader.list(&requests).unwrap_or_default() {
        let Some(step) = step(reader, &node, &mut around, &name, now) else { continue };
        if step.at < now {
            reader.problem(&key_path(&node.path, "at"), "the clock does not go back; requests stand in their order");
        }
        if start.checked_add(step.at).is_none() {
            reader.problem(&key_path(&node.path, "at"), "beyond the end of time");
        }
        now = step.at;
        steps.push(step);
    }
    Some(Case { name, steps })
}

fn step(reader: &mut Reader, node: &Node<'_>, around: &mut Around<'_>, name: &str, now: Duration) -> Option<Step> {
    let mut map = reader.map(node)?;
    let (at, swept) = (map.take("at"), map.take("swept"));
    let nothing_else = map.is_empty();
    let (times, sets, expect) = (map.take("times"), map.take("sets"), map.take("expect"));
    let given = Given::take(reader, &mut map, around.folder, name).or(around.given.clone());
    map.finish(reader);
    let at = at.and_then(|node| self::at(reader, &node)).unwrap_or(now);
    let line = reader.line(&node.path);
    if let Some(swept) = swept {
        if !nothing_else {
            reader.problem(&swept.path, "a sweep is no request; only at stands beside it");
        }
        return Some(Step { line, at, act: Act::Sweep(self::swept(reader, &swept)) });
    }
    let times = times.and_then(|node| self::times(reader, &node)).unwrap_or(1);
    if let Some(node) = sets {
        around.sets = Arc::new(self::sets(reader, &node));
    }
    let expected = match expect {
        Some(node) => expected(reader, &node),
        None => {
            reader.problem(&node.path, "expect is missing; write expect: allow, or the reason of the refusal");
            return None;
        }
    };
    let request = given.request(reader, node)?;
    Some(Step { line, at, act: Act::Ask(Box::new(Asked { times, request, sets: around.sets.clone(), expected })) })
}

/// The paths of groups, in the one spelling that they are shown in.
fn swept(reader: &mut Reader, node: &Node<'_>) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (path, text) in texts(reader, node) {
        let behind = text.strip_prefix("/metrics/").ok_or_else(|| "it does not begin with /metrics/job/".to_owned());
        match behind.and_then(|behind| GroupingKey::read(behind.as_bytes()).map_err(|fault| fault.to_string())) {
            Ok(key) => drop(paths.insert(key.upstream_path())),
            Err(fault) => reader.problem(&path, format!("{text:?} is not the path of a group: {fault}")),
        }
    }
    paths
}

/// A list of texts that may be empty.
fn texts(reader: &mut Reader, node: &Node<'_>) -> Vec<(String, String)> {
    match node.value {
        serde_yaml::Value::Sequence(items) if items.is_empty() => Vec::new(),
        _ => reader.texts(node).unwrap_or_default(),
    }
}

fn at(reader: &mut Reader, node: &Node<'_>) -> Option<Duration> {
    let text = reader.text(node)?;
    let at = units::duration(&text);
    if at.is_none() {
        reader.problem(&node.path, format!("{text:?} is not a time since the start such as 0s, 10s or 1h30m"));
    }
    at
}

/// The most times that a request is sent.
pub(super) const MOST_TIMES: u64 = 100_000;

fn times(reader: &mut Reader, node: &Node<'_>) -> Option<u32> {
    let number = reader.number(node)?;
    let times = u32::try_from(number).ok().filter(|_| (1..=MOST_TIMES).contains(&number));
    if times.is_none() {
        reader.problem(&node.path, format!("expected 1 to {MOST_TIMES}, found {number}"));
    }
    times
}

/// `allow`, a reason, or a mapping of what is expected.
fn expected(reader: &mut Reader, node: &Node<'_>) -> Expected {
    if let serde_yaml::Value::String(word) = node.value {
        return match word.as_str() {
            "allow" => Expected { allowed: Some(true), ..Expected::default() },
            "deny" => Expected { allowed: Some(false), ..Expected::default() },
            _ => refused(reason(reader, node)),
        };
    }
    let Some(mut map) = reader.map(node) else { return Expected::default() };
    let verdict = map.take("verdict");
    let (reason, would_deny, retry_after) = (map.take("reason"), map.take("would_deny"), map.take("retry_after"));
    let texts = ["rule", "principal", "upstream", "job"].map(|key| text_of(reader, &mut map, key));
    let (operation, labels) = (map.take("operation"), map.take("labels"));
    map.finish(reader);
    let mut expected = refused(reason.and_then(|node| self::reason(reader, &node)));
    if let Some(allowed) = verdict.and_then(|node| self::verdict(reader, &node)) {
        expected.allowed = Some(allowed);
    }
    expected.would_deny = would_deny.and_then(|node| self::reason(reader, &node));
    expected.retry_after = retry_after.and_then(|node| at(reader, &node));
    expected.operation = operation.and_then(|node| self::operation(reader, &node));
    [expected.rule, expected.principal, expected.upstream, expected.job] = texts;
    expected.labels = labels.map(|node| {
        let entries = reader.map(&node).map(Map::rest).unwrap_or_default();
        entries.into_iter().filter_map(|(name, node)| Some((name, reader.text(&node)?))).collect()
    });
    if expected == Expected::default() {
        reader.problem(&node.path, "nothing is expected; write expect: allow, or the reason of the refusal");
    }
    expected
}

fn refused(reason: Option<Reason>) -> Expected {
    Expected { allowed: reason.map(|_| false), reason, ..Expected::default() }
}

fn text_of(reader: &mut Reader, map: &mut Map<'_>, key: &'static str) -> Option<String> {
    map.take(key).and_then(|node| reader.text(&node))
}

fn verdict(reader: &mut Reader, node: &Node<'_>) -> Option<bool> {
    let text = reader.text(node)?;
    reader.one_of(&node.path, "verdict", &text, &[("allow", true), ("deny", false)])
}

fn operation(reader: &mut Reader, node: &Node<'_>) -> Option<String> {
    let text = reader.text(node)?;
    let known: Vec<(&str, Operation)> = Operation::ALL.iter().map(|operation| (operation.name(), *operation)).collect();
    reader.one_of(&node.path, "operation", &text, &known).map(|operation| operation.name().to_owned())
}

fn reason(reader: &mut Reader, node: &Node<'_>) -> Option<Reason> {
    let text = reader.text(node)?;
    let known: Vec<(&str, Reason)> = Reason::ALL.iter().map(|reason| (reason.code(), *reason)).collect();
    reader.one_of(&node.path, "reason", &text, &known)
}
