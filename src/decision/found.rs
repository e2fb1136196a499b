//! What a check that passed says in a trail: the rule that let the request through, and what was found.

use super::ChargeEntry;
use crate::payload::Summary;
use crate::policy::{Admits, From, Grant, Operation, PayloadLimits, Principal, World};
use crate::request::{Head, Length, Target};
use std::net::IpAddr;
use std::sync::Arc;

type Found = (Option<Arc<str>>, String);

pub(super) fn source(world: &World, head: &Head, source: IpAddr, candidates: &[(usize, &Principal)]) -> Found {
    let names: Vec<&str> = candidates.iter().map(|(_, p)| &*p.name).collect();
    let by = candidates.iter().find_map(|(_, principal)| match &principal.from {
        From::Anywhere | From::Prefer(_) => None,
        From::Require(sources) => sources
            .iter()
            .find(|s| s.admits(source, &head.listener, &world.sets) == Admits::Yes)
            .map(|s| s.name.as_str()),
    });
    let place = by.map_or_else(|| "any address will do".to_owned(), |name| format!("it is in {name}"));
    (
        by.map(|name| format!("sources.{name}").into()),
        format!("{source} over {:?}: {place}, for {}", &*head.listener, names.join(", ")),
    )
}

pub(super) fn target(head: &Head, operation: Operation) -> Found {
    let what = match &head.target {
        Ok(Target::Group(key)) => {
            let labels: Vec<String> = key.labels().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let labels = if labels.is_empty() { String::new() } else { format!(", {{{}}}", labels.join(", ")) };
            format!("job {:?}{labels}", key.job())
        }
        Ok(Target::Read(page)) => page.upstream_path().to_owned(),
        Err(_) => String::new(),
    };
    (None, format!("{operation} {what}"))
}

pub(super) fn origin() -> Found {
    (None, "not sent by a browser for another site".to_owned())
}

pub(super) fn principal(principal: &Principal) -> Found {
    let how = if principal.anonymous { "needs no credential" } else { "the credential holds" };
    (Some(principal.name.clone()), format!("it is {}: {how}", principal.name))
}

pub(super) fn grant(grant: &Grant, operation: Operation) -> Found {
    (Some(grant.name.clone()), format!("{} covers {operation}", grant.name))
}

pub(super) fn declared_body(head: &Head, limits: &PayloadLimits) -> Found {
    let most = limits.max_bytes;
    let note = match head.length {
        Length::Absent | Length::Exact(0) => "no body".to_owned(),
        Length::Exact(bytes) => format!("{bytes} bytes of at most {most}"),
        Length::Chunked => format!("chunked, at most {most} bytes are taken"),
    };
    (None, note)
}

pub(super) fn no_quota() -> Found {
    (None, "no quota counts this".to_owned())
}

pub(super) fn quotas(entries: &[ChargeEntry]) -> Found {
    let names: Vec<&str> = entries.iter().map(|entry| &*entry.rule).collect();
    (None, format!("charged to {}", names.join(", ")))
}

pub(super) fn body(summary: &Summary, operation: Operation) -> Found {
    let note = match summary.series {
        0 if operation == Operation::Replace => "no sample: this replacement is a delete".to_owned(),
        series => format!("{series} series"),
    };
    (None, note)
}

pub(super) fn reserved() -> Found {
    (None, "it clashes with nothing that the gateway holds".to_owned())
}
