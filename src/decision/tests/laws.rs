//! Laws of `decide` over small random worlds: few names, so that requests and policies meet often.

mod shadowed;

use super::*;
use crate::auth::PasswordHash;
use crate::decision::{Outcome, Stage, explain};
use crate::limit::Rate;
use crate::policy::{
    Admits, Basic, From, Grant, LabelRule, Mode, Operation, Pattern, PayloadLimits, Per, Principal, QuotaRule, Source,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::ops::Range;

fn pattern(text: &str) -> Pattern {
    Pattern::read(text).unwrap()
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![4 => Just(Mode::Enforce), 1 => Just(Mode::Report { until: None })]
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let operations = subsequence(Operation::ALL.to_vec(), 1..4);
    let jobs = subsequence(vec!["a", "b", "a*"], 1..=2);
    let labels = proptest::option::of((select(vec!["x", "y"]), select(vec!["1", "*"]), any::<bool>()));
    let further = proptest::option::of(select(vec!["*", "1"]));
    let grant =
        (operations, jobs, labels, further, mode()).prop_map(|(operations, jobs, label, further, mode)| Grant {
            name: "grant".into(),
            mode,
            operations: operations.into_iter().collect(),
            jobs: jobs.into_iter().map(pattern).collect(),
            labels: label
                .map(|(name, value, optional)| LabelRule { name: name.into(), value: pattern(value), optional })
                .into_iter()
                .collect(),
            further: further.map(pattern),
        });
    proptest::collection::vec(grant, 0..4)
}

fn from() -> impl Strategy<Value = From> {
    let source = |mode: Mode, prefix: &str, github: &[&str], listener: Option<&str>| {
        Arc::new(Source {
            name: "source".into(),
            mode,
            prefixes: PrefixSet::from_prefixes([prefix.parse().unwrap()]),
            sets: github.iter().map(|key| (*key).to_owned()).collect(),
            except: PrefixSet::default(),
            listeners: listener.map(|name| [name.to_owned()].into()),
        })
    };
    let sources = vec![
        source(Mode::Enforce, "10.0.0.0/8", &[], Some("inside")),
        source(Mode::Enforce, "10.0.0.0/8", &[], None),
        source(Mode::Enforce, "192.0.2.0/24", &["actions"], None),
        source(Mode::Enforce, "192.0.2.0/24", &["hooks"], None),
        source(Mode::Report { until: None }, "203.0.113.0/24", &["hooks"], None),
    ];
    prop_oneof![Just(From::Anywhere), subsequence(sources, 0..3).prop_map(From::Require)]
}

/// Whether it is anonymous, from where it may be used, its grants, the modes of its credential and its quota.
type Kind = (bool, From, Vec<Grant>, (Mode, Mode));

/// That many principals with their own user names and the same payload limits and quotas.
fn principals(count: Range<usize>) -> impl Strategy<Value = Vec<Principal>> {
    let rule = QuotaRule {
        name: "rule".into(),
        mode: Mode::Enforce,
        per: Per::Job,
        rate: Rate::new(10, Duration::from_secs(60)).unwrap(),
        operations: Operation::ALL.iter().copied().collect(),
    };
    let kinds = (any::<bool>(), from(), grants(), (mode(), mode()));
    proptest::collection::vec(kinds, count).prop_map(move |kinds| {
        let principal = |(index, (anonymous, from, grants, modes)): (usize, Kind)| Principal {
            name: format!("p{index}").into(),
            basic: (!anonymous).then(|| Basic {
                username: format!("user{index}"),
                mode: modes.0,
                hashes: [PasswordHash::parse(PHC).unwrap()].into(),
            }),
            token: None,
            certificate: None,
            anonymous,
            from,
            grants,
            quotas: vec![QuotaRule { mode: modes.1, ..rule.clone() }],
            payload: PayloadLimits { max_bytes: 1000, ..PayloadLimits::default() },
        };
        kinds.into_iter().enumerate().map(principal).collect()
    })
}

fn line() -> impl Strategy<Value = String> {
    let place =
        select(vec!["inside 10.1.1.1", "outside 10.1.1.1", "outside 192.0.2.1", "outside 198.51.100.1", "l 9.9.9.9"]);
    let method = select(vec!["POST", "PUT", "DELETE", "GET"]);
    let target = select(vec![
        "/metrics",
        "/metrics/job/a",
        "/metrics/job/b/x/1",
        "/metrics/job/a/x/1/y/2",
        "/metrics/job/ab/y/1",
        "/status",
        "/-/ready",
        "/metrics/job/a%2Fb",
        "/nowhere",
    ]);
    let user = select(vec!["", " | user user0:good", " | user user1:good", " | user user2:bad", " | user nobody:good"]);
    let body = select(vec!["", " | Content-Length: 5", " | Content-Length: 5 | body #\\n", " | Content-Length: 2000"]);
    (place, method, target, user, body)
        .prop_map(|(place, method, target, user, body)| format!("{place} {method} {target}{user}{body}"))
}

fn with(principals: &[Principal]) -> World {
    let decoy = crate::auth::phc::decoy(&PasswordHash::parse(PHC).unwrap(), [7; 48]);
    world(Policy { principals: principals.to_vec(), decoy: [decoy].into(), ..Policy::default() })
}

/// The same principals with every rule enforced.
fn enforced(principals: &[Principal]) -> Vec<Principal> {
    let mut principals = principals.to_vec();
    for principal in &mut principals {
        principal.basic.iter_mut().for_each(|basic| basic.mode = Mode::Enforce);
        principal.grants.iter_mut().for_each(|grant| grant.mode = Mode::Enforce);
        principal.quotas.iter_mut().for_each(|quota| quota.mode = Mode::Enforce);
        if let From::Require(sources) = &mut principal.from {
            sources
                .iter_mut()
                .for_each(|source| *source = Arc::new(Source { mode: Mode::Enforce, ..Source::clone(source) }));
        }
    }
    principals
}

fn decided(world: &World, line: &str) -> Decision {
    drive(world, &request(world, line)).1
}

/// What report mode excuses; everything else is always enforced.
const EXCUSED: &[Reason] = &[
    Reason::SourceUnknown,
    Reason::SourceNotAllowed,
    Reason::RangesUnavailable,
    Reason::CredentialMissing,
    Reason::CredentialRejected,
    Reason::LoginThrottled,
    Reason::KeysUnavailable,
    Reason::VerifierBusy,
    Reason::OperationNotGranted,
    Reason::JobNotGranted,
    Reason::LabelNotGranted,
    Reason::QuotaExhausted,
];

fn allowed(world: &World, line: &str) -> bool {
    !outcome(world, line).contains("deny ")
}

fn admitted(principal: &Principal, world: &World, head: &Head) -> bool {
    let source = head.source.clone().unwrap();
    principal.from.admits(source, &head.listener, &world.sets) == Admits::Yes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_further_grant_never_turns_an_allow_into_a_deny(
        principals in principals(1..5), line in line(), further in grants(), who in any::<prop::sample::Index>()
    ) {
        let before = allowed(&with(&principals), &line);
        let mut more = principals.clone();
        let at = who.index(more.len());
        more[at].grants.extend(further);
        prop_assert!(!before || allowed(&with(&more), &line), "{line}");
    }

    #[test]
    fn removing_a_principal_never_allows_anything(
        principals in principals(1..5), line in line(), who in any::<prop::sample::Index>()
    ) {
        let principals = enforced(&principals);
        let mut fewer = principals.clone();
        fewer.remove(who.index(principals.len()));
        prop_assert!(allowed(&with(&principals), &line) || !allowed(&with(&fewer), &line), "{line}");
    }

    #[test]
    fn narrowing_a_source_never_allows_anything(
        principals in principals(1..5), line in line(), from in from(), who in any::<prop::sample::Index>()
    ) {
        let principals = enforced(&principals);
        let mut narrow = principals.clone();
        let at = who.index(narrow.len());
        narrow[at].from = From::Require(Vec::new());
        prop_assert!(allowed(&with(&principals), &line) || !allowed(&with(&narrow), &line), "{line}");
        let mut wide = principals.clone();
        wide[at].from = From::Anywhere;
        let mut other = principals.clone();
        other[at].from = from;
        let other = enforced(&other);
        prop_assert!(allowed(&with(&wide), &line) || !allowed(&with(&other), &line), "{line}");
    }

    /// No candidate: decided at once, on the address alone.
    #[test]
    fn a_stranger_reaches_neither_verifier_nor_ledger(principals in principals(0..5), line in line()) {
        let principals = enforced(&principals);
        let world = with(&principals);
        let request = request(&world, &line);
        if principals.iter().any(|p| admitted(p, &world, &request.head)) {
            return Ok(());
        }
        match decide(&world, &request.head, &Facts::default()) {
            Step::Done(decision) => prop_assert_eq!(decision.denial().map(|d| d.reason.status()), Some(403)),
            step => prop_assert!(false, "{line}: {step:?}"),
        }
    }

    /// Every step is asked in order and of the right one.
    #[test]
    fn steps_come_in_order_and_only_to_those_who_may(principals in principals(0..5), line in line()) {
        let principals = enforced(&principals);
        let world = with(&principals);
        let request = request(&world, &line);
        let mut facts = Facts::default();
        if let Step::Verify(claim) = decide(&world, &request.head, &facts) {
            if let Some(index) = claim.principal {
                let basic = principals[index].basic.as_ref();
                prop_assert!(admitted(&principals[index], &world, &request.head), "{line}");
                prop_assert_eq!(basic.map(|b| &b.username), Some(&claim.username));
            } else {
                prop_assert!(claim.hashes.iter().all(PasswordHash::is_decoy));
            }
            for failure in [LoginFailure::Rejected, LoginFailure::Busy] {
                let facts = Facts { login: Some(Err(failure)), ..Facts::default() };
                let denied = matches!(decide(&world, &request.head, &facts), Step::Done(d) if d.denial().is_some());
                prop_assert!(denied, "a failed login went on: {line}");
            }
            facts.login = Some(login(&claim));
        }
        if let Step::Charge(charge) = decide(&world, &request.head, &facts) {
            prop_assert!(!charge.entries.is_empty());
            let payer = charge.entries[0].principal.clone();
            let payer = principals.iter().find(|p| Some(&p.name) == payer.as_ref()).unwrap();
            prop_assert!(admitted(payer, &world, &request.head) && !payer.grants.is_empty(), "{line}");
            facts.charged = Some(Ok(()));
        }
        match decide(&world, &request.head, &facts) {
            Step::Verify(_) | Step::VerifyToken(_) | Step::Charge(_) => prop_assert!(false, "asked twice: {line}"),
            Step::Inspect(_) => prop_assert!(facts.charged.is_some(), "a body before its charge: {line}"),
            Step::Reserve(_) | Step::Done(_) => {}
        }
    }

    /// A decision is a value: the same world, head and facts give the same one.
    #[test]
    fn the_same_question_has_the_same_answer(principals in principals(0..5), line in line()) {
        let world = with(&principals);
        let shown = || format!("{:?}", drive(&world, &request(&world, &line)));
        prop_assert_eq!(shown(), shown());
    }

    /// The trail is what the decision was made of: the same answer, checks in order, the last of them decides.
    #[test]
    fn an_explained_answer_is_the_answer(principals in principals(0..5), line in line()) {
        let world = with(&principals);
        let request = request(&world, &line);
        let mut facts = Facts::default();
        loop {
            let step = decide(&world, &request.head, &facts);
            let (explained, checks) = explain(&world, &request.head, &facts);
            prop_assert_eq!(format!("{step:?}"), format!("{explained:?}"));
            let last = checks.last().map(|check| check.outcome);
            // A replacement that turned out empty is granted and charged once more.
            let once = checks.iter().position(|c| c.stage == Stage::Payload).map_or(checks.len(), |at| at + 1);
            prop_assert!(checks[..once].windows(2).all(|pair| pair[0].stage <= pair[1].stage), "{line}: {checks:?}");
            let passed = checks.iter().filter(|check| check.outcome == Outcome::Passed).count();
            let reported = checks.iter().filter(|check| matches!(check.outcome, Outcome::WouldRefuse(_))).count();
            prop_assert!(passed + reported + 1 >= checks.len(), "only the last refuses or asks: {checks:?}");
            match step {
                Step::Verify(claim) => facts.login = Some(login(&claim)),
                Step::VerifyToken(claim) => facts.token = Some(token(&claim)),
                Step::Charge(charge) if charge.for_body => facts.charged_for_body = Some(Ok(())),
                Step::Charge(_) => facts.charged = Some(Ok(())),
                Step::Inspect(admission) => facts.body = Some(admission.inspect(&request.head, &request.body)),
                Step::Reserve(_) => facts.reserved = Some(Ok(())),
                Step::Done(decision) => {
                    let reason = decision.denial().map(|denial| Outcome::Refused(denial.reason));
                    let passes = matches!(last, Some(Outcome::Passed | Outcome::WouldRefuse(_)));
                    prop_assert!(reason.map_or(passes, |reason| last == Some(reason)), "{line}: {checks:?}");
                    break;
                }
            }
            prop_assert!(facts.body.is_some() || last == Some(Outcome::Asks));
        }
    }

    /// While the whole policy reports, what it would refuse passes and tells the refusal that the client would have got.
    #[test]
    fn a_policy_that_reports_tells_what_it_would_do(principals in principals(0..5), line in line(), charge in any::<bool>()) {
        let line = if charge { format!("{line} | charge 0") } else { line };
        let strict_world = with(&enforced(&principals));
        let policy = Policy { mode: Mode::Report { until: None }, ..Policy::clone(&strict_world.policy) };
        let strict = decided(&strict_world, &line).denial().map(|d| d.reason);
        let lenient = decided(&World { policy: Arc::new(policy), ..strict_world }, &line);
        let (verdict, would_deny) = (lenient.denial().map(|d| d.reason), lenient.would_deny.map(|w| w.denial.reason));
        match strict.filter(|reason| EXCUSED.contains(reason)) {
            Some(reason) => {
                prop_assert_eq!(would_deny, Some(reason), "{}", line);
                prop_assert!(verdict.is_none_or(|other| !EXCUSED.contains(&other)), "{line}: {verdict:?}");
            }
            None => prop_assert_eq!((verdict, would_deny), (strict, None), "{}", line),
        }
    }

    /// A rule that reports refuses nothing that it would not refuse enforced, and excuses only what report mode may.
    #[test]
    fn a_rule_that_reports_only_lets_more_in(principals in principals(0..5), line in line(), charge in any::<bool>()) {
        let line = if charge { format!("{line} | charge 0") } else { line };
        let strict = decided(&with(&enforced(&principals)), &line);
        let lenient = decided(&with(&principals), &line);
        prop_assert_eq!(&strict.would_deny, &None);
        match strict.denial() {
            None => prop_assert!(lenient.denial().is_none() && lenient.would_deny.is_none(), "{line}"),
            Some(denial) if lenient.denial().is_none() => {
                prop_assert!(lenient.would_deny.is_some() && EXCUSED.contains(&denial.reason), "{line}: {denial:?}");
            }
            Some(_) => {}
        }
    }
}
