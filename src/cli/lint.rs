//! `pushguard lint`

use super::{Outcome, complain, say, world};
use crate::clock::{Clock as _, SystemClock};
use crate::decision::check_body;
use crate::payload::{Coding, Decoder, Format, Summary};
use crate::policy::{PayloadLimits, Policy};
use crate::request::{Encoding, GroupingKey, Target};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Check a body as it would be checked on its way to the gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "What only the gateway's other groups decide is not looked at.\n\
                        Exit codes: 0 ok, 1 refused, 2 undecided, 64 usage.")]
pub(super) struct Lint {
    /// The body, from a file or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The policy whose limits and rules hold (default: the built-in limits)
    #[arg(long = "policy.file", env = "PUSHGUARD_POLICY_FILE", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The principal that will push it (default: what the policy says under defaults)
    #[arg(long, value_name = "NAME", requires = "policy")]
    principal: Option<String>,
    /// The path that it will be pushed to; its labels replace those in the body
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The Content-Type that it will be sent with (default: text)
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The Content-Encoding that it will be sent with
    #[arg(long, value_name = "CODING", value_parser = coding)]
    content_encoding: Option<Coding>,
}

fn coding(text: &str) -> Result<Coding, String> {
    match Encoding::named(text.as_bytes()) {
        Encoding::Gzip => Ok(Coding::Gzip),
        Encoding::Snappy => Ok(Coding::Snappy),
        Encoding::Identity | Encoding::Other(_) => Err("expected gzip or snappy".to_owned()),
    }
}

impl Lint {
    /// Faults go to standard output, one a line.
    pub(super) fn run(&self) -> Outcome {
        let (outcome, lines) = match self.judge() {
            Ok(Ok(lines)) => (Outcome::Ok, lines),
            Ok(Err(faults)) => (Outcome::Invalid, faults),
            Err(message) => {
                complain(message);
                return Outcome::Undecided;
            }
        };
        let name = self.name();
        let said = lines.iter().all(|line| say(format_args!("{name}: {line}")));
        if said { outcome } else { Outcome::Undecided }
    }

    /// What to say of a body that is well, or its faults.
    fn judge(&self) -> Result<Result<Vec<String>, Vec<String>>, String> {
        let (limits, reports) = self.limits()?;
        let key = self.path.as_deref().map(key).transpose()?;
        let Some(format) = Format::of(self.content_type.as_deref().map(str::as_bytes)) else {
            let wanted = Format::Protobuf.content_type();
            return Ok(Err(vec![format!("a protobuf body needs the Content-Type {wanted:?}")]));
        };
        let body = self.body(limits.max_bytes)?;
        if u64::try_from(body.len()).is_ok_and(|length| length > limits.max_bytes) {
            return Ok(Err(vec![format!("it has more than {} bytes", limits.max_bytes)]));
        }
        let body = match self.content_encoding.map(|coding| decoded(coding, &body, limits.max_decoded_bytes)) {
            Some(Err(fault)) => return Ok(Err(vec![fault])),
            Some(Ok(decoded)) => decoded,
            None => body,
        };
        let found = check_body(&limits, reports, format, key.as_ref(), &body);
        Ok(found.map(|summary| told(&summary)).map_err(|faults| faults.iter().map(ToString::to_string).collect()))
    }

    /// The limits that hold, and whether their rules only report. What they say of a claim, only a token can fill in; any
    /// value passes here.
    fn limits(&self) -> Result<(PayloadLimits, bool), String> {
        let Some(file) = &self.policy else { return Ok((PayloadLimits::default(), false)) };
        let policy = world::policy(file)?;
        let limits = match &self.principal {
            None => &policy.default_payload,
            Some(name) => {
                let found = policy.principals.iter().find(|principal| &*principal.name == name);
                &found.ok_or_else(|| unknown(file, name, &policy))?.payload
            }
        };
        let now = Some(SystemClock::new().wall());
        let reports = policy.mode.reports(now) || limits.rules.mode.reports(now);
        Ok((limits.without_claims(), reports))
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    /// The body's name for people.
    fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_owned() } else { self.file.display().to_string() }
    }

    /// The body, or a byte more than may be.
    fn body(&self, most: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let most = most.saturating_add(1);
        let read = if self.is_stdin() {
            std::io::stdin().take(most).read_to_end(&mut bytes)
        } else {
            std::fs::File::open(&self.file).and_then(|file| file.take(most).read_to_end(&mut bytes))
        };
        read.map(|_| bytes).map_err(|error| format!("{}: {error}", self.name()))
    }
}

fn unknown(file: &Path, name: &str, policy: &Policy) -> String {
    let names: Vec<&str> = policy.principals.iter().map(|principal| &*principal.name).collect();
    format!("{}: no principal {name:?}; there are {}", file.display(), names.join(", "))
}

fn key(path: &str) -> Result<GroupingKey, String> {
    match Target::read(path.as_bytes()) {
        Ok(Target::Group(key)) => Ok(key),
        Ok(Target::Read(_)) => Err(format!("{path}: metrics are pushed to /metrics/job/JOB")),
        Err(fault) => Err(format!("{path}: {fault}")),
    }
}

fn decoded(coding: Coding, body: &[u8], most: u64) -> Result<Vec<u8>, String> {
    let mut decoder = Decoder::new(coding, body, most);
    while decoder.step().map_err(|fault| fault.to_string())? {}
    Ok(decoder.finish())
}

fn told(summary: &Summary) -> Vec<String> {
    let well = match summary.series {
        0 => "ok, no series: a PUT of it deletes".to_owned(),
        series => match summary.families.len() {
            1 => format!("ok, {series} series in 1 metric family"),
            families => format!("ok, {series} series in {families} metric families"),
        },
    };
    let reported = summary.would_deny.iter().map(|fault| format!("reported, not refused: {fault}"));
    std::iter::once(well).chain(reported).collect()
}
