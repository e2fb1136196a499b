//! A request of a test file, part by part: its own words, then those of its test, then those of the file.

use super::reader::{Map, Node, Reader};
use crate::dry_run::{Body, Described, Proof, Token};
use crate::request::San;
use std::net::IpAddr;
use std::path::Path;

/// What is said of a request. What is said to be nothing (`user: ~`) is said.
#[derive(Clone, Default)]
pub(super) struct Given {
    method: Option<String>,
    path: Option<String>,
    from: Option<IpAddr>,
    listener: Option<String>,
    user: Option<Option<String>>,
    proof: Option<Proof>,
    token: Option<Option<Token>>,
    certificate: Option<Option<Vec<San>>>,
    headers: Option<Vec<(String, String)>>,
    body: Option<Body>,
}

impl Given {
    /// Reads a mapping that holds nothing else.
    pub(super) fn of(reader: &mut Reader, node: &Node<'_>, folder: &Path, test: &str) -> Self {
        let Some(mut map) = reader.map(node) else { return Self::default() };
        let given = Self::take(reader, &mut map, folder, test);
        map.finish(reader);
        given
    }

    /// Takes what a mapping says of a request.
    pub(super) fn take(reader: &mut Reader, map: &mut Map<'_>, folder: &Path, test: &str) -> Self {
        let (method, path, from) = (map.take("method"), map.take("path"), map.take("from"));
        let (listener, user, password) = (map.take("listener"), map.take("user"), map.take("password"));
        let (token, certificate) = (map.take("token"), map.take("certificate"));
        let (headers, body, body_file) = (map.take("headers"), map.take("body"), map.take("body_file"));
        if let (Some(_), Some(file)) = (&body, &body_file) {
            reader.problem(&file.path, "body and body_file exclude each other");
        }
        Self {
            method: method.and_then(|node| reader.text(&node)),
            path: path.and_then(|node| reader.text(&node)),
            from: from.and_then(|node| address(reader, &node)),
            listener: listener.and_then(|node| reader.text(&node)),
            user: user.map(|node| if node.value.is_null() { None } else { reader.text(&node) }),
            proof: password.and_then(|node| {
                let text = reader.text(&node)?;
                reader.one_of(&node.path, "password", &text, &[("right", Proof::Right), ("wrong", Proof::Wrong)])
            }),
            token: token.map(|node| if node.value.is_null() { None } else { self::token(reader, &node) }),
            certificate: certificate
                .map(|node| if node.value.is_null() { None } else { self::certificate(reader, &node) }),
            headers: headers.map(|node| self::headers(reader, &node)),
            body: match (body, body_file) {
                (Some(node), _) if node.value.is_null() => Some(Body::Absent),
                (Some(node), _) => reader.text(&node).map(|text| Body::Bytes(text.into_bytes())),
                (None, Some(node)) => file(reader, &node, folder, test),
                (None, None) => None,
            },
        }
    }

    /// What the one does not say, the other says.
    pub(super) fn or(self, other: Self) -> Self {
        // A request has one credential: who says one of them takes back the other.
        let says_who = self.user.is_some() || self.token.is_some() || self.certificate.is_some();
        let who = if says_who { &self } else { &other };
        let (user, token, certificate) = (who.user.clone(), who.token.clone(), who.certificate.clone());
        Self {
            method: self.method.or(other.method),
            path: self.path.or(other.path),
            from: self.from.or(other.from),
            listener: self.listener.or(other.listener),
            user,
            proof: self.proof.or(other.proof),
            token,
            certificate,
            headers: self.headers.or(other.headers),
            body: self.body.or(other.body),
        }
    }

    /// The request, where enough is said.
    pub(super) fn request(self, reader: &mut Reader, node: &Node<'_>) -> Option<Described> {
        let missing = |reader: &mut Reader, key: &str| {
            reader.problem(&node.path, format!("{key} is missing, here and in the defaults"));
        };
        if self.path.is_none() {
            missing(reader, "path");
        }
        if self.from.is_none() {
            missing(reader, "from");
        }
        let (target, peer) = (self.path?, self.from?);
        let method = self.method.unwrap_or_else(|| Described::usual_method(&target).to_owned());
        // A body of the defaults is for those that take one.
        let takes_body = matches!(method.as_str(), "POST" | "PUT");
        Some(Described {
            body: self.body.filter(|_| takes_body).unwrap_or(Body::Absent),
            method,
            target,
            fields: self.headers.unwrap_or_default(),
            user: self.user.flatten(),
            proof: self.proof.unwrap_or(Proof::Right),
            token: self.token.flatten(),
            certificate: self.certificate.flatten(),
            peer,
            announced: None,
            listener: self.listener.unwrap_or_else(|| "default".to_owned()),
        })
    }
}

fn address(reader: &mut Reader, node: &Node<'_>) -> Option<IpAddr> {
    let text = reader.text(node)?;
    let address = text.parse().ok();
    if address.is_none() {
        reader.problem(&node.path, format!("{text:?} is not an address"));
    }
    address
}

/// The claims of a token. Those that say for whom and for how long it is good may be left out.
fn token(reader: &mut Reader, node: &Node<'_>) -> Option<Token> {
    reader.map(node)?;
    let token = serde_json::to_vec(node.value).ok().and_then(|json| Token::read(&json));
    if token.is_none() {
        reader.problem(&node.path, "these are no claims of a token");
    }
    token
}

/// The names in a client's certificate: one, or a list.
fn certificate(reader: &mut Reader, node: &Node<'_>) -> Option<Vec<San>> {
    let texts = match node.value {
        serde_yaml::Value::Sequence(_) => reader.texts(node)?,
        _ => vec![(node.path.clone(), reader.text(node)?)],
    };
    let names = texts.iter().map(|(path, text)| San::read(text).map_err(|e| reader.problem(path, e.to_string())).ok());
    names.collect()
}

fn headers(reader: &mut Reader, node: &Node<'_>) -> Vec<(String, String)> {
    let entries = reader.map(node).map(Map::rest).unwrap_or_default();
    entries.into_iter().filter_map(|(name, node)| Some((name, reader.text(&node)?))).collect()
}

fn file(reader: &mut Reader, node: &Node<'_>, folder: &Path, test: &str) -> Option<Body> {
    let name = folder.join(reader.text(node)?);
    match std::fs::read(&name) {
        Ok(bytes) => Some(Body::Bytes(bytes)),
        Err(error) => {
            reader.problem(&node.path, format!("{}: {error}; wanted by {test:?}", name.display()));
            None
        }
    }
}
