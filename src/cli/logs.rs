//! Recorded traffic as flags: which logs, and what they do not tell.

use super::progress::Bar;
use super::world::{SetFlags, listener};
use crate::access_log::{LineError, Recorded, read_line};
use crate::clock::{Clock as _, SystemClock};
use crate::replay::Judge;
use crate::request::RoutePrefix;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The longest line that is read, bytes.
const MOST: usize = 64 * 1024;
/// Lines after which a person is told how far it is: a few times a second.
const SEEN: u64 = 100_000;

/// Where recorded traffic comes from.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LogFlags {
    /// Logs, or - for standard input: pushguard's own (json or logfmt), nginx or ingress-nginx in the combined format,
    /// Caddy (json); a line says what it is
    #[arg(long = "log", value_name = "FILE", num_args = 1..)]
    pub(super) logs: Vec<PathBuf>,
    /// The listener of lines that name none (default: the policy's only one, or "default" where it
    /// names none)
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Take requests without a credential for this principal's
    #[arg(long = "as", value_name = "PRINCIPAL")]
    taken_for: Option<String>,
    /// The path in front of every path in the logs of other proxies
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<RoutePrefix>,
    #[command(flatten)]
    sets: SetFlags,
}

/// A line and where it stands.
pub(super) struct Line<'l> {
    pub(super) file: &'l Path,
    pub(super) number: u64,
    pub(super) text: &'l str,
    pub(super) read: Result<Recorded<'l>, LineError>,
}

impl Line<'_> {
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.number)
    }
}

impl LogFlags {
    /// A judge by that policy.
    pub(super) fn judge(&self, policy: &Path) -> Result<Judge, String> {
        let now = SystemClock::new().wall();
        let world = self.sets.world(policy, now)?;
        if let Some(name) = &self.taken_for
            && world.policy.principals.iter().all(|principal| *principal.name != **name)
        {
            return Err(format!("--as {name}: {} has no such principal", policy.display()));
        }
        // Lines that name their listener need no other.
        let listener = match (&self.listener, listener(&world.policy, self.listener.as_deref())) {
            (Some(_), Err(unknown)) => return Err(unknown),
            (_, found) => found.ok().map(|name| name.as_str().into()),
        };
        Ok(Judge::new(world, listener, self.taken_for.clone(), now))
    }

    /// Reads every line of every log.
    pub(super) fn each(&self, mut take: impl FnMut(Line<'_>)) -> Result<(), String> {
        let prefix = self.route_prefix.clone().unwrap_or_default();
        let sizes = self.logs.iter().map(|log| std::fs::metadata(log).map_or(0, |metadata| metadata.len()));
        let (bar, all) = (Bar::new(), sizes.sum());
        let (mut done, mut lines) = (0, 0_u64);
        for log in &self.logs {
            let failed = |error: std::io::Error| format!("{}: {error}", log.display());
            let input: Box<dyn Read> = match log.as_path() {
                path if path == Path::new("-") => Box::new(std::io::stdin()),
                path => Box::new(File::open(path).map_err(failed)?),
            };
            let (mut input, mut bytes, mut number) = (BufReader::with_capacity(1 << 18, input), Vec::new(), 0);
            while next_line(&mut input, &mut bytes).map_err(failed)? {
                number += 1;
                (done, lines) = (done + u64::try_from(bytes.len()).unwrap_or(0) + 1, lines + 1);
                if lines.is_multiple_of(SEEN) {
                    bar.show(done, all, format_args!("{lines} lines"));
                }
                let (text, read) = match std::str::from_utf8(&bytes) {
                    _ if bytes.len() >= MOST => ("", Err(LineError::Form("longer than 64 KiB"))),
                    Err(_) => ("", Err(LineError::Form("not UTF-8"))),
                    Ok(text) if text.trim().is_empty() => continue,
                    Ok(text) => (text, read_line(text, &prefix)),
                };
                take(Line { file: log, number, text, read });
            }
        }
        Ok(())
    }
}

/// Reads the next line without its end; what is longer than any line is skipped. False at the end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = memchr::memchr(b'\n', available);
        let part = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        let room = MOST.saturating_sub(line.len());
        line.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        let used = end.map_or(available.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(true);
        }
    }
}
