//! Imports point one way, and what must not end the process is not in the code that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which top-level module may import which. A room names only those that it needs; everything else is an error. One may
/// stand on several lines.
const EDGES: &[(&str, &str)] = &[
    ("main", "cli"),
    (
        "cli",
        "admin auth clock config decision doctor fetch gate inventory janitor keys live logging metrics payload policy prefix_set proxy \
          ranges request secret state tls",
    ),
    ("janitor", "clock fetch groups live metrics policy proxy state"),
    ("doctor", "groups metrics proxy shown"),
    ("groups", "payload request shown"),
    ("admin", "decision metrics proxy recent request shown"),
    ("proxy", "clock decision gate groups inventory keys live metrics payload policy record request tls"),
    ("keys", "auth clock fetch metrics policy shown state"),
    ("record", "decision metrics policy recent request"),
    ("recent", ""),
    ("gate", "auth clock decision inventory limit policy request"),
    ("decision", "auth inventory limit payload policy request secret"),
    ("config", "auth fetch limit policy prefix_set ranges request"),
    ("inventory", "groups payload request"),
    ("live", "policy"),
    ("policy", "auth limit payload prefix_set ranges request"),
    ("request", "prefix_set secret"),
    ("ranges", "clock fetch metrics prefix_set shown state"),
    ("fetch", "shown"),
    ("state", "shown"),
    ("tls", "request"),
    ("auth", "clock secret"),
    ("limit", "clock"),
    ("logging", "clock shown"),
    ("payload", ""),
    ("metrics", ""),
    ("prefix_set", ""),
    // Dry runs.
    ("cli", "replay suite"),
    ("proxy", "recent"),
    ("replay", "access_log clock decision dry_run gate limit payload policy request shown"),
    ("config", "decision dry_run suite"),
    ("suite", "clock decision dry_run gate groups janitor limit policy request shown"),
    ("cli", "access_log dry_run explain prefix_set"),
    ("explain", "decision dry_run policy"),
    ("dry_run", "access_log auth clock decision gate limit policy request"),
    ("access_log", "policy request secret"),
    ("clock", ""),
    ("secret", ""),
    ("shown", ""),
];

/// Crates that only some rooms may know.
const CRATES: &[(&str, &str)] = &[
    ("pingora_core", "proxy admin"),
    ("pingora_http", "proxy admin"),
    ("prometheus_client", "metrics"),
    ("reqwest", "fetch"),
    ("serde_yaml", "config"),
    ("saphyr_parser", "config"),
    ("argon2", "auth"),
    ("clap", "cli logging"),
    ("rustls", "cli fetch proxy tls"),
    ("tokio_rustls", "proxy"),
    ("x509_cert", "tls"),
    ("rustls_native_certs", "tls"),
    ("tracing", "cli doctor janitor keys logging proxy ranges record"),
    ("tracing_subscriber", "logging"),
    ("tokio", "admin auth cli doctor janitor keys proxy ranges"),
    ("tokio::net", "cli proxy"),
    ("tokio::io", "cli proxy"),
    ("std::net::Tcp", "cli proxy"),
    ("std::fs", "cli config fetch ranges state tls"),
];

/// A line of code that serves: no tests, no comments.
struct Line {
    file: PathBuf,
    number: usize,
    room: String,
    text: String,
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.flat_map(|p| if p.is_dir() { sources(&p) } else { vec![p] }).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "rs"));
    files.sort();
    files
}

fn source_files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: PathBuf| (file.strip_prefix(&root).unwrap().to_owned(), std::fs::read_to_string(&file).unwrap());
    sources(&root).into_iter().map(read).collect()
}

/// `tests.rs`, files under `tests/`, and modules declared behind `#[cfg(test)]`.
fn is_test(file: &Path, test_modules: &BTreeSet<PathBuf>) -> bool {
    let part = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
    file.iter().any(part) || test_modules.contains(file)
}

fn lines() -> Vec<Line> {
    let files = source_files();
    let test_modules: BTreeSet<PathBuf> = files.iter().flat_map(|(file, text)| test_modules(file, text)).collect();
    let mut lines = Vec::new();
    for (file, text) in files.iter().filter(|(file, _)| !is_test(file, &test_modules)) {
        let room = file.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let mut all = text.lines().enumerate().peekable();
        while let Some((index, line)) = all.next() {
            let next_is_block =
                |next: Option<&(usize, &str)>| next.is_some_and(|(_, next)| next.trim_end().ends_with('{'));
            if line.trim() == "#[cfg(test)]" && next_is_block(all.peek()) {
                let indent = line.len() - line.trim_start().len();
                let end = format!("{}}}", " ".repeat(indent));
                all.by_ref().find(|(_, line)| *line == end);
                continue;
            }
            let text = line.trim().to_owned();
            if !text.starts_with("//") {
                lines.push(Line { file: file.clone(), number: index + 1, room: room.clone(), text });
            }
        }
    }
    lines
}

