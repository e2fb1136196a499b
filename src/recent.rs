//! What was decided last, for those who look at the status page: bounded, in memory, and nothing that a client chose
//! but the name of the job.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Verdicts kept of a principal.
pub const VERDICTS: usize = 24;
/// Refusals kept of one reason: a flood of one kind must not hide the others.
const REFUSALS: usize = 8;
/// Principals kept: those of the policy, and of policies before it until they make room.
const PRINCIPALS: usize = 200;
/// Characters of a job.
const JOB: usize = 64;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    Allowed,
    /// It passed because a rule only reports.
    Reported,
    /// It was refused.
    Denied,
    /// It could not be served.
    Failed,
}

/// A request that is over.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// When.
    pub at: SystemTime,
    /// What became of it.
    pub verdict: Verdict,
    /// The code of the refusal, or of what would have refused it; empty where there is none.
    pub reason: &'static str,
    /// Who it was, where that is known.
    pub principal: Option<&'a Arc<str>>,
    /// What it turned out to be.
    pub operation: &'static str,
    /// The job that it named.
    pub job: &'a str,
    /// The rule behind it.
    pub rule: Option<&'a Arc<str>>,
    /// The address that was judged.
    pub source: Option<IpAddr>,
    /// Its id, also in the log.
    pub request_id: &'a str,
    /// How long the gateway took, where it was asked.
    pub gateway: Option<Duration>,
}

/// A principal's last requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many passed and how many did not, since the start.
    pub counts: (u64, u64),
    /// The last verdicts, oldest first.
    pub last: VecDeque<Verdict>,
    /// When the last one was.
    pub at: SystemTime,
    /// Why the last refusal was.
    pub reason: &'static str,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: SystemTime,
    /// The code.
    pub reason: &'static str,
    /// Whether it only would have been refused.
    pub reported: bool,
    /// Who it was, where that is known.
    pub principal: Option<Arc<str>>,
    /// What it turned out to be.
    pub operation: &'static str,
    /// The job, shortened.
    pub job: String,
    /// The rule behind it.
    pub rule: Option<Arc<str>>,
    /// The address that was judged.
    pub source: Option<IpAddr>,
    /// Its id, also in the log.
    pub request_id: String,
}

/// How the gateway answered last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// When it last answered, and how long it took.
    pub good: Option<(SystemTime, Duration)>,
    /// When it last did not, and the reason that the client was told.
    pub bad: Option<(SystemTime, &'static str)>,
}

/// What was seen last.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// By principal; `none` stands for requests of nobody that is known.
    pub principals: BTreeMap<Arc<str>, Tally>,
    /// Newest first.
    pub refusals: Vec<Refusal>,
    /// Of the gateway.
    pub gateway: Answers,
}

#[derive(Default)]
struct State {
    principals: BTreeMap<Arc<str>, Tally>,
    refusals: BTreeMap<&'static str, VecDeque<Refusal>>,
    gateway: Answers,
}

/// Remembers the last requests.
#[derive(Default)]
pub struct Recent(Mutex<State>);

impl Recent {
    /// Takes note of a request.
    pub fn note(&self, event: &Event<'_>) {
        let mut state = self.0.lock();
        match (event.verdict, event.gateway) {
            (Verdict::Failed, _) if event.reason.starts_with("upstream_") => {
                state.gateway.bad = Some((event.at, event.reason));
            }
            (Verdict::Allowed | Verdict::Reported, Some(took)) => state.gateway.good = Some((event.at, took)),
            _ => {}
        }
        state.tally(event);
        if event.verdict != Verdict::Allowed {
            let list = state.refusals.entry(event.reason).or_default();
            if list.len() >= REFUSALS {
                list.pop_front();
            }
            list.push_back(Refusal {
                at: event.at,
                reason: event.reason,
                reported: event.verdict == Verdict::Reported,
                principal: event.principal.cloned(),
                operation: event.operation,
                job: event.job.chars().take(JOB).collect(),
                rule: event.rule.cloned(),
                source: event.source,
                request_id: event.request_id.to_owned(),
            });
        }
    }

