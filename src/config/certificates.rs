//! `certificate`: which client certificates prove a principal.

use super::mode::mode;
use super::reader::{Node, Reader};
use crate::policy::{CertificateRule, SanPattern};
use crate::request::SanKind;

pub(super) fn rule(reader: &mut Reader, node: &Node<'_>) -> Option<CertificateRule> {
    let mut map = reader.map(node)?;
    let san = map.take("san");
    let mode = mode(reader, &mut map);
    map.finish(reader);
    let Some(san) = san else {
        let needs = "san is missing; name whom the certificate is issued for, such as URI:spiffe://prod/ns/ci/sa/push";
        reader.problem(&node.path, needs);
        return None;
    };
    let texts = match san.value {
        serde_yaml::Value::Sequence(_) => reader.texts(&san)?,
        _ => vec![(san.path.clone(), reader.text(&san)?)],
    };
    // All of them are read before any is missed, so that all problems are told.
    let sans: Vec<Option<SanPattern>> = texts.iter().map(|(path, text)| pattern(reader, path, text)).collect();
    Some(CertificateRule { sans: sans.into_iter().collect::<Option<_>>()?, mode })
}

fn pattern(reader: &mut Reader, path: &str, text: &str) -> Option<SanPattern> {
    let (kind, source) = SanKind::split(text).map_err(|error| reader.problem(path, error.to_string())).ok()?;
    SanPattern::read(kind, source).map_err(|error| reader.problem(path, error.to_string())).ok()
}
