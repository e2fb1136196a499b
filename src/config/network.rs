//! `listeners` and `sources`.

use super::lists::{Entries, Files, Lists};
use super::mode::mode;
use super::reader::{Node, Reader, suggestion};
use crate::policy::{Listener, Source, meets_private};
use crate::prefix_set::PrefixSet;
use crate::request::ClientFrom;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// A compiled source and what else is known of it.
#[derive(Debug)]
pub(super) struct NamedSource {
    pub(super) source: Arc<Source>,
    pub(super) path: String,
    /// Whether it holds private addresses, which everything behind an ingress seems to come from.
    pub(super) private: bool,
    /// What it takes from elsewhere.
    pub(super) lists: Lists,
}

pub(super) fn listeners(reader: &mut Reader, node: &Node<'_>) -> BTreeMap<String, Listener> {
    let mut listeners = BTreeMap::new();
    for (name, node) in reader.map(node).map(|m| m.rest()).unwrap_or_default() {
        reader.name(&node.path, &name);
        let Some(mut map) = reader.map(&node) else { continue };
        let (trusted, client_from) = (map.take("trusted_proxies"), map.take("client_from"));
        map.finish(reader);
        let trusted = trusted.map(|node| prefixes(reader, &node, "name the addresses of your proxies"));
        let trusted_proxies = PrefixSet::from_prefixes(trusted.unwrap_or_default());
        let client_from = client_from.and_then(|node| self::client_from(reader, &node, &trusted_proxies));
        listeners.insert(name, Listener { trusted_proxies, client_from: client_from.unwrap_or_default() });
    }
    listeners
}

fn client_from(reader: &mut Reader, node: &Node<'_>, trusted: &PrefixSet) -> Option<ClientFrom> {
    let text = reader.text(node)?;
    if trusted.is_empty() {
        reader.problem(&node.path, "only trusted proxies name clients; name them as trusted_proxies");
    }
    reader.one_of(&node.path, "way to name clients", &text, &ClientFrom::ALL)
}

pub(super) fn sources(
    reader: &mut Reader,
    node: &Node<'_>,
    listeners: Option<&BTreeMap<String, Listener>>,
    files: Files<'_>,
) -> BTreeMap<String, NamedSource> {
    let mut sources = BTreeMap::new();
    for (name, node) in reader.map(node).map(|m| m.rest()).unwrap_or_default() {
        reader.name(&node.path, &name);
        if let Some(source) = source(reader, &name, &node, (listeners, files)) {
            sources.insert(name, source);
        }
    }
    sources
}

fn source(
    reader: &mut Reader,
    name: &str,
    node: &Node<'_>,
    (known, files): (Option<&BTreeMap<String, Listener>>, Files<'_>),
) -> Option<NamedSource> {
    const ANYWHERE: &str = "to admit every address, write from: anywhere in the principal";
    let mut map = reader.map(node)?;
    let (cidrs, extra, except, listeners) =
        (map.take("cidrs"), map.take("extra"), map.take("except"), map.take("listeners"));
    let entries = Entries::take(&mut map);
    let mode = mode(reader, &mut map);
    map.finish(reader);
    let fetches = entries.any();
    if cidrs.is_none() && !fetches {
        reader.problem(&node.path, "a source needs cidrs: [...], github: [actions], url: or file:");
    }
    if let (Some(extra), false) = (&extra, fetches) {
        reader.problem(&extra.path, "extra adds to a list from elsewhere; without one write cidrs:");
    }
    let lists = entries.read(reader, name, &node.path, files);
    let mut nets = Vec::new();
    for node in [cidrs, extra].into_iter().flatten() {
        nets.extend(prefixes(reader, &node, ANYWHERE));
    }
    let except = except.map(|node| prefixes(reader, &node, "leave the source out")).unwrap_or_default();
    let listeners = listeners.and_then(|node| reader.texts(&node)).map(|names| {
        for (path, name) in &names {
            check_listener(reader, path, name, known);
        }
        names.into_iter().map(|(_, name)| name).collect::<BTreeSet<_>>()
    });
    let prefixes = PrefixSet::from_prefixes(nets.iter().copied());
    if prefixes.coverage().0 == 1 << 32 {
        reader.problem(&node.path, format!("together these are every IPv4 address; {ANYWHERE}"));
    }
    let private = nets.iter().any(meets_private) || lists.private();
    let source = Source {
        name: name.to_owned(),
        mode,
        prefixes,
        except: PrefixSet::from_prefixes(except),
        sets: lists.sets(),
        listeners,
    };
    Some(NamedSource { source: Arc::new(source), path: node.path.clone(), private, lists })
}

fn check_listener(reader: &mut Reader, path: &str, name: &str, known: Option<&BTreeMap<String, Listener>>) {
    reader.name(path, name);
    let Some(known) = known else { return };
    if !known.contains_key(name) {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        reader.problem(path, format!("unknown listener {name:?}{}", suggestion(name, &names)));
    }
}

/// Prefixes, each whole and none of them everybody.
fn prefixes(reader: &mut Reader, node: &Node<'_>, everybody: &str) -> Vec<IpNet> {
    let mut nets = Vec::new();
    for (path, text) in reader.texts(node).unwrap_or_default() {
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match net {
            None => reader.problem(&path, format!("{text:?} is not an address or prefix such as 10.0.0.0/8")),
            Some(IpNet::V6(net)) if net.network().to_ipv4_mapped().is_some() => {
                reader.problem(&path, format!("{text} is an IPv4 range in IPv6 spelling; write the IPv4 range"));
            }
            Some(net) if net.prefix_len() == 0 => reader.problem(&path, format!("{text} is everybody; {everybody}")),
            Some(net) if net.addr() != net.network() => {
                reader.problem(&path, format!("{text} has bits behind its length; write {}", net.trunc()));
            }
            Some(net) => nets.push(net),
        }
    }
    nets
}
