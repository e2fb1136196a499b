//! `quotas`, and which of them apply to whom.

use super::grants::Braces;
use super::mode::mode;
use super::reader::{Node, Reader};
use super::units;
use crate::auth::token::ClaimPath;
use crate::limit::Rate;
use crate::policy::{Operation, OperationSet, Per, QuotaRule, default_quotas};
use std::time::Duration;

/// The longest period of a quota.
const LONGEST_PERIOD: Duration = Duration::from_secs(366 * 86_400);

/// A list of quotas; `owner` is the place that names them.
pub(super) fn quotas(reader: &mut Reader, node: &Node<'_>, owner: &str, braces: Braces) -> Vec<QuotaRule> {
    let items = reader.list(node).unwrap_or_default();
    let quota = |(index, item): (usize, &Node<'_>)| quota(reader, item, format!("{owner}quotas[{index}]"), braces);
    items.iter().enumerate().filter_map(quota).collect()
}

fn quota(reader: &mut Reader, node: &Node<'_>, name: String, braces: Braces) -> Option<QuotaRule> {
    let mut map = reader.map(node)?;
    let (per, burst, period) = (map.take("per"), map.take("burst"), map.take("period"));
    let operations = map.take("operations");
    let mode = mode(reader, &mut map);
    map.finish(reader);
    for (key, found) in [("per", per.is_some()), ("burst", burst.is_some()), ("period", period.is_some())] {
        if !found {
            let missing = format!("{key} is missing; a quota is {{ per: job, burst: 10, period: 1m }}");
            reader.problem(&node.path, missing);
        }
    }
    let per = per.and_then(|node| self::per(reader, &node, braces));
    let burst = burst.and_then(|node| self::burst(reader, &node));
    let period = period.and_then(|node| self::period(reader, &node));
    let operations = match operations {
        Some(node) => self::operations(reader, &node)?,
        None => OperationSet::writes(),
    };
    let (per, burst, period) = (per?, burst?, period?);
    if matches!(per, Per::Job | Per::Group) && operations.iter().any(|o| !o.writes()) {
        reader.problem(&node.path, "only push, replace and delete have a job; count others per: principal or source");
    }
    let rate = Rate::new(burst, period)?;
    Some(QuotaRule { name: name.into(), mode, per, rate, operations })
}

fn per(reader: &mut Reader, node: &Node<'_>, braces: Braces) -> Option<Per> {
    let text = reader.text(node)?;
    if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        if braces == Braces::Nothing {
            reader.problem(&node.path, "only the quotas of a principal with a token are counted by a claim");
        }
        return ClaimPath::read(name).map(Per::Claim).map_err(|e| reader.problem(&node.path, e.to_string())).ok();
    }
    let known = [Per::Job, Per::Group, Per::Principal, Per::Source];
    let names: Vec<(&str, &Per)> = known.iter().map(|per| (per.name(), per)).collect();
    reader.one_of(&node.path, "quota key", &text, &names).cloned()
}

fn burst(reader: &mut Reader, node: &Node<'_>) -> Option<u32> {
    let number = reader.number(node)?;
    let burst = u32::try_from(number).ok().filter(|burst| (1..=1_000_000).contains(burst));
    if burst.is_none() {
        reader.problem(&node.path, format!("burst is 1 to 1000000, found {number}"));
    }
    burst
}

fn period(reader: &mut Reader, node: &Node<'_>) -> Option<Duration> {
    if let Some(number) = node.value.as_u64() {
        reader.problem(&node.path, format!("a period has a unit; write {number}s for seconds"));
        return None;
    }
    let text = reader.text(node)?;
    let period = units::duration(&text).filter(|p| (Duration::from_secs(1)..=LONGEST_PERIOD).contains(p));
    if period.is_none() {
        reader.problem(&node.path, format!("{text:?} is not a period of 1s to 366d, such as 1m, 1h30m or 1d"));
    }
    period
}

/// A list of operations.
pub(super) fn operations(reader: &mut Reader, node: &Node<'_>) -> Option<OperationSet> {
    let known: Vec<(&str, Operation)> = Operation::ALL.iter().map(|o| (o.name(), *o)).collect();
    let texts = reader.texts(node)?;
    let set: OperationSet =
        texts.iter().filter_map(|(path, text)| reader.one_of(path, "operation", text, &known)).collect();
    (!set.is_empty()).then_some(set)
}

/// The quotas of a principal: its own, or else the file's defaults; operations that none of them counts have the
/// built-in ones. Those that the principal does not say itself are for a token counted by the claim that tells who runs,
/// so that one repository cannot spend another's.
pub(super) fn effective(
    own: Option<&Vec<QuotaRule>>,
    defaults: Option<&Vec<QuotaRule>>,
    counted: Option<&ClaimPath>,
) -> Vec<QuotaRule> {
    let each = |rule: &QuotaRule| match counted {
        Some(claim) => QuotaRule { per: Per::Each(claim.clone(), rule.per.clone().into()), ..rule.clone() },
        None => rule.clone(),
    };
    let mut rules = match own {
        Some(own) => own.clone(),
        None => defaults.into_iter().flatten().map(each).collect(),
    };
    let limited: OperationSet = rules.iter().flat_map(|rule| rule.operations.iter()).collect();
    for rule in default_quotas() {
        let operations: OperationSet = rule.operations.iter().filter(|o| !limited.contains(*o)).collect();
        if !operations.is_empty() {
            let per = counted.map_or(rule.per.clone(), |claim| Per::Claim(claim.clone()));
            rules.push(QuotaRule { operations, per, ..rule });
        }
    }
    rules
}
