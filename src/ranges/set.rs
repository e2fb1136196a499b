//! One set over time: what is held of it, what was refused, and what is served.

use super::event::{Unfit, What};
use super::feed::{Feed, Wanted};
use super::guard::{Rules, accept, readmit};
use super::held::{Held, UnixTime};
use super::list::{self, Form};
use super::prefix::Prefix;
use super::store::{Good, RefusedList, Store};
use crate::prefix_set::PrefixSet;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How old the kept time of the last success may become before the file is written anew.
const SAVE_EVERY: UnixTime = 60 * 60;

/// One set.
#[derive(Debug)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Where its list comes from.
    pub origin: String,
    form: Form,
    rules: Rules,
    held: Option<Held>,
    refused: Option<RefusedList>,
    /// What is served, and when something of it stops being served.
    served: Option<(Arc<PrefixSet>, Option<UnixTime>)>,
    saved: UnixTime,
    unread: Option<String>,
}

impl Set {
    /// A set of which nothing is known yet.
    pub fn new(feed: &Feed, wanted: &Wanted) -> Self {
        Self {
            name: wanted.name.clone(),
            origin: feed.origin_of(wanted),
            form: wanted.form.clone(),
            rules: feed.rules(wanted),
            held: None,
            refused: None,
            served: None,
            saved: 0,
            unread: None,
        }
    }

    /// Whether what is held of the one may be held of the other.
    pub fn is_as(&self, other: &Self) -> bool {
        (&self.name, &self.origin, self.rules) == (&other.name, &other.origin, other.rules)
    }

    /// What is held of it.
    pub const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// The list that was refused last, which may wait for an operator.
    pub const fn refused(&self) -> Option<&RefusedList> {
        self.refused.as_ref()
    }

    /// The addresses that are served.
    pub fn served(&self) -> Option<&Arc<PrefixSet>> {
        self.served.as_ref().map(|(set, _)| set)
    }

    /// Takes over what is kept on disk.
    pub fn load(&mut self, store: &Store, now: UnixTime) -> Vec<What> {
        let mut events = Vec::new();
        match store.good(&self.name) {
            Ok(None) => events.push(What::NotStored),
            Ok(Some(good)) if good.origin != self.origin => events.push(What::OtherOrigin { origin: good.origin }),
            Ok(Some(good)) => match readmit(&good.held, self.rules) {
                Ok(()) => {
                    self.saved = good.held.verified;
                    events.push(What::Loaded { in_future: good.held.verified > now });
                    self.hold(good.held, now);
                }
                Err(refusal) => events.push(What::NotLoaded { error: refusal.to_string() }),
            },
            Err(error) => events.push(What::NotLoaded { error: error.to_string() }),
        }
        match store.refused(&self.name) {
            Ok(refused) => self.refused = refused.filter(|refused| refused.origin == self.origin),
            Err(error) => events.push(What::NotLoaded { error: error.to_string() }),
        }
        events
    }

    /// Judges a document that was just fetched or read.
    pub fn offer(&mut self, store: &Store, document: &[u8], now: UnixTime) -> Vec<What> {
        match list::read(&self.form, document) {
            Ok(list) => self.offer_list(store, &list, now, false),
            Err(error) => vec![self.refusal(Unfit::List(error))],
        }
    }

    /// The same for a list that was brought along, which is as old as `verified` and says nothing of today.
    pub fn seed(&mut self, document: &[u8], verified: UnixTime, now: UnixTime) -> Vec<What> {
        let judged = match list::read(&self.form, document) {
            Ok(list) => accept(None, &list, self.rules, verified, false).map_err(Unfit::Guard),
            Err(error) => Err(Unfit::List(error)),
        };
        match judged {
            Ok(held) => {
                self.hold(held, now);
                vec![What::Seeded]
            }
            Err(unfit) => vec![What::NotLoaded { error: format!("the seed file: {unfit}") }],
        }
    }

    fn offer_list(&mut self, store: &Store, list: &[IpNet], now: UnixTime, approved: bool) -> Vec<What> {
        let next = match accept(self.held.as_ref(), list, self.rules, now, approved) {
            Ok(next) => next,
            Err(refusal) => {
                let mut events = self.keep_refused(store, list, &refusal, now);
                events.push(self.refusal(Unfit::Guard(refusal)));
                return events;
            }
        };
        let mut events = self.forget_refused(store);
        let event = match &self.held {
            None => What::Updated { added: next.listed.len(), removed: 0 },
            Some(held) if held.listed.keys().eq(next.listed.keys()) => What::Confirmed,
            Some(held) => What::Updated {
                added: next.listed.keys().filter(|prefix| !held.listed.contains_key(*prefix)).count(),
                removed: held.listed.keys().filter(|prefix| !next.listed.contains_key(*prefix)).count(),
            },
        };
        let changed = event != What::Confirmed;
        events.push(event);
        self.hold(next, now);
        events.extend(self.save(store, changed));
        events
    }

