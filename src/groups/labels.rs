//! The labels that name a group, as the gateway stores them, and the path that names it back.

use crate::request::encode_segment;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;
use std::fmt;

/// The grouping labels of a stored group, `job` among them. Unlike a [`GroupingKey`](crate::request::GroupingKey) they
/// can be anything that some gateway took: control characters, empty values, reserved names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The job; empty where there is none.
    pub fn job(&self) -> &str {
        self.get("job").unwrap_or_default()
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names and values.
    pub fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }

    /// The same labels less one.
    pub fn without(&self, name: &str) -> Self {
        let mut labels = self.clone();
        labels.0.remove(name);
        labels
    }

    /// The one path that every gateway version reads as this group; for a group that a push can name here, the same
    /// text as [`upstream_path`](crate::request::GroupingKey::upstream_path), so that both have one lock. None where
    /// the spelling of a name depends on a flag of the gateway, or bytes were lost on the way.
    pub fn path(&self) -> Option<String> {
        path_of(self.iter().map(|(name, value)| (name, value.as_bytes())))
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        Self(labels.into_iter().collect())
    }
}

/// As in the exposition format, with everything unprintable escaped.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = self.0.get_key_value("job");
        let others = self.0.iter().filter(|(name, _)| *name != "job");
        f.write_str("{")?;
        for (index, (name, value)) in job.into_iter().chain(others).enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{}={value:?}", name.escape_debug())?;
        }
        f.write_str("}")
    }
}

/// The path of the group with these labels, sorted by name. See [`Labels::path`].
pub fn path_of<'l>(labels: impl Iterator<Item = (&'l str, &'l [u8])>) -> Option<String> {
    let (mut path, mut rest) = (String::from("/metrics"), String::new());
    for (name, value) in labels {
        // Where the gateway shows U+FFFD it may hold any bytes that are not UTF-8; that path would name another group.
        if name.starts_with("U__") || std::str::from_utf8(value).is_ok_and(|text| text.contains('\u{fffd}')) {
            return None;
        }
        let to = if name == "job" { &mut path } else { &mut rest };
        segment(to, &spelled(name), value);
    }
    (path.len() > "/metrics".len()).then(|| path + &rest)
}

fn segment(path: &mut String, name: &str, value: &[u8]) {
    match std::str::from_utf8(value) {
        Ok(value) => encode_segment(path, name, value),
        Err(_) => {
            path.push('/');
            path.push_str(name);
            path.push_str("@base64/");
            URL_SAFE_NO_PAD.encode_string(value, path);
        }
    }
}

/// A name that is no classic one exists only where the gateway takes UTF-8 names, and there it is spelled `U__…`.
fn spelled(name: &str) -> String {
    let classic = |(at, c): (usize, char)| c.is_ascii_alphabetic() || c == '_' || (at > 0 && c.is_ascii_digit());
    if name.char_indices().all(classic) {
        return name.to_owned();
    }
    let mut spelled = String::from("U__");
    for (at, c) in name.char_indices() {
        match c {
            '_' => spelled.push_str("__"),
            c if classic((at, c)) => spelled.push(c),
            c => spelled.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    spelled
}
