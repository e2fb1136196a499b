//! `principals`.

use super::compile::Surroundings;
use super::grants::Braces;
use super::load::Secrets;
use super::mode::mode;
use super::network::NamedSource;
use super::reader::{Node, Reader, suggestion};
use super::{certificates, grants, payload, quotas, secrets, tokens};
use crate::auth::token::ClaimPath;
use crate::policy::{Basic, From, Principal, Source, TokenRule};
use crate::request::TOKEN_USER;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All principals, in file order.
pub(super) fn principals(reader: &mut Reader, node: &Node<'_>, around: &Surroundings<'_>) -> Vec<Principal> {
    let (mut principals, mut usernames) = (Vec::new(), Vec::<(&str, String)>::new());
    for (name, node) in reader.map(node).map(|m| m.rest()).unwrap_or_default() {
        reader.name(&node.path, &name);
        if name == "none" {
            reader.problem(&node.path, "\"none\" stands for no principal in logs and metrics; choose another name");
        }
        // Before anything else can be wrong with the principal, so that this is told along with it.
        if let Some(username) = username(&node) {
            match usernames.iter().find(|(taken, _)| *taken == username) {
                Some((_, twin)) => {
                    let message = format!("the user name {username:?} is taken by {twin}");
                    reader.problem(&format!("{}.basic.username", node.path), message);
                }
                None => usernames.push((username, name.clone())),
            }
        }
        principals.extend(principal(reader, &name, &node, around));
    }
    principals
}

fn username<'v>(principal: &Node<'v>) -> Option<&'v str> {
    principal.value.get("basic")?.get("username")?.as_str()
}

fn principal(reader: &mut Reader, name: &str, node: &Node<'_>, around: &Surroundings<'_>) -> Option<Principal> {
    let mut map = reader.map(node)?;
    let (basic, token, certificate) = (map.take("basic"), map.take("token"), map.take("certificate"));
    let (anonymous, from) = (map.take("anonymous"), map.take("from"));
    let (granted, quota, payload) = (map.take("grants"), map.take("quotas"), map.take("payload"));
    map.finish(reader);
    let proof = Proof { password: basic.is_some(), token: token.is_some(), certificate: certificate.is_some() };
    let basic = basic.and_then(|node| self::basic(reader, &node, around));
    let anonymous = anonymous.and_then(|node| reader.boolean(&node)).unwrap_or(false);
    if !proof.is_any() && !anonymous {
        let needs = "a principal needs basic: { username, password_hash_file }, token: { issuer, claims }, \
                     certificate: { san } or anonymous: true";
        reader.problem(&node.path, needs);
    }
    if proof.is_any() && anonymous {
        reader.problem(&node.path, "a credential and anonymous: true exclude each other; make two principals");
    }
    let token = token.map(|node| tokens::rule(reader, &node, around.issuers));
    let certificate = certificate.map(|node| certificates::rule(reader, &node));
    let braces = if proof.token { Braces::Claims } else { Braces::Nothing };
    let Some(granted) = granted else {
        reader.problem(&node.path, "grants is missing; without one the principal may do nothing");
        return None;
    };
    let grants = grants::grants(reader, &granted, name, braces);
    let from = from_sources(reader, node, from, (anonymous, proof), around.sources)?;
    let own = quota.map(|node| quotas::quotas(reader, &node, &format!("{name}."), braces));
    let quotas = quotas::effective(own.as_ref(), around.default_quotas, None);
    let payload = match payload {
        Some(node) => payload::payload(reader, &node, &around.default_payload, braces),
        None => around.default_payload.clone(),
    };
    let token = match token {
        Some(rule) => {
            let tokens::Rule { issuer, mode, conditions } = rule?;
            let counted = ClaimPath::read(issuer.preset.counted()).ok();
            let quotas = quotas::effective(own.as_ref(), around.default_quotas, counted.as_ref());
            Some(TokenRule { issuer, mode, conditions, quotas })
        }
        None => None,
    };
    let certificate = match certificate {
        Some(rule) => Some(rule?),
        None => None,
    };
    Some(Principal { name: Arc::from(name), basic, token, certificate, anonymous, from, grants, quotas, payload })
}

/// How a principal proves itself.
#[derive(Clone, Copy)]
struct Proof {
    password: bool,
    token: bool,
    certificate: bool,
}

impl Proof {
    fn is_any(self) -> bool {
        self.password || self.token || self.certificate
    }
}

