//! The document as a whole.

use super::grants::Braces;
use super::lists::Files;
use super::load::Secrets;
use super::mode::mode;
use super::network::{self, NamedSource};
use super::reader::{Node, Reader};
use super::{decoys, issuers, payload, principals, quotas, tokens, ttl};
use crate::policy::{Issuer, Listener, PayloadLimits, Policy, QuotaRule, Ranges};
use crate::ranges::feed::Wanted;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What a principal is compiled against.
pub(super) struct Surroundings<'a> {
    pub(super) folder: &'a Path,
    pub(super) secrets: Secrets,
    pub(super) sources: &'a BTreeMap<String, NamedSource>,
    pub(super) issuers: &'a BTreeMap<Arc<str>, Arc<Issuer>>,
    pub(super) default_quotas: Option<&'a Vec<QuotaRule>>,
    pub(super) default_payload: PayloadLimits,
}

/// Compiles a document. Whatever comes back is only good where the reader noted no problem.
pub(super) fn compile(
    reader: &mut Reader,
    document: &Value,
    folder: &Path,
    secrets: Secrets,
    random: &mut dyn FnMut() -> [u8; 48],
) -> Policy {
    let root = Node { value: document, path: String::new() };
    let Some(mut map) = reader.map(&root) else { return Policy::default() };
    let (version, listeners, sources) = (map.take("version"), map.take("listeners"), map.take("sources"));
    let (issuers, principals) = (map.take("issuers"), map.take("principals"));
    let (defaults, shared) = (map.take("defaults"), map.take("quotas"));
    let mode = mode(reader, &mut map);
    let ttl = map.take("ttl");
    map.finish(reader);
    self::version(reader, version);
    let listeners = listeners.map(|node| network::listeners(reader, &node));
    let sources = sources
        .map(|node| network::sources(reader, &node, listeners.as_ref(), Files { folder, secrets }))
        .unwrap_or_default();
    let issuers = issuers.map(|node| issuers::issuers(reader, &node, folder, secrets)).unwrap_or_default();
    let (default_quotas, default_payload) = self::defaults(reader, defaults);
    let around = Surroundings {
        folder,
        secrets,
        sources: &sources,
        issuers: &issuers,
        default_quotas: default_quotas.as_ref(),
        default_payload: default_payload.clone(),
    };
    let mut principals = match principals {
        Some(node) => principals::principals(reader, &node, &around),
        None => {
            reader.problem("", "principals is missing; a policy that denies everything says principals: {}");
            Vec::new()
        }
    };
    let shared_quotas = shared.map(|node| quotas::quotas(reader, &node, "", Braces::Nothing)).unwrap_or_default();
    let ttl = ttl.map(|node| ttl::ttl(reader, &node)).unwrap_or_default();
    let named_listeners = named_listeners(listeners.as_ref(), &sources);
    let ranges = ranges(reader, &sources);
    let decoy = decoys::fill(reader, &mut principals, random);
    let listeners = listeners.unwrap_or_default();
    let read_claims = tokens::read_claims(&issuers, &principals);
    Policy {
        listeners,
        principals,
        issuers,
        read_claims,
        shared_quotas,
        ranges,
        decoy,
        mode,
        default_payload,
        named_listeners,
        ttl,
    }
}

fn version(reader: &mut Reader, node: Option<Node<'_>>) {
    match node {
        None => reader.problem("", "version is missing; begin the file with version: 1"),
        Some(node) if node.value.as_u64() == Some(1) => {}
        Some(node) => reader.problem(&node.path, "this program reads version 1"),
    }
}

fn defaults(reader: &mut Reader, node: Option<Node<'_>>) -> (Option<Vec<QuotaRule>>, PayloadLimits) {
    let built_in = PayloadLimits::default();
    let Some(mut map) = node.and_then(|node| reader.map(&node)) else { return (None, built_in) };
    let (rules, limits) = (map.take("quotas"), map.take("payload"));
    map.finish(reader);
    let rules = rules.map(|node| quotas::quotas(reader, &node, "defaults.", Braces::Nothing));
    let limits = match limits {
        Some(node) => payload::payload(reader, &node, &built_in, Braces::Nothing),
        None => built_in,
    };
    (rules, limits)
}

/// All lists from elsewhere. One key of GitHub is one set, whoever names it.
fn ranges(reader: &mut Reader, sources: &BTreeMap<String, NamedSource>) -> Ranges {
    let mut github = BTreeMap::<String, Wanted>::new();
    for named in sources.values() {
        for wanted in &named.lists.github {
            let known = github.entry(wanted.name.clone()).or_insert_with(|| wanted.clone());
            if known.allow_private != wanted.allow_private {
                let message =
                    format!("another source takes {} with another allow_private; they share the list", wanted.name);
                reader.problem(&named.path, message);
            }
        }
    }
    let feeds = sources.values().filter_map(|named| named.lists.feed.clone()).collect();
    Ranges { github: github.into_values().collect(), feeds }
}

fn named_listeners(
    listeners: Option<&BTreeMap<String, Listener>>,
    sources: &BTreeMap<String, NamedSource>,
) -> BTreeMap<String, String> {
    let of_sources = sources.values().flat_map(|s| {
        let names = s.source.listeners.iter().flatten();
        names.map(|name| (name.clone(), format!("{}.listeners", s.path)))
    });
    let own = listeners.into_iter().flat_map(BTreeMap::keys).map(|name| (name.clone(), format!("listeners.{name}")));
    of_sources.chain(own).collect()
}
