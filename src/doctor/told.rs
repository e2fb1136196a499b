//! What the gateway tells when it cannot serve its metrics. It lists the metrics that do not fit, with all labels in the
//! text format of protobuf, bytes escaped; its list of groups shows U+FFFD for those bytes, so that only here the key of
//! such a group can be learnt.

use std::collections::BTreeSet;

/// The labels of a group with values that are not UTF-8, sorted by name.
pub(super) type ByteLabels = Vec<(String, Vec<u8>)>;

/// The groups that the page blames for values that are not UTF-8. Only the gateway's own families are read: their labels
/// are the key and `instance`, and nothing of a body.
pub(super) fn not_utf8(page: &str) -> BTreeSet<ByteLabels> {
    let own = ["collected metric \"push_time_seconds\" ", "collected metric \"push_failure_time_seconds\" "];
    let lines = page.lines().filter(|line| line.contains("whose value is not utf8"));
    let rests = lines.filter_map(|line| own.iter().find_map(|start| line.split_once(start)).map(|(_, rest)| rest));
    rests.filter_map(labels).filter(|labels| labels.iter().any(|(name, _)| name == "job")).collect()
}

/// `{ label:<name:"a" value:"b" > label:{name:"c" value:"d"} gauge…`
fn labels(text: &str) -> Option<ByteLabels> {
    let mut labels = Vec::new();
    let mut rest = text.trim_start_matches(['{', ' ']);
    while let Some(label) = rest.strip_prefix("label:<").or_else(|| rest.strip_prefix("label:{")) {
        let (name, after) = quoted(label.strip_prefix("name:")?)?;
        let (value, after) = match after.trim_start().strip_prefix("value:") {
            Some(value) => quoted(value)?,
            None => (Vec::new(), after),
        };
        labels.push((String::from_utf8(name).ok()?, value));
        rest = after.trim_start().strip_prefix(['>', '}'])?.trim_start();
    }
    labels.sort();
    Some(labels)
}

/// A string in quotes with C's escapes, and what stands behind it.
fn quoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut bytes = Vec::new();
    loop {
        let c = rest.chars().next()?;
        rest = rest.get(c.len_utf8()..)?;
        match c {
            '"' => return Some((bytes, rest)),
            '\\' => {
                let (byte, after) = escaped(rest)?;
                bytes.push(byte);
                rest = after;
            }
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn escaped(text: &str) -> Option<(u8, &str)> {
    let c = text.chars().next()?;
    let plain = |byte: u8| Some((byte, text.get(c.len_utf8()..)?));
    match c {
        'n' => plain(b'\n'),
        'r' => plain(b'\r'),
        't' => plain(b'\t'),
        '"' | '\\' | '\'' => plain(u8::try_from(c).ok()?),
        'x' => Some((u8::from_str_radix(text.get(1..3)?, 16).ok()?, text.get(3..)?)),
        '0'..='3' => Some((u8::from_str_radix(text.get(..3)?, 8).ok()?, text.get(3..)?)),
        _ => None,
    }
}
