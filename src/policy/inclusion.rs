//! What is inside of what: rules that never decide, because an earlier one always does.

use super::{ClaimGlob, Condition, From, Grant, Mode, NamedSets, Operation, Pattern, Principal, Source, TokenRule};
use crate::prefix_set::PrefixSet;

impl Grant {
    /// Whether every request of that operation which `other` covers is covered by this grant as well, whoever asks.
    pub fn includes(&self, other: &Self, operation: Operation) -> bool {
        let any_covers = |pattern: &Pattern| self.jobs.iter().any(|job| job.covers(pattern));
        self.operations.contains(operation)
            && (!operation.writes() || (other.jobs.iter().all(any_covers) && self.labels_include(other)))
    }

    fn labels_include(&self, other: &Self) -> bool {
        let of = |grant: &Self, name: &str| grant.labels.iter().position(|rule| rule.name == name);
        let own = |name: &str| {
            let named = of(self, name).and_then(|place| self.labels.get(place));
            named.map(|rule| &rule.value).or(self.further.as_ref())
        };
        // What this one demands the other demands too.
        let demanded = self.labels.iter().filter(|rule| !rule.optional);
        let demanded_there = |name: &str| other.labels.iter().any(|rule| rule.name == name && !rule.optional);
        // A further label of the other may have any name that it does not name itself, also one that this one names.
        let open = |further: &Pattern| {
            let named = self.labels.iter().filter(|rule| of(other, &rule.name).is_none());
            let rest = self.further.as_ref().is_some_and(|pattern| pattern.covers(further));
            rest && named.into_iter().all(|rule| rule.value.covers(further))
        };
        demanded.into_iter().all(|rule| demanded_there(&rule.name))
            && other.labels.iter().all(|rule| own(&rule.name).is_some_and(|pattern| pattern.covers(&rule.value)))
            && other.further.as_ref().is_none_or(open)
    }
}

impl Principal {
    /// The grants that earlier ones allow all of, each with its place and those earlier ones. One that only reports
    /// lets pass what no other does.
    pub fn shadowed(&self) -> Vec<(usize, Vec<&Grant>)> {
        let mut found = Vec::new();
        for (place, grant) in self.grants.iter().enumerate().filter(|(_, grant)| grant.mode == Mode::Enforce) {
            let earlier = self.grants.get(..place).unwrap_or_default();
            let by = |operation| earlier.iter().find(|other| other.includes(grant, operation));
            if let Some(mut by) = grant.operations.iter().map(by).collect::<Option<Vec<_>>>() {
                by.dedup_by_key(|grant| grant.name.clone());
                found.push((place, by));
            }
        }
        found
    }

    /// Whether whoever proves to be `other` by a token has already proven to be this principal, which stands before it.
    pub fn precedes(&self, other: &Self) -> bool {
        let by_token_alone = other.basic.is_none() && other.certificate.is_none() && !other.anonymous;
        let admits = match (&self.from, &other.from) {
            (From::Anywhere | From::Prefer(_), _) => true,
            (From::Require(own), From::Require(others)) => {
                others.iter().all(|source| own.iter().any(|known| known.name == source.name))
            }
            (From::Require(_), _) => false,
        };
        let pair = self.token.as_ref().zip(other.token.as_ref());
        by_token_alone && admits && pair.is_some_and(|(own, other)| own.includes(other))
    }
}

impl TokenRule {
    /// Whether every token that fits `other` fits this rule as well.
    fn includes(&self, other: &Self) -> bool {
        let enforced = self.mode == Mode::Enforce && other.mode == Mode::Enforce;
        let same_issuer = self.issuer.token.name == other.issuer.token.name;
        let implied = |condition: &Condition| {
            let narrower = |known: &&Condition| {
                let covered = |value: &ClaimGlob| condition.values.iter().any(|glob| glob.covers(value));
                known.claim == condition.claim && known.values.iter().all(covered)
            };
            other.conditions.iter().any(|known| narrower(&known))
        };
        // An event that a rule must name is taken by those alone that name it.
        let named = self.strange_events();
        let events_taken = other.strange_events().iter().all(|event| named.contains(event));
        enforced && same_issuer && events_taken && self.conditions.iter().all(implied)
    }

    /// The events that are only taken because it names them.
    fn strange_events(&self) -> Vec<String> {
        let Some(events) = self.issuer.preset.events() else { return Vec::new() };
        let named = self.conditions.iter().filter(|condition| condition.claim.top_level() == Some(events.claim));
        let literals = named.flat_map(|condition| &condition.values).filter_map(ClaimGlob::literal);
        literals.filter(|event| events.untrusted.iter().any(|begin| event.starts_with(begin))).collect()
    }
}

impl Source {
    /// Whether every address that `other` admits is admitted by this source over the same listeners, as far as is
    /// known: what is in a list that is not in `sets` is only known to be in the list of that name.
    pub fn includes(&self, other: &Self, sets: &NamedSets) -> bool {
        let listeners = match (&self.listeners, &other.listeners) {
            (None, _) => true,
            (Some(own), Some(others)) => own.is_superset(others),
            (Some(_), None) => false,
        };
        let known = |source: &Self| {
            let lists = source.sets.iter().filter_map(|name| sets.get(name)).map(|set| &**set);
            PrefixSet::union(lists.chain([&source.prefixes]))
        };
        let lists_known = other.sets.iter().all(|name| self.sets.contains(name) || sets.contains_key(name));
        let own = PrefixSet::union([&known(self), &other.except]);
        self.mode == other.mode
            && listeners
            && lists_known
            && other.except.includes(&self.except)
            && own.includes(&known(other))
    }

    /// Whether no address is in it, whatever a list says.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.except.includes(&self.prefixes)
    }
}