fn basic(reader: &mut Reader, node: &Node<'_>, around: &Surroundings<'_>) -> Option<Basic> {
    let mut map = reader.map(node)?;
    let (username, file) = (map.take("username"), map.take("password_hash_file"));
    let file_path = format!("{}.password_hash_file", node.path);
    for key in ["password", "password_hash"] {
        if let Some(found) = map.take(key) {
            let message = "a policy holds no passwords or hashes: run pushguard hash, write the line to a file, and \
                           name it as password_hash_file";
            reader.problem(&found.path, message);
        }
    }
    let mode = mode(reader, &mut map);
    map.finish(reader);
    if username.is_none() {
        reader.problem(&node.path, "username is missing");
    }
    if file.is_none() {
        reader.problem(&node.path, "password_hash_file is missing; make the file with pushguard hash");
    }
    let username = username.and_then(|node| {
        let username = reader.text(&node)?;
        if username.is_empty() || username.contains(':') || username.chars().any(char::is_control) {
            reader.problem(&node.path, "a user name is not empty and has no colon and no control characters");
        }
        if username == TOKEN_USER {
            let reserved = format!("the user name {TOKEN_USER:?} is reserved: its password is a token");
            reader.problem(&node.path, reserved);
        }
        Some(username)
    });
    let mut hashes = file.map(|node| secrets::hashes(reader, &node, around.folder, around.secrets)).unwrap_or_default();
    /// Each costs every login a hash.
    const MOST_HASHES: usize = 4;
    if hashes.len() > MOST_HASHES {
        reader.problem(&file_path, format!("at most {MOST_HASHES} hashes; every login would compute all of them"));
        hashes.truncate(MOST_HASHES);
    }
    let secrets_are_there = !hashes.is_empty() || around.secrets == Secrets::Optional;
    secrets_are_there.then_some(())?;
    Some(Basic { username: username?, mode, hashes: hashes.into() })
}

fn from_sources(
    reader: &mut Reader,
    principal: &Node<'_>,
    node: Option<Node<'_>>,
    (anonymous, proof): (bool, Proof),
    sources: &BTreeMap<String, NamedSource>,
) -> Option<From> {
    const HELP: &str = "write from: { require: [SOURCE] }, or from: anywhere";
    let Some(node) = node else {
        reader.problem(&principal.path, format!("from is missing; {HELP}"));
        return None;
    };
    if let serde_yaml::Value::String(text) = node.value {
        if text == "anywhere" {
            return Some(From::Anywhere);
        }
        reader.problem(&node.path, format!("unknown word {text:?}; {HELP}"));
        return None;
    }
    let mut map = reader.map(&node)?;
    let (require, prefer) = (map.take("require"), map.take("prefer"));
    map.finish(reader);
    match (require, prefer) {
        (Some(_), Some(prefer)) => {
            reader.problem(&prefer.path, "require and prefer exclude each other; what is required is preferred too");
            None
        }
        (None, Some(prefer)) => {
            if !proof.token || proof.password || proof.certificate || anonymous {
                let message = "prefer is for principals that prove themselves by a token alone; write require";
                reader.problem(&prefer.path, message);
                return None;
            }
            named_sources(reader, &prefer, anonymous, sources).map(From::Prefer)
        }
        (Some(require), None) => named_sources(reader, &require, anonymous, sources).map(From::Require),
        (None, None) => {
            reader.problem(&node.path, HELP);
            None
        }
    }
}

fn named_sources(
    reader: &mut Reader,
    node: &Node<'_>,
    anonymous: bool,
    sources: &BTreeMap<String, NamedSource>,
) -> Option<Vec<Arc<Source>>> {
    let mut named = Vec::new();
    for (path, name) in reader.texts(node)? {
        match sources.get(&name) {
            None => {
                let names: Vec<&str> = sources.keys().map(String::as_str).collect();
                reader.problem(&path, format!("unknown source {name:?}{}", suggestion(&name, &names)));
            }
            Some(found) => {
                if anonymous && found.private && found.source.listeners.is_none() {
                    let message = format!(
                        "{} holds private addresses, and behind an ingress every client seems to have one: name the \
                         listeners that the source holds for, so that an anonymous principal is only met there",
                        found.path
                    );
                    reader.problem(&path, message);
                }
                if anonymous && found.lists.published() {
                    let message = format!(
                        "nobody proves who they are: the published list of {} is the only control, and whoever gets one \
                         of its addresses has these grants; add a credential",
                        found.path
                    );
                    reader.warn(&path, message);
                }
                named.push(found.source.clone());
            }
        }
    }
    Some(named)
}
