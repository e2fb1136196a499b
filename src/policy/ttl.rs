//! How long groups are kept: the first rule that names a job holds; a group that no rule names is kept for ever.

use super::Pattern;
use std::fmt::Write as _;
use std::time::Duration;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TtlRule {
    /// The jobs that it is about.
    pub jobs: Vec<Pattern>,
    /// The age beyond which a group goes; none for never.
    pub max_age: Option<Duration>,
}

/// The rules in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ttl(pub Vec<TtlRule>);

impl Ttl {
    /// The rule for a job and its place in the list.
    pub fn rule(&self, job: &str) -> Option<(usize, &TtlRule)> {
        self.0.iter().enumerate().find(|(_, rule)| rule.jobs.iter().any(|pattern| pattern.matches(job)))
    }

    /// Whether nothing can ever go.
    pub fn keeps_all(&self) -> bool {
        self.0.iter().all(|rule| rule.max_age.is_none())
    }

    /// A text that differs where the rules do.
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        for rule in &self.0 {
            let jobs: Vec<&str> = rule.jobs.iter().map(Pattern::source).collect();
            // Writing to a string does not fail.
            let _ = write!(text, "{jobs:?} {:?};", rule.max_age.map(|age| age.as_millis()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(job: &str, max_age: Option<u64>) -> TtlRule {
        TtlRule { jobs: vec![Pattern::read(job).unwrap()], max_age: max_age.map(Duration::from_secs) }
    }

    #[test]
    fn the_first_rule_that_names_a_job_holds() {
        let ttl = Ttl(vec![rule("backup-*", None), rule("*-ci", Some(60)), rule("*", Some(3600))]);
        let place = |job: &str| ttl.rule(job).map(|(place, _)| place);
        assert_eq!([place("backup-ci"), place("web-ci"), place("web")], [Some(0), Some(1), Some(2)]);
        assert_eq!(Ttl(vec![rule("ci", Some(60))]).rule("web"), None, "what no rule names is kept");
        assert!(Ttl::default().keeps_all() && Ttl(vec![rule("*", None)]).keeps_all() && !ttl.keeps_all());
    }

    #[test]
    fn the_fingerprint_tells_every_change() {
        let all = [
            Ttl::default(),
            Ttl(vec![rule("ci", None)]),
            Ttl(vec![rule("ci", Some(60))]),
            Ttl(vec![rule("ci", Some(61))]),
            Ttl(vec![rule("ci", Some(60)), rule("b", Some(60))]),
            Ttl(vec![rule("b", Some(60)), rule("ci", Some(60))]),
        ];
        for (index, one) in all.iter().enumerate() {
            let same = all.iter().filter(|other| other.fingerprint() == one.fingerprint()).count();
            assert_eq!(same, 1, "{index}");
        }
    }
}
