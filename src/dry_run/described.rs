//! A request as a person describes it, made into the bytes that a client would send.

use super::{Proof, Question, Token};
use crate::decision::Denial;
use crate::policy::Policy;
use crate::request::{Certificate, Head, RawHead, San, Web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// The body of an imagined request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// There may be one.
    Unknown,
    /// There is none.
    Absent,
    /// This one.
    Bytes(Vec<u8>),
}

/// A request in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The method, as it is sent.
    pub method: String,
    /// The request target, as it is sent.
    pub target: String,
    /// Header fields, in order; those that a client adds by itself are added where they are missing.
    pub fields: Vec<(String, String)>,
    /// The user name of basic authentication.
    pub user: Option<String>,
    /// Whether the password that goes with it is right.
    pub proof: Proof,
    /// What the token says that is sent instead.
    pub token: Option<Token>,
    /// Whom the certificate of the connection's client names; none where it has shown none.
    pub certificate: Option<Vec<San>>,
    /// The remote end of the connection.
    pub peer: IpAddr,
    /// What the PROXY protocol says.
    pub announced: Option<IpAddr>,
    /// The listener.
    pub listener: String,
    /// The body.
    pub body: Body,
}

impl Described {
    /// The method that a client uses for a path where nothing else is said.
    pub fn usual_method(target: &str) -> &'static str {
        if target.contains("/metrics/job") { "POST" } else { "GET" }
    }

    /// The question that it puts, at that time, to a policy with these listeners.
    pub fn question(&self, policy: &Policy, web: &Web, now: SystemTime) -> Question {
        let head = RawHead::read(&self.head("")).map_err(|error| Denial::of_head(&error)).map(|raw| {
            let peer = policy.listener(&self.listener).peer(self.peer, self.announced);
            let certificate = self.certificate.clone().map(|names| Arc::new(Certificate { names }));
            Head::read(&raw, &peer, self.listener.as_str().into(), web).over(certificate.as_ref())
        });
        Question { head, proof: self.proof, token: self.token.clone(), body: self.body.clone(), now }
    }

    /// The head on the wire, with that password.
    pub fn head(&self, password: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in self.fields.iter().chain(&self.added(password)) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    fn added(&self, password: &str) -> Vec<(String, String)> {
        let has = |name: &str| self.fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let mut added = Vec::new();
        let mut add = |name: &str, value: String| added.push((name.to_owned(), value));
        if !has("Host") {
            add("Host", "pushguard".to_owned());
        }
        if let Some(user) = &self.user {
            add("Authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        }
        if self.token.is_some() {
            add("Authorization", "Bearer imagined".to_owned());
        }
        if !has("Content-Length") && !has("Transfer-Encoding") {
            match &self.body {
                Body::Absent => {}
                // A length that is not known is one that the head does not tell.
                Body::Unknown => add("Transfer-Encoding", "chunked".to_owned()),
                Body::Bytes(bytes) => add("Content-Length", bytes.len().to_string()),
            }
        }
        added
    }
}
