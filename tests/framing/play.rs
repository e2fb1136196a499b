//! Sends a case over a connection and holds what comes of it, on both sides of the guard, to what must.

use super::{Case, Fate, Jobs, Part};
use crate::common::http::{Connection, Request, Response};
use crate::common::upstream::{Reaction, Seen, answer};
use crate::volume::Chance;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Mutex;

/// Request line and body, as they arrived upstream.
pub type Arrival = (String, Vec<u8>);

/// What arrived upstream, by job, and what was not as we write requests.
#[derive(Default)]
pub struct Recorder {
    by_job: Mutex<HashMap<String, Vec<Arrival>>>,
    odd: Mutex<Vec<String>>,
}

/// Fields that every forwarded request may have; all but the last four must be there.
const ALLOWED: &[&str] = &["host", "x-request-id", "content-length", "content-type", "user-agent", "traceparent"];

impl Recorder {
    /// Keeps a request; the answer says which it was.
    pub fn record(&self, seen: &Seen, host: &str) -> Reaction {
        if let Err(fault) = canonical(seen, host) {
            self.odd.lock().unwrap().push(format!("{fault}: {:?}", seen.head));
        }
        let line = seen.line().to_owned();
        let job = line.split_once("/metrics/job/").map_or("", |(_, rest)| rest.split('/').next().unwrap());
        let mut by_job = self.by_job.lock().unwrap();
        by_job.entry(job.to_owned()).or_default().push((line.clone(), seen.body.clone()));
        drop(by_job);
        let id = seen.header("x-request-id").first().copied().unwrap_or("").to_owned();
        answer("200 OK", "Content-Type: text/plain\r\n", &format!("{line} {id}"))
    }

    fn take(&self, job: &str) -> Vec<Arrival> {
        self.by_job.lock().unwrap().remove(job).unwrap_or_default()
    }

    /// What nobody was to send, and what was not written as it must be.
    pub fn rest(&self) -> Vec<String> {
        let mut rest = self.odd.lock().unwrap().clone();
        rest.extend(
            self.by_job.lock().unwrap().iter().map(|(job, seen)| format!("nobody was to send {job}: {seen:?}")),
        );
        rest
    }
}

/// Exactly the request that we write: each field known, once, in CR LF lines.
fn canonical(seen: &Seen, host: &str) -> Result<(), String> {
    let text = seen.head.strip_suffix("\r\n\r\n").ok_or("no empty line")?;
    let lines: Vec<&str> = text.split("\r\n").collect();
    if lines.iter().any(|line| line.contains(['\r', '\n', '\0'])) {
        return Err("a control character".to_owned());
    }
    let words: Vec<&str> = lines[0].split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err("an odd request line".to_owned()) };
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"/_~-.@=".contains(&b);
    if !["POST", "PUT", "DELETE"].contains(&method) || !target.starts_with('/') || !target.bytes().all(safe) {
        return Err("an odd method or target".to_owned());
    }
    let mut names = seen.names();
    if let Some(name) = names.iter().find(|name| !ALLOWED.contains(&name.as_str())) {
        return Err(format!("the field {name}"));
    }
    names.dedup();
    if names.len() != lines.len() - 1 {
        return Err("a field twice".to_owned());
    }
    let wanted = if method == "DELETE" { &ALLOWED[..2] } else { &ALLOWED[..4] };
    if !wanted.iter().all(|name| names.iter().any(|n| n == name)) || seen.header("host") != [host] {
        return Err("a field is missing or wrong".to_owned());
    }
    let length = seen.header("content-length");
    if length.first().is_some_and(|length| *length != seen.body.len().to_string()) {
        return Err("a length in another spelling".to_owned());
    }
    Ok(())
}

/// A push that must be served.
pub fn push(job: &str) -> Part {
    let bytes = Request::post(format!("/metrics/job/{job}"), "m 1\n").bytes();
    let fate = Fate::Forwarded { line: format!("POST /metrics/job/{job}"), body: b"m 1\n".to_vec() };
    Part { method: "POST", bytes, fate, keeps: true, interim: false }
}

/// What a case sends in all: sometimes a good request first, a canary last.
pub fn script(case: &Case, jobs: &Jobs, chance: &mut Chance) -> Vec<Part> {
    let mut script = Vec::new();
    if chance.once_in(4) {
        script.push(push(&jobs.good));
    }
    script.extend(case.parts.iter().cloned());
    if !case.cut {
        script.push(push(&jobs.canary));
    }
    script
}