fn test_modules(file: &Path, text: &str) -> Vec<PathBuf> {
    let lines: Vec<&str> = text.lines().collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").map(|pair| pair[1]);
    let names = declared.filter_map(|line| {
        line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';')
    });
    names.map(|name| file.with_extension("").join(format!("{name}.rs"))).collect()
}

/// The top-level modules that a line names as `crate::…`, or as `super::…` from the top of a room.
fn imported(line: &Line) -> Vec<String> {
    let top = line.file.iter().count() == 1;
    let mut names = Vec::new();
    for root in ["crate::", "pushguard::", "super::"] {
        if root == "super::" && !top {
            continue;
        }
        for (at, _) in line.text.match_indices(root) {
            let before = line.text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = line.text[at + root.len()..].trim_start_matches('{');
            let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.push(name(rest));
        }
    }
    names
}

fn fail(what: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = lines.into_iter().collect();
    assert!(lines.is_empty(), "{what}\n{}", lines.join("\n"));
}

fn at(line: &Line) -> String {
    format!("src/{}:{}: {}", line.file.display(), line.number, line.text)
}

fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut allowed = BTreeMap::<_, BTreeSet<_>>::new();
    for (room, others) in EDGES {
        allowed.entry(*room).or_default().extend(others.split_whitespace());
    }
    allowed
}

#[test]
fn imports_follow_the_allowed_edges() {
    let (allowed, lines) = (allowed(), lines());
    let known: BTreeSet<&str> = allowed.keys().copied().collect();
    let rooms: BTreeSet<&str> = lines.iter().map(|line| line.room.as_str()).filter(|room| *room != "lib").collect();
    assert_eq!(rooms, known, "a new room needs its place in this table");
    let wrong = lines.iter().filter(|line| line.room != "lib").filter_map(|line| {
        let stray = imported(line)
            .into_iter()
            .find(|name| *name != line.room && !allowed[line.room.as_str()].contains(name.as_str()))?;
        Some(format!("{}\n    {} must not import {stray}", at(line), line.room))
    });
    fail("imports that point the wrong way:", wrong);
}

#[test]
fn every_allowed_edge_is_used() {
    let mut unused: BTreeSet<(String, String)> = allowed()
        .into_iter()
        .flat_map(|(room, others)| others.into_iter().map(move |other| (room.to_owned(), other.to_owned())))
        .collect();
    for line in lines() {
        for name in imported(&line) {
            unused.remove(&(line.room.clone(), name));
        }
    }
    assert!(unused.is_empty(), "edges that nothing uses: {unused:?}");
}

#[test]
fn the_allowed_edges_make_no_circle() {
    let mut left = allowed();
    while let Some(leaf) = left.iter().find(|(_, others)| others.iter().all(|o| !left.contains_key(o))).map(|(r, _)| *r)
    {
        left.remove(leaf);
    }
    assert!(left.is_empty(), "rooms that import each other: {left:?}");
}

#[test]
fn crates_stay_in_their_rooms() {
    let wrong = lines().into_iter().filter_map(|line| {
        let stray = CRATES.iter().find(|(name, rooms)| {
            let path = if name.contains("::") { (*name).to_owned() } else { format!("{name}::") };
            let named = line
                .text
                .match_indices(&path)
                .any(|(at, _)| !line.text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            named && !rooms.split(' ').any(|room| room == line.room)
        })?;
        Some(format!("{}\n    {} belongs to: {}", at(&line), stray.0, stray.1))
    });
    fail("crates outside their rooms:", wrong);
}

/// What comes from outside must not end the process.
#[test]
fn nothing_that_serves_unwraps() {
    let calls = [".unwrap()", ".expect(", ".unwrap_err()", ".expect_err(", "panic!(", "todo!(", "unimplemented!("];
    let wrong = lines().into_iter().filter(|line| calls.iter().any(|call| line.text.contains(call)));
    fail("calls that can end the process:", wrong.map(|line| at(&line)));
}

#[test]
fn files_are_short() {
    const MOST: usize = 400;
    let long = source_files().into_iter().map(|(file, text)| (file, text.lines().count()));
    let long = long.filter(|(_, count)| *count > MOST);
    fail("files of more than 400 lines:", long.map(|(file, count)| format!("src/{}: {count}", file.display())));
}
