//! `pushguard explain`

use super::world::{SetFlags, listener, time};
use super::{Outcome, complain, say};
use crate::access_log;
use crate::clock::{Clock, SystemClock};
use crate::dry_run::{Body, Curl, Data, Described, End, Missing, Proof, Question, Quotas, Token, Told, ask};
use crate::explain::{Asked, json, text};
use crate::policy::{Policy, World};
use crate::request::{ExternalUrl, RoutePrefix, San, Web};
use std::io::{IsTerminal as _, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Tell what would become of one request.
#[derive(Debug, clap::Args)]
#[command(after_help = "Without --path and --curl, a line of pushguard's own log is read on standard input.\n\
                        Exit codes: 0 allowed, 1 denied, 2 undecided, 64 usage.")]
pub(super) struct Explain {
    /// The policy file
    #[arg(value_name = "FILE")]
    policy: PathBuf,
    /// The path that is asked for, as the client sends it
    #[arg(long, value_name = "PATH", conflicts_with = "curl")]
    path: Option<String>,
    /// A whole curl command line
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["method", "user", "headers"])]
    curl: Option<String>,
    /// The method (default: POST to a group, GET elsewhere)
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// The address that the connection comes from: the client's, or a trusted proxy's beside --header X-Forwarded-For
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// The listener (default: the policy's only one, or "default")
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// The user name of basic authentication; its password is taken as right
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A file with the claims of a token as a JSON object; its signature and claims that it lacks are taken as right
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    token_claims: Option<PathBuf>,
    /// A name in the certificate that the client connects with, such as URI:spiffe://prod/ns/ci/sa/push; repeat it for
    /// several. The certificate is taken as signed by a trusted authority
    #[arg(long = "certificate-san", value_name = "KIND:NAME", value_parser = San::read)]
    certificate: Vec<San>,
    /// A further header
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(String, String)>,
    /// The body, from a file or - for standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The time of the request (default: now)
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<SystemTime>,
    #[command(flatten)]
    sets: SetFlags,
    /// As of serve
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    route_prefix: Option<RoutePrefix>,
    /// As of serve
    #[arg(long = "web.external-url", value_name = "URL")]
    external_url: Option<ExternalUrl>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl Explain {
    pub(super) fn run(&self) -> Outcome {
        match self.answer() {
            Ok(outcome) => outcome,
            Err(message) => {
                complain(message);
                Outcome::Undecided
            }
        }
    }

    fn answer(&self) -> Result<Outcome, String> {
        let now = self.at.unwrap_or_else(|| SystemClock::new().wall());
        let world = self.sets.world(&self.policy, now)?;
        let (question, mut asked) = match (&self.path, &self.curl) {
            (Some(path), _) => self.described(self.by_flags(path, &world.policy)?, &world, now),
            (_, Some(line)) => self.by_curl(line, &world, now)?,
            _ => self.by_line(&world, now)?,
        };
        let told = ask(&world, &question, Quotas::Unknown);
        asked.remedy = remedy(&told, self.path.is_none() && self.curl.is_none());
        let out = match self.json {
            true => json(&asked, &told).to_string(),
            false => text(&world, &asked, &told, in_colour()).trim_end().to_owned(),
        };
        let outcome = match told.verdict() {
            "allow" => Outcome::Ok,
            "deny" => Outcome::Invalid,
            _ => Outcome::Undecided,
        };
        Ok(if say(out) { outcome } else { Outcome::Undecided })
    }

    fn by_flags(&self, path: &str, policy: &Policy) -> Result<Described, String> {
        let body = self.body()?;
        let method = match (&self.method, &body) {
            (Some(method), _) => method.to_ascii_uppercase(),
            (None, Some(_)) => "POST".to_owned(),
            (None, None) => Described::usual_method(path).to_owned(),
        };
        let takes_body = matches!(method.as_str(), "POST" | "PUT");
        Ok(Described {
            body: body.unwrap_or(if takes_body { Body::Unknown } else { Body::Absent }),
            method,
            target: path.to_owned(),
            fields: self.headers.clone(),
            user: self.user.clone(),
            proof: Proof::Right,
            token: self.token()?,
            certificate: self.certificate(),
            peer: self.peer()?,
            announced: None,
            listener: listener(policy, self.listener.as_deref())?,
        })
    }

    fn by_curl(&self, line: &str, world: &World, now: SystemTime) -> Result<(Question, Asked), String> {
        let curl = Curl::read(line).map_err(|e| e.to_string())?;
        let body = match (self.body()?, &curl.data) {
            (Some(body), _) => body,
            (None, None) => Body::Absent,
            (None, Some(parts)) => data(parts)?,
        };
        let mut fields = curl.fields;
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            fields.push(("Host".to_owned(), curl.host));
        }
        let described = Described {
            method: curl.method,
            target: curl.target,
            fields,
            user: curl.user,
            proof: Proof::Right,
            token: self.token()?,
            certificate: self.certificate(),
            peer: self.peer()?,
            announced: None,
            listener: listener(&world.policy, self.listener.as_deref())?,
            body,
        };
        let (question, asked) = self.described(described, world, now);
        Ok((question, Asked { warnings: curl.warnings, ..asked }))
    }

    fn by_line(&self, world: &World, now: SystemTime) -> Result<(Question, Asked), String> {
        let mut input = String::new();
        std::io::stdin().take(1 << 20).read_to_string(&mut input).map_err(|e| format!("standard input: {e}"))?;
        let line = input.lines().map(str::trim).find(|line| !line.is_empty());
        let line = line.ok_or("describe a request by --path or --curl, or send a log line on standard input")?;
        let recorded = access_log::own(line).map_err(|e| format!("standard input: {e}"))?;
        let question = Question::of_line(&recorded, &world.policy, &"default".into(), now);
        let question = Question { now: self.at.unwrap_or(question.now), ..question };
        let request = format!("{} {}", recorded.method.as_str(), recorded.shown_target());
        let then = match &*recorded.then.reason {
            "" => format!("answered {} then", recorded.then.status),
            reason => format!("refused then: {reason}"),
        };
        Ok((question, Asked { request, context: format!("{}; {then}", recorded.context()), ..Asked::default() }))
    }

    fn described(&self, described: Described, world: &World, now: SystemTime) -> (Question, Asked) {
        let external = self.external_url.as_ref();
        let path = external.map(|url| url.prefix.clone()).unwrap_or_default();
        let web = Web {
            route_prefix: self.route_prefix.clone().unwrap_or(path),
            external_origin: external.map(|url| url.origin.clone()),
        };
        let user = match (&described.user, &described.token, &described.certificate) {
            (Some(user), ..) => format!("user {user:?}"),
            (None, Some(_), _) => "with a token".to_owned(),
            (None, None, Some(_)) => "with a certificate".to_owned(),
            (None, None, None) => "no user".to_owned(),
        };
        let asked = Asked {
            request: format!("{} {}", described.method, described.target),
            context: format!("from {} over {:?}, {user}", described.peer, described.listener),
            ..Asked::default()
        };
        (described.question(&world.policy, &web, now), asked)
    }

    fn peer(&self) -> Result<IpAddr, String> {
        self.from.ok_or_else(|| "from where? Name the client's address: --from ADDRESS".to_owned())
    }

    fn token(&self) -> Result<Option<Token>, String> {
        let Some(file) = &self.token_claims else { return Ok(None) };
        let json = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        Token::read(&json).map(Some).ok_or_else(|| format!("{}: expected the claims as a JSON object", file.display()))
    }

    fn certificate(&self) -> Option<Vec<San>> {
        Some(self.certificate.clone()).filter(|names| !names.is_empty())
    }

    fn body(&self) -> Result<Option<Body>, String> {
        let Some(file) = &self.body else { return Ok(None) };
        if file == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map_err(|e| format!("standard input: {e}"))?;
            return Ok(Some(Body::Bytes(bytes)));
        }
        std::fs::read(file).map(|bytes| Some(Body::Bytes(bytes))).map_err(|e| format!("{}: {e}", file.display()))
    }
}

/// What curl would send; standard input belongs to a pipe that is not there.
fn data(parts: &[Data]) -> Result<Body, String> {
    let read = |file: &String| std::fs::read(file).map_err(|e| format!("{file}: {e}; or give --body FILE"));
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            Data::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Data::File(file) => bytes.extend(read(file)?),
            Data::FlatFile(file) => bytes.extend(read(file)?.into_iter().filter(|b| !b"\r\n\0".contains(b))),
            Data::Stdin => return Ok(Body::Unknown),
        }
    }
    Ok(Body::Bytes(bytes))
}

/// How the one who asks can tell what is missing.
fn remedy(told: &Told, from_log: bool) -> String {
    match &told.end {
        End::Undecided(Missing::Sets(keys)) => {
            let key = keys.first().map_or("NAME", String::as_str);
            format!("give --state.dir DIR or --set {key}=CIDR")
        }
        End::Undecided(Missing::Token) if !from_log => "give --token-claims FILE".to_owned(),
        End::Undecided(Missing::Body) if !from_log => "give --body FILE".to_owned(),
        _ => String::new(),
    }
}

fn in_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