/// The answers to a script, up to the end of the connection.
pub fn converse(script: &[Part], whole: bool, guard: SocketAddr, chance: &mut Chance) -> Result<Vec<Response>, String> {
    let mut connection = Connection::open(guard);
    let mut answers = Vec::new();
    let methods: Vec<&str> = script.iter().map(|part| part.method).collect();
    let final_answers = |answers: &[Response]| answers.iter().filter(|answer| answer.status != 100).count();
    if whole && chance.once_in(3) {
        // A client that waits for each answer.
        for part in script {
            send(&mut connection, &part.bytes, chance);
            let before = final_answers(&answers);
            while final_answers(&answers) == before {
                match connection.try_receive(part.method) {
                    Ok(answer) => answers.push(answer),
                    Err(end) => return clean(end).map(|()| answers),
                }
            }
        }
    } else {
        let bytes: Vec<u8> = script.iter().flat_map(|part| part.bytes.iter().copied()).collect();
        send(&mut connection, &bytes, chance);
    }
    connection.finish();
    loop {
        let method = methods.get(final_answers(&answers)).copied().unwrap_or("POST");
        match connection.try_receive(method) {
            Ok(answer) => answers.push(answer),
            Err(end) => return clean(end).map(|()| answers),
        }
    }
}

/// Nothing but the end.
fn clean(end: std::io::Error) -> Result<(), String> {
    if end.kind() == ErrorKind::UnexpectedEof && end.to_string() == "closed after \"\"" {
        return Ok(());
    }
    Err(format!("the connection ended with {end}"))
}

/// At once, in some parts, or byte by byte.
fn send(connection: &mut Connection, mut bytes: &[u8], chance: &mut Chance) {
    match chance.below(6) {
        0 if bytes.len() < 1500 => bytes.chunks(1).for_each(|byte| connection.send(byte)),
        0..=2 => {
            while !bytes.is_empty() {
                let (part, rest) = bytes.split_at(1 + chance.below(bytes.len()));
                connection.send(part);
                bytes = rest;
            }
        }
        _ => connection.send(bytes),
    }
}

/// The parts that must have been answered, up to the first that ends the connection.
pub fn answered(script: &[Part]) -> &[Part] {
    let end = script.iter().position(|part| !part.keeps);
    let answered = &script[..end.map_or(script.len(), |end| end + 1)];
    match answered.split_last() {
        Some((Part { fate: Fate::Nothing, .. }, rest)) => rest,
        _ => answered,
    }
}

/// Holds the answers to the script.
pub fn check_answers(
    script: &[Part],
    answers: &[Response],
    echo: impl Fn(&Response, &str) -> bool,
) -> Result<(), String> {
    let mut answers = answers.iter();
    for (number, part) in answered(script).iter().enumerate() {
        if part.fate == Fate::Either {
            return Ok(());
        }
        let mut answer = answers.next();
        if part.interim && answer.is_some_and(|answer| answer.status == 100) {
            answer = answers.next();
        } else if part.interim {
            return Err(format!("request {number} was not told to continue"));
        }
        let Some(answer) = answer else { return Err(format!("request {number} has no answer")) };
        let fits = match &part.fate {
            Fate::Refused(status) => answer.status == *status && !answer.reason().is_empty(),
            Fate::Forwarded { line, .. } => echo(answer, line),
            Fate::Nothing | Fate::Either => false,
        };
        if !fits {
            return Err(format!("request {number} was answered {} {}", answer.status, answer.text()));
        }
        let connection = if part.keeps { "keep-alive" } else { "close" };
        if answer.header("Connection") != Some(connection) {
            return Err(format!("the answer to request {number} does not say {connection}"));
        }
    }
    match answers.next() {
        Some(more) => Err(format!("one answer too many: {} {}", more.status, more.text())),
        None => Ok(()),
    }
}

/// Whether an answer of the recorder's is to the request with that line.
pub fn echoes(answer: &Response, line: &str) -> bool {
    answer.status == 200 && answer.text() == format!("{line} {}", answer.request_id())
}

/// Holds what arrived upstream to the script.
pub fn check_arrivals(script: &[Part], answers: &[Response], jobs: &Jobs, recorder: &Recorder) -> Result<(), String> {
    let (mut arrived, mut wanted) = (Vec::new(), Vec::new());
    for job in [&jobs.good, &jobs.hostile, &jobs.canary] {
        arrived.extend(recorder.take(job));
    }
    let either = script.iter().position(|part| part.fate == Fate::Either);
    if let Some(either) = either {
        // In order, each once at most, and each with its answer.
        for part in script {
            let (line, body) = match &part.fate {
                Fate::Forwarded { line, body } => (line.clone(), body.clone()),
                _ => {
                    let text = String::from_utf8_lossy(&script[either].bytes);
                    (text.split(" HTTP/").next().unwrap().to_owned(), b"m 1\n".to_vec())
                }
            };
            if answers.iter().any(|answer| echoes(answer, &line)) {
                wanted.push((line, body));
            }
        }
    } else {
        for part in answered(script) {
            if let Fate::Forwarded { line, body } = &part.fate {
                wanted.push((line.clone(), body.clone()));
            }
        }
    }
    if arrived == wanted { Ok(()) } else { Err(format!("arrived upstream: {arrived:?}")) }
}
