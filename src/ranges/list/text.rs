//! Lists of one prefix a line.

use super::{ListError, MAX_PREFIXES};
use crate::ranges::prefix::parse_prefix;
use crate::shown::shown;
use ipnet::IpNet;

const LIST: &str = "the list";

pub(super) fn read(bytes: &[u8]) -> Result<Vec<IpNet>, ListError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ListError::NotText)?;
    // Editors on other systems begin a file with it; it says nothing.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut list = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim_ascii();
        if entry.is_empty() {
            continue;
        }
        if list.len() == MAX_PREFIXES {
            return Err(ListError::TooMany(LIST.to_owned()));
        }
        list.push(parse_prefix(entry).map_err(|why| {
            let place = format!("line {}", index + 1);
            ListError::BadEntry { place, entry: shown(entry), why }
        })?);
    }
    if list.is_empty() { Err(ListError::Empty(LIST.to_owned())) } else { Ok(list) }
}
