//! Users of other programs' files: names and stored passwords, and what cannot be carried over.

use crate::auth::PasswordHash;
use crate::request::TOKEN_USER;
use serde_yaml::Value;

/// What a file of another program holds.
#[derive(Debug, Default)]
pub struct Imported {
    /// User names with the stored password of each, in the order of the file.
    pub users: Vec<(String, String)>,
    /// What cannot be carried, and what to do instead.
    pub left: Vec<String>,
}

impl Imported {
    fn take(&mut self, place: &str, name: &str, hash: &str) {
        let why = match PasswordHash::parse(hash) {
            _ if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) => {
                "a user name is not empty and has no colon and no control characters".to_owned()
            }
            _ if name == TOKEN_USER => format!("the user name {TOKEN_USER:?} is reserved for tokens; choose another"),
            _ if self.users.iter().any(|(known, _)| known == name) => "the user stands twice; remove one".to_owned(),
            Ok(_) => return self.users.push((name.to_owned(), hash.to_owned())),
            Err(error) => scheme(hash).map_or_else(
                || error.to_string(),
                |scheme| format!("{scheme} is too weak to be carried; make a new hash with pushguard hash"),
            ),
        };
        self.left.push(format!("{place}: {name:?}: {why}"));
    }
}

/// Schemes of htpasswd that are not argon2id or bcrypt.
fn scheme(hash: &str) -> Option<&'static str> {
    let known = [
        ("$apr1$", "apr1 (MD5)"),
        ("$1$", "MD5"),
        ("$5$", "SHA-256 crypt"),
        ("$6$", "SHA-512 crypt"),
        ("{SHA}", "SHA-1"),
        ("{SSHA}", "salted SHA-1"),
        ("$2x$", "bcrypt with the fault of 2x"),
    ];
    let found = known.into_iter().find(|(begin, _)| hash.starts_with(begin)).map(|(_, name)| name);
    let crypt = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '/';
    found.or((hash.len() == 13 && hash.chars().all(crypt)).then_some("crypt (DES)"))
}

/// Reads an htpasswd file: `NAME:HASH`, one a line.
pub fn htpasswd(text: &str) -> Imported {
    let mut imported = Imported::default();
    for (index, line) in text.lines().enumerate() {
        let (line, place) = (line.trim(), format!("line {}", index + 1));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(':') {
            Some((name, hash)) => imported.take(&place, name, hash),
            None => imported.left.push(format!("{place}: expected NAME:HASH")),
        }
    }
    imported
}

/// Reads the web configuration of Prometheus and its exporters.
///
/// # Errors
/// Why the text is not one.
pub fn web_config(text: &str) -> Result<Imported, String> {
    let document: Value = serde_yaml::from_str(text).map_err(|error| format!("not YAML: {error}"))?;
    let Value::Mapping(map) = document else { return Err("expected a mapping with basic_auth_users".to_owned()) };
    let mut imported = Imported::default();
    for (key, value) in &map {
        match (key.as_str().unwrap_or_default(), value) {
            ("basic_auth_users", Value::Mapping(users)) => {
                for (name, hash) in users {
                    let (name, hash) = (name.as_str().unwrap_or_default(), hash.as_str().unwrap_or_default());
                    imported.take("basic_auth_users", name, hash);
                }
            }
            ("basic_auth_users", _) => return Err("basic_auth_users: expected NAME: HASH".to_owned()),
            ("tls_server_config", _) => {
                imported
                    .left
                    .push("tls_server_config: start with --web.tls-cert-file and --web.tls-key-file".to_owned());
            }
            (other, _) => imported.left.push(format!("{other}: it has no counterpart")),
        }
    }
    Ok(imported)
}