    /// The source says that its list is still the one that is held.
    pub fn confirm(&mut self, store: &Store, now: UnixTime) -> Vec<What> {
        let Some(held) = &mut self.held else { return Vec::new() };
        held.verified = now;
        let mut events = vec![What::Confirmed];
        events.extend(self.save(store, false));
        events
    }

    /// Lets in the refused list if an operator has approved it meanwhile.
    pub fn take_approval(&mut self, store: &Store, now: UnixTime) -> Vec<What> {
        let Some(refused) = self.refused.as_ref().filter(|refused| refused.approvable) else { return Vec::new() };
        match store.is_approved(&self.name, refused) {
            Ok(false) => Vec::new(),
            Err(error) => {
                // Asked for again and again: said once.
                let error = error.to_string();
                let said = self.unread.replace(error.clone()).is_some_and(|said| said == error);
                if said { Vec::new() } else { vec![What::ApprovalUnread { error }] }
            }
            Ok(true) => {
                let list: Vec<IpNet> = refused.prefixes.iter().map(|prefix| prefix.net()).collect();
                let mut events = vec![What::Approved];
                events.extend(self.offer_list(store, &list, now, true));
                events
            }
        }
    }

    /// Stops serving what has been gone for its grace; gives how many prefixes that were.
    pub fn expire(&mut self, now: UnixTime) -> usize {
        let ended = self.served.as_ref().and_then(|(_, end)| *end).is_some_and(|end| end <= now);
        let Some(held) = self.held.as_mut().filter(|_| ended) else { return 0 };
        let before = held.leaving.len();
        held.leaving.retain(|_, leaving| now < leaving.ends());
        let gone = before.saturating_sub(held.leaving.len());
        self.serve(now);
        gone
    }

    fn hold(&mut self, mut held: Held, now: UnixTime) {
        held.leaving.retain(|_, leaving| now < leaving.ends());
        self.held = Some(held);
        self.serve(now);
    }

    fn serve(&mut self, now: UnixTime) {
        self.served = self.held.as_ref().map(|held| {
            let set = held.set(now);
            // The same addresses stay the same set, so that nothing is published that is no change.
            let same = self.served.as_ref().map(|(set, _)| set).filter(|old| ***old == set).cloned();
            (same.unwrap_or_else(|| Arc::new(set)), held.next_end(now))
        });
    }

    fn refusal(&self, unfit: Unfit) -> What {
        What::Refused { unfit, kept: self.held.is_some() }
    }

    fn save(&mut self, store: &Store, changed: bool) -> Option<What> {
        let held = self.held.as_ref()?;
        if !changed && self.saved <= held.verified && held.verified < self.saved.saturating_add(SAVE_EVERY) {
            return None;
        }
        let good = Good { origin: self.origin.clone(), held: held.clone() };
        match store.save_good(&self.name, &good) {
            Ok(()) => {
                self.saved = held.verified;
                None
            }
            Err(error) => Some(What::NotSaved { error: error.to_string() }),
        }
    }

    fn keep_refused(
        &mut self,
        store: &Store,
        list: &[IpNet],
        refusal: &super::guard::Refusal,
        now: UnixTime,
    ) -> Vec<What> {
        let prefixes: BTreeSet<Prefix> = list.iter().map(|net| Prefix::new(*net)).collect();
        let at = self.refused.as_ref().filter(|old| old.prefixes == prefixes).map_or(now, |old| old.at);
        let (why, approvable) = (refusal.to_string(), refusal.approvable());
        let refused = RefusedList { origin: self.origin.clone(), at, why, approvable, prefixes };
        if self.refused.as_ref() == Some(&refused) {
            return Vec::new();
        }
        let saved = store.save_refused(&self.name, &refused);
        self.refused = Some(refused);
        saved.err().map(|error| What::NotSaved { error: error.to_string() }).into_iter().collect()
    }

    fn forget_refused(&mut self, store: &Store) -> Vec<What> {
        if self.refused.take().is_none() {
            return Vec::new();
        }
        let forgotten = store.forget_refused(&self.name);
        forgotten.err().map(|error| What::NotSaved { error: error.to_string() }).into_iter().collect()
    }
}