    /// What was seen last; of refusals at most `most`.
    pub fn look(&self, most: usize) -> Seen {
        let state = self.0.lock();
        let mut refusals: Vec<Refusal> = state.refusals.values().flatten().cloned().collect();
        refusals.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.request_id.cmp(&b.request_id)));
        refusals.truncate(most);
        Seen { principals: state.principals.clone(), refusals, gateway: state.gateway }
    }
}

impl State {
    fn tally(&mut self, event: &Event<'_>) {
        let name = event.principal.cloned().unwrap_or_else(|| "none".into());
        if self.principals.len() >= PRINCIPALS && !self.principals.contains_key(&name) {
            let oldest = self.principals.iter().min_by_key(|(_, tally)| tally.at).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.principals.remove(&name));
        }
        let tally = self.principals.entry(name).or_insert_with(|| Tally {
            counts: (0, 0),
            last: VecDeque::with_capacity(VERDICTS),
            at: event.at,
            reason: "",
        });
        match event.verdict {
            Verdict::Allowed | Verdict::Reported => tally.counts.0 += 1,
            Verdict::Denied | Verdict::Failed => {
                tally.counts.1 += 1;
                tally.reason = event.reason;
            }
        }
        if tally.last.len() >= VERDICTS {
            tally.last.pop_front();
        }
        tally.last.push_back(event.verdict);
        tally.at = event.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event<'a>(second: u64, reason: &'static str, principal: &'a Arc<str>, job: &'a str) -> Event<'a> {
        Event {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            verdict: if reason.is_empty() { Verdict::Allowed } else { Verdict::Denied },
            reason,
            principal: Some(principal),
            operation: "push",
            job,
            rule: None,
            source: None,
            request_id: "id",
            gateway: None,
        }
    }

    #[test]
    fn what_is_kept_has_bounds_and_one_kind_hides_no_other() {
        let recent = Recent::default();
        let long = "j".repeat(100_000);
        recent.note(&event(1, "quota_exhausted", &"first".into(), "ci"));
        for second in 2..5000 {
            recent.note(&event(second, "credential_missing", &format!("p{second}").into(), &long));
        }
        let seen = recent.look(50);
        assert_eq!(seen.principals.len(), PRINCIPALS);
        assert!(seen.principals.contains_key("p4999") && !seen.principals.contains_key("first"));
        assert_eq!(seen.refusals.len(), REFUSALS + 1);
        let last = seen.refusals.last().unwrap();
        assert_eq!((last.reason, last.job.as_str()), ("quota_exhausted", "ci"), "newest first");
        assert!(seen.refusals.iter().all(|refusal| refusal.job.len() <= JOB));
        assert_eq!(recent.look(3).refusals.len(), 3);
    }

    #[test]
    fn verdicts_are_counted_and_the_last_ones_kept_in_order() {
        let recent = Recent::default();
        let name: Arc<str> = "ci".into();
        for second in 0..40 {
            recent.note(&event(second, if second % 4 == 3 { "job_not_granted" } else { "" }, &name, "ci"));
        }
        recent.note(&Event { principal: None, ..event(41, "source_not_allowed", &name, "") });
        let seen = recent.look(50);
        let tally = &seen.principals["ci"];
        assert_eq!((tally.counts, tally.last.len(), tally.reason), ((30, 10), VERDICTS, "job_not_granted"));
        assert_eq!(tally.last.back(), Some(&Verdict::Denied));
        assert_eq!(seen.principals["none"].counts, (0, 1));
    }

    #[test]
    fn the_gateway_is_known_by_its_answers() {
        let recent = Recent::default();
        let name: Arc<str> = "ci".into();
        let took = Some(Duration::from_millis(3));
        recent.note(&Event { gateway: took, ..event(1, "", &name, "ci") });
        recent.note(&Event { gateway: took, verdict: Verdict::Failed, ..event(2, "upstream_timeout", &name, "ci") });
        // Not of the gateway.
        recent.note(&Event { verdict: Verdict::Failed, ..event(3, "overloaded", &name, "ci") });
        let second = |n| SystemTime::UNIX_EPOCH + Duration::from_secs(n);
        let expected =
            Answers { good: Some((second(1), Duration::from_millis(3))), bad: Some((second(2), "upstream_timeout")) };
        assert_eq!(recent.look(1).gateway, expected);
    }
}
