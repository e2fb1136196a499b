//! `token`: which tokens prove a principal.

use super::mode::mode;
use super::reader::{Node, Reader, suggestion};
use super::trust;
use crate::auth::token::ClaimPath;
use crate::policy::{ClaimGlob, Condition, GroupsPer, Issuer, Mode, Per, Principal};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a principal's `token` says.
pub(super) struct Rule {
    pub(super) issuer: Arc<Issuer>,
    pub(super) mode: Mode,
    pub(super) conditions: Vec<Condition>,
}

pub(super) fn rule(reader: &mut Reader, node: &Node<'_>, issuers: &BTreeMap<Arc<str>, Arc<Issuer>>) -> Option<Rule> {
    let mut map = reader.map(node)?;
    let (issuer, claims, accepted) = (map.take("issuer"), map.take("claims"), map.take(trust::ACCEPT));
    let mode = mode(reader, &mut map);
    map.finish(reader);
    if issuer.is_none() {
        reader.problem(&node.path, "issuer is missing; name one of issuers");
    }
    let issuer = issuer.and_then(|node| self::issuer(reader, &node, issuers));
    let Some(claims) = claims else {
        reader.problem(&node.path, "claims is missing; without a condition every token of the issuer would do");
        return None;
    };
    let conditions = conditions(reader, &claims, issuer.as_deref());
    let accepted = accepted.map(|node| (reader.boolean(&node).unwrap_or(false), node.path));
    let issuer = issuer?;
    if conditions.is_empty() {
        reader.problem(&claims.path, "claims is empty; without a condition every token of the issuer would do");
    } else {
        trust::check(reader, &claims.path, &issuer, &conditions, accepted);
    }
    Some(Rule { issuer, mode, conditions })
}

fn issuer(reader: &mut Reader, node: &Node<'_>, issuers: &BTreeMap<Arc<str>, Arc<Issuer>>) -> Option<Arc<Issuer>> {
    let name = reader.text(node)?;
    let found = issuers.get(name.as_str()).cloned();
    if found.is_none() {
        let names: Vec<&str> = issuers.keys().map(|name| &**name).collect();
        reader.problem(&node.path, format!("unknown issuer {name:?}{}", suggestion(&name, &names)));
    }
    found
}

fn conditions(reader: &mut Reader, node: &Node<'_>, issuer: Option<&Issuer>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (name, node) in reader.map(node).map(|m| m.rest()).unwrap_or_default() {
        let claim = match ClaimPath::read(&name) {
            Ok(claim) => claim,
            Err(error) => {
                reader.problem(&node.path, error.to_string());
                continue;
            }
        };
        let texts = match node.value {
            serde_yaml::Value::Sequence(_) => reader.texts(&node).unwrap_or_default(),
            _ => reader.text(&node).map(|text| vec![(node.path.clone(), text)]).unwrap_or_default(),
        };
        let ignores_case = issuer.is_some_and(|issuer| issuer.preset.ignores_case(&name));
        let glob = |(path, text): &(String, String)| {
            ClaimGlob::read(text, ignores_case).map_err(|error| reader.problem(path, error.to_string())).ok()
        };
        let values: Vec<ClaimGlob> = texts.iter().filter_map(glob).collect();
        if !values.is_empty() {
            conditions.push(Condition { claim, values });
        }
    }
    conditions
}

/// Every claim that decides something: in conditions, patterns and quotas, and those that tell whose token it is.
pub(super) fn read_claims(
    issuers: &BTreeMap<Arc<str>, Arc<Issuer>>,
    principals: &[Principal],
) -> BTreeMap<Arc<str>, Vec<ClaimPath>> {
    let of = |(name, issuer): (&Arc<str>, &Arc<Issuer>)| {
        let always = ["sub", "jti"].iter().chain(issuer.preset.shown()).filter_map(|name| ClaimPath::read(name).ok());
        let mut claims: Vec<ClaimPath> = always.collect();
        for principal in principals {
            let Some(rule) = principal.token.as_ref().filter(|rule| rule.issuer.token.name == *name) else { continue };
            claims.extend(rule.conditions.iter().map(|condition| condition.claim.clone()));
            let of_grants =
                principal.grants.iter().flat_map(|g| g.jobs.iter().chain(g.labels.iter().map(|l| &l.value)));
            let of_bodies = principal.payload.rules.metrics.iter().flat_map(|list| list.iter());
            let of_bodies = of_bodies.chain(principal.payload.rules.labels.iter().map(|l| &l.value));
            let patterns = of_grants.chain(of_bodies);
            claims.extend(patterns.flat_map(|pattern| pattern.claims().cloned()));
            claims.extend(rule.quotas.iter().filter_map(|rule| match &rule.per {
                Per::Claim(claim) | Per::Each(claim, _) => Some(claim.clone()),
                _ => None,
            }));
            if let GroupsPer::Claim(claim) = &principal.payload.groups_per {
                claims.push(claim.clone());
            }
        }
        claims.sort();
        claims.dedup();
        (name.clone(), claims)
    };
    issuers.iter().map(of).collect()
}
