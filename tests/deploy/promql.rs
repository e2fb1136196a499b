//! Which metrics and labels an expression names; no more of the language than that.

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Metrics, each with the labels that its matchers name.
    pub metrics: Vec<(String, Vec<String>)>,
    /// Labels in `by (…)`, `on (…)` and their like.
    pub groupings: Vec<String>,
}

const GROUPINGS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: &[&str] = &["and", "or", "unless", "bool", "offset", "atan2"];

/// Reads an expression; it is known to be one that Prometheus takes.
pub fn named(expression: &str) -> Named {
    let plain = without_texts(expression);
    let mut named = Named::default();
    let mut rest = plain.as_str();
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            rest = rest.split_once(']').expect("a range ends").1;
        } else if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let (word, after) = word(rest);
            rest = named.take(word, after.trim_start());
        } else {
            // With a number goes its unit.
            let length = if first.is_ascii_digit() { word(rest).0.len() } else { first.len_utf8() };
            rest = &rest[length..];
        }
    }
    named
}

impl Named {
    fn take<'a>(&mut self, word: &str, after: &'a str) -> &'a str {
        let inner = |open: char, close: char| after.strip_prefix(open)?.split_once(close);
        if GROUPINGS.contains(&word) {
            let (labels, rest) = inner('(', ')').expect("labels in parentheses");
            self.groupings.extend(labels.split(',').map(|label| label.trim().to_owned()));
            return rest;
        }
        if after.starts_with('(')
            || OPERATORS.contains(&word)
            || GROUPINGS.iter().any(|g| after.starts_with(&format!("{g} (")))
        {
            return after;
        }
        let (matchers, rest) = inner('{', '}').unwrap_or(("", after));
        let label = |matcher: &str| matcher.split(['=', '!']).next().unwrap_or_default().trim().to_owned();
        let labels = matchers.split(',').map(label).filter(|label| !label.is_empty()).collect();
        self.metrics.push((word.to_owned(), labels));
        rest
    }
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':' && c != '.');
    text.split_at(end.unwrap_or(text.len()))
}

/// Texts may hold braces and words.
fn without_texts(expression: &str) -> String {
    expression.split('"').step_by(2).collect()
}

#[test]
fn names_are_told_from_functions_numbers_and_texts() {
    let found = named(
        "histogram_quantile(0.99, sum by (le, a) (rate(m_bucket{x=~\"{$v} b\", y!=\"n\"}[5m]))) > 5 * max(other offset 1h) or z_total",
    );
    let metric = |name: &str, labels: &[&str]| (name.to_owned(), labels.iter().map(|l| (*l).to_owned()).collect());
    assert_eq!(found.metrics, [metric("m_bucket", &["x", "y"]), metric("other", &[]), metric("z_total", &[])]);
    assert_eq!(found.groupings, ["le", "a"]);
}
