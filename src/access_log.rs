//! Lines of logs, read into requests: our own log, and those of proxies that people have before they have us.
//!
//! A line tells less than the request did. What it does not tell stays unknown and is never guessed at.

mod auto;
mod caddy;
mod combined;
mod own;

pub use auto::read_line;
pub use caddy::caddy;
pub use combined::combined;
pub use own::own;

use crate::policy::Policy;
use crate::request::{
    Certificate, Credential, Encoding, GroupingKey, Head, Length, Method, Origin, Read, San, Target, TargetError,
    Version,
};
use crate::secret::Secret;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// What a line tells of a request.
#[derive(Clone, Debug)]
pub struct Recorded<'l> {
    /// When.
    pub time: Option<SystemTime>,
    /// The method.
    pub method: Method,
    /// What it was about.
    pub target: Result<Target, TargetError>,
    /// The request target, where the line has it as it was sent.
    pub sent: Option<Cow<'l, str>>,
    /// The client.
    pub source: IpAddr,
    /// The listener, where the line names it.
    pub listener: Option<Cow<'l, str>>,
    /// Who it was.
    pub who: Who<'l>,
    /// Bytes of the body.
    pub bytes: Option<u64>,
    /// What became of it.
    pub then: Then<'l>,
}

/// What a line tells of the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who<'l> {
    /// A principal that had proven itself.
    Principal(Cow<'l, str>),
    /// A user name; whether the password was right is not told.
    User(Cow<'l, str>),
    /// A token that held, what the policy of then read of it, and its issuer by the name in that policy.
    Token {
        /// The issuer.
        issuer: Cow<'l, str>,
        /// The claims.
        claims: Map<String, Value>,
    },
    /// A client certificate that held: the names that it is issued for.
    Certificate(Vec<San>),
    /// No credential was sent.
    Nobody,
    /// A credential was sent, and it was wrong.
    Impostor,
    /// Not told.
    Unknown,
}

/// What a line tells of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Then<'l> {
    /// The status.
    pub status: u16,
    /// Our reason, where it is our line and a refusal.
    pub reason: Cow<'l, str>,
    /// The operation that it turned out to be, where it is our line.
    pub operation: Cow<'l, str>,
}

/// Why a line is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Another kind of line in the same log, such as one of a start.
    #[error("not a request")]
    OtherEvent,
    /// A request that was refused before any policy looked at it, with that reason.
    #[error("refused before the policy: {0}")]
    Settled(String),
    /// Not a line of this kind of log.
    #[error("{0}")]
    Form(&'static str),
}

impl Recorded<'_> {
    /// The head as far as the line tells it, for a policy and a listener where the line names none.
    pub fn head(&self, policy: &Policy, listener: &Arc<str>) -> Head {
        let listener = match &self.listener {
            Some(name) if **name != **listener => Arc::from(&**name),
            _ => listener.clone(),
        };
        Head {
            peer: self.source,
            listener,
            source: Ok(self.source),
            method: self.method,
            target: self.target.clone(),
            origin: Origin::Own,
            credential: Ok(self.credential(policy)),
            length: match self.bytes {
                Some(0) => Length::Absent,
                Some(bytes) => Length::Exact(bytes),
                None if matches!(self.method, Method::Post | Method::Put) => Length::Chunked,
                None => Length::Absent,
            },
            encoding: Encoding::Identity,
            content_type: None,
            expects_continue: false,
            accepts_json: false,
            version: Version::Http11,
            trace_id: None,
            passed: Vec::new(),
        }
    }

    /// From where and as whom.
    pub fn context(&self) -> String {
        let who = match &self.who {
            Who::Principal(name) => format!("principal {name:?}"),
            Who::User(name) => format!("user {name:?}"),
            Who::Token { issuer, .. } => format!("a token of {issuer:?}"),
            Who::Certificate(names) => {
                let names: Vec<String> = names.iter().map(San::to_string).collect();
                format!("the certificate of {}", names.join(", "))
            }
            Who::Nobody => "no credential".to_owned(),
            Who::Impostor => "a wrong credential".to_owned(),
            Who::Unknown => "it is not told whether with a credential".to_owned(),
        };
        format!("from {} over {:?}, {who}", self.source, self.listener.as_deref().unwrap_or("default"))
    }

    /// The path of the group or page.
    pub fn shown_target(&self) -> String {
        match &self.target {
            Ok(Target::Group(key)) => key.upstream_path(),
            Ok(Target::Read(page)) => page.upstream_path().to_owned(),
            Err(_) => self.sent.as_deref().unwrap_or("(no path that is served)").to_owned(),
        }
    }

    /// What the same client would send to that policy.
    fn credential(&self, policy: &Policy) -> Option<Credential> {
        let basic = |username: &str| {
            Some(Credential::Basic { username: username.to_owned(), password: Secret::new(Vec::new()) })
        };
        match &self.who {
            Who::Nobody | Who::Unknown => None,
            Who::User(name) => basic(name),
            Who::Token { .. } => Some(Credential::Bearer(Secret::new(Vec::new()))),
            Who::Certificate(names) => Some(Credential::Certificate(Arc::new(Certificate { names: names.clone() }))),
            Who::Impostor => basic("?"),
            Who::Principal(name) => {
                let Some(principal) = policy.principals.iter().find(|p| *p.name == **name) else { return basic("?") };
                principal.basic.as_ref().and_then(|known| basic(&known.username))
            }
        }
    }
}

/// The page that stands for an operation that only reads.
fn page(operation: &str) -> Option<Read> {
    Some(match operation {
        "scrape" => Read::Metrics,
        "inspect" => Read::ApiMetrics,
        "ui" => Read::Home,
        "probe" => Read::Healthy,
        _ => return None,
    })
}

fn group(job: &str, labels: Vec<(String, String)>) -> Result<Target, TargetError> {
    Ok(Target::Group(GroupingKey::new(job, labels)?))
}

fn method(name: &str) -> Option<Method> {
    Some(match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
