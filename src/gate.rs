//! The driver of [`decide`](crate::decision::decide): it answers what needs no socket, until a body is wanted or the
//! decision stands.

use crate::auth::token::{self, TokenFault, Verified};
use crate::auth::{Attempts, Busy, Cache, Size, Undecided, Verifier};
use crate::clock::{Clock, Tick};
use crate::decision::{
    Admission, Charge, ChargeEntry, Charged, Claim, Decision, ExhaustedRule, Facts, LoginFailure, Step, TokenClaim,
    decide,
};
use crate::inventory::Reservation;
use crate::limit::{Entry, Ledger, Rate};
use crate::policy::{Limits, Policy, World, source_value};
use crate::request::Head;
use std::sync::Arc;

/// What outlives a request: spent quotas, verified passwords, the verifier.
pub struct Gate {
    clock: Arc<dyn Clock>,
    quotas: Ledger,
    logins: Ledger,
    /// By the rule's name: per source, and per source and user.
    login_rates: LoginRates,
    cache: Cache,
    verifier: Verifier,
    attempts: Attempts<(String, [u8; 32]), Result<(), LoginFailure>>,
    undecided: Undecided,
    limits: Limits,
}

/// How far a request came without its body.
#[derive(Debug)]
pub enum Gated {
    /// A key of that issuer is wanted that is not known: ask for it, and start over in a new world.
    Keys(Arc<str>),
    /// The body is wanted.
    Inspect(Admission),
    /// What the write will change is to be reserved.
    Reserve(Reservation),
    /// It is decided.
    Done(Decision),
}

/// The names of the login budgets in `RateLimit` headers.
const LOGIN_RULE: &str = "login";
const LOGIN_USER_RULE: &str = "login_user";

impl Gate {
    /// A gate whose verifier has an arena of `memory_kib`, the largest that any hash of the policy needs; `cache_key`
    /// is random and never leaves the process.
    pub fn new(clock: Arc<dyn Clock>, limits: Limits, memory_kib: u32, cache_key: [u8; 32]) -> Self {
        Self {
            clock,
            quotas: Ledger::new(limits.quota_keys),
            logins: Ledger::new(limits.quota_keys),
            login_rates: login_rates(&limits),
            cache: Cache::new(limits.login_cache_entries, limits.login_cache, cache_key),
            verifier: Verifier::new(Size { memory_kib, workers: limits.login_workers, queue: limits.login_queue }),
            attempts: Attempts::default(),
            undecided: Undecided::default(),
            limits,
        }
    }

    /// Drives the decision as far as it goes with the facts at hand, adding those that it finds out.
    pub async fn run(&self, world: &World, head: &Head, facts: &mut Facts) -> Gated {
        loop {
            match decide(world, head, facts) {
                Step::Verify(claim) => facts.login = Some(self.verify(&claim, head).await),
                Step::VerifyToken(claim) => match self.verify_token(world, &claim) {
                    Err(TokenFault { unknown_key_of: Some(issuer), .. }) if !facts.keys_asked => {
                        return Gated::Keys(issuer);
                    }
                    verified => facts.token = Some(verified),
                },
                Step::Charge(charge) => {
                    let charged = self.charge(&charge);
                    facts.nearly_spent |= self.nearly_spent(&charge);
                    *(if charge.for_body { &mut facts.charged_for_body } else { &mut facts.charged }) = Some(charged);
                }
                Step::Inspect(admission) => return Gated::Inspect(admission),
                Step::Reserve(reservation) => return Gated::Reserve(reservation),
                Step::Done(decision) => return Gated::Done(decision),
            }
        }
    }

    fn charge(&self, charge: &Charge) -> Charged {
        self::charge(&self.quotas, charge, self.clock.tick())
    }

    /// Whether less than a fifth is left of any of these quotas.
    fn nearly_spent(&self, charge: &Charge) -> bool {
        let now = self.clock.tick();
        charge.entries.iter().any(|entry| {
            let left = self.quotas.left(&quota(entry, &[entry.value.as_bytes()]), now);
            left < entry.rate.burst().div_ceil(5)
        })
    }

    /// Makes ready for a policy that is about to be taken into use: the verifier has room for its hashes, and every
    /// password is verified anew. Quotas stay as they are.
    pub fn adopt(&self, new: &Policy) {
        self.verifier.make_room(new.verifier_memory_kib());
        self.cache.clear();
    }

    fn verify_token(&self, world: &World, claim: &TokenClaim) -> Result<Verified, TokenFault> {
        let issuers = claim.issuers.iter().map(|issuer| &issuer.token);
        token::verify(claim.token.expose(), issuers, |issuer| world.keys_of(&issuer.name), self.clock.wall())
    }

    /// Passwords hashed since the start.
    pub fn hashes(&self) -> u64 {
        self.verifier.hashes()
    }

