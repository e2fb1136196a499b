//! A grant that is called shadowed never decides: without it every request has the same answer.

use super::*;

/// The same grant, or one that allows less.
fn narrowed(grant: &Grant, operations: usize, job: usize, closed: bool) -> Grant {
    let mut narrow = Grant { mode: Mode::Enforce, ..grant.clone() };
    narrow.operations = grant.operations.iter().skip(operations % grant.operations.iter().count()).collect();
    narrow.jobs = match job % (grant.jobs.len() + 1) {
        0 if grant.jobs.iter().any(|job| job.source() == "a*") => vec![pattern("ab")],
        0 => grant.jobs.clone(),
        place => vec![grant.jobs[place - 1].clone()],
    };
    if closed {
        narrow.further = None;
        narrow.labels.iter_mut().for_each(|rule| rule.value = pattern("1"));
    }
    narrow
}

fn answer(decision: &Decision) -> (bool, Option<Reason>, Option<Reason>) {
    let would_deny = decision.would_deny.as_ref().map(|would| would.denial.reason);
    (decision.denial().is_none(), decision.denial().map(|denial| denial.reason), would_deny)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_shadowed_grant_never_decides(
        principals in principals(1..5), lines in proptest::collection::vec(line(), 1..20), who in any::<prop::sample::Index>(),
        (which, to, operations, job, closed) in any::<(prop::sample::Index, prop::sample::Index, usize, usize, bool)>(),
    ) {
        let mut principals = principals;
        principals.retain(|principal| !principal.grants.is_empty());
        if principals.is_empty() {
            return Ok(());
        }
        let at = who.index(principals.len());
        let grants = &mut principals[at].grants;
        let from = which.index(grants.len());
        let narrow = narrowed(&grants[from], operations, job, closed);
        let place = from + 1 + to.index(grants.len() - from);
        grants.insert(place, narrow);
        let shadowed: Vec<usize> = principals[at].shadowed().into_iter().map(|(place, _)| place).collect();
        prop_assert!(shadowed.contains(&place), "{:?}", principals[at].grants);
        for place in shadowed {
            let mut fewer = principals.clone();
            fewer[at].grants.remove(place);
            let (all, fewer) = (with(&principals), with(&fewer));
            for line in &lines {
                let (before, after) = (decided(&all, line), decided(&fewer, line));
                prop_assert_eq!(answer(&before), answer(&after), "{}: {:?}", line, principals[at].grants);
            }
        }
    }
}