    /// Whether the password holds. Equal attempts at one time share one answer, and so one hash and one reservation: a
    /// run that pushes twenty times at once is not twenty guesses.
    async fn verify(&self, claim: &Claim, head: &Head) -> Result<(), LoginFailure> {
        let user = claim.username.as_bytes();
        let now = self.clock.tick();
        // Looked up for users that do not exist as well: what is skipped for them would tell them apart.
        let remembered =
            claim.hashes.iter().filter(|hash| self.cache.contains(user, hash, &claim.password, now)).count();
        if remembered > 0 && claim.principal.is_some() {
            return Ok(());
        }
        let source = source_value(*head.source.as_ref().unwrap_or(&head.peer));
        let key = (source.clone(), self.cache.attempt(user, &claim.hashes, &claim.password));
        self.attempts.share(key, self.log_in(claim, &source)).await
    }

    async fn log_in(&self, claim: &Claim, source: &str) -> Result<(), LoginFailure> {
        // Reserved before the hash: a thousand guesses at once must not cost a thousand hashes.
        let came = self.clock.tick();
        let charge = || charge_login(&self.logins, &self.login_rates, source, &claim.username, self.clock.tick());
        let paid = self.undecided.pay(source, self.limits.login_wait, charge).await;
        let _under_way = paid.map_err(|failure| failure.unwrap_or(LoginFailure::Busy))?;
        let left = self.limits.login_wait.saturating_sub(self.clock.tick().since(came));
        let refund = || {
            let refund = |budgets: [Entry<'_>; 2]| budgets.iter().for_each(|budget| self.logins.refund(budget));
            login_budgets(&self.login_rates, source, &claim.username, refund);
        };
        let (hashes, password) = (claim.hashes.clone(), claim.password.clone());
        match self.verifier.verify(source, hashes, password, left).await {
            Ok(Some(index)) if claim.principal.is_some() => {
                refund();
                if let Some(hash) = claim.hashes.get(index) {
                    self.cache.insert(claim.username.as_bytes(), hash, &claim.password, self.clock.tick());
                }
                Ok(())
            }
            Ok(_) => Err(LoginFailure::Rejected),
            // Its hash may have been begun.
            Err(Busy::Deadline) => Err(LoginFailure::Busy),
            Err(_) => {
                refund();
                Err(LoginFailure::Busy)
            }
        }
    }
}

/// What one source, and one source for one user, may fail to log in.
pub type LoginRates = [(&'static str, Rate); 2];

/// The budgets of failed logins.
pub fn login_rates(limits: &Limits) -> LoginRates {
    [(LOGIN_RULE, limits.login_rate()), (LOGIN_USER_RULE, limits.login_user_rate())]
}

/// Takes an attempt from the budgets for logins that fail.
///
/// # Errors
/// It has failed too often.
pub fn charge_login(
    logins: &Ledger,
    rates: &LoginRates,
    source: &str,
    user: &str,
    now: Tick,
) -> Result<(), LoginFailure> {
    login_budgets(rates, source, user, |budgets| {
        logins.charge(&budgets, now).map_err(|exhausted| {
            let Entry { rule, rate, .. } = budgets.get(exhausted.index).unwrap_or(&budgets[0]);
            let rule = ExhaustedRule { name: (*rule).to_owned(), burst: rate.burst(), period: rate.period() };
            LoginFailure::Throttled { rule, wait: exhausted.wait }
        })
    })
}

/// What is to be done with the budgets of a source, and of a source for one user.
fn login_budgets<T>(rates: &LoginRates, source: &str, user: &str, then: impl FnOnce([Entry<'_>; 2]) -> T) -> T {
    let [(rule, rate), (user_rule, user_rate)] = *rates;
    let (source, user) = (source.as_bytes(), user.as_bytes());
    then([
        Entry { rule, owner: "", key: &[source], rate },
        Entry { rule: user_rule, owner: "", key: &[source, user], rate: user_rate },
    ])
}

/// Takes a charge of every quota that enforces, or of none; then of each that only reports.
pub fn charge(ledger: &Ledger, charge: &Charge, now: Tick) -> Charged {
    let (reporting, enforcing): (Vec<_>, Vec<_>) = charge.entries.iter().enumerate().partition(|(_, e)| e.reports);
    charge_all(ledger, &enforcing, now)?;
    let mut exhausted = Ok(());
    for one in &reporting {
        exhausted = exhausted.and(charge_all(ledger, std::slice::from_ref(one), now));
    }
    exhausted
}

fn charge_all(ledger: &Ledger, numbered: &[(usize, &ChargeEntry)], now: Tick) -> Charged {
    let keys: Vec<[&[u8]; 1]> = numbered.iter().map(|(_, entry)| [entry.value.as_bytes()]).collect();
    let entries: Vec<Entry<'_>> = numbered.iter().zip(&keys).map(|((_, entry), key)| quota(entry, key)).collect();
    let place = |index| numbered.get(index).map_or(index, |(place, _)| *place);
    ledger.charge(&entries, now).map_err(|e| (place(e.index), e.wait))
}

/// A rule of one principal never shares a bucket with another's; a shared rule has no principal.
fn quota<'a>(entry: &'a ChargeEntry, key: &'a [&'a [u8]]) -> Entry<'a> {
    Entry { rule: &entry.rule, owner: entry.principal.as_deref().unwrap_or_default(), key, rate: entry.rate }
}

#[cfg(test)]
mod tests;
