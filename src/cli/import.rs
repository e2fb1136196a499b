//! `pushguard import`

use super::{Outcome, complain, say};
use crate::config::{Imported, htpasswd, web_config};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Take users over from another program's file: prints a policy, writes one hash file a user.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    #[command(subcommand)]
    format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Format {
    /// The web configuration of Prometheus, its exporters and the Pushgateway (web.yml)
    WebConfig(From),
    /// A file of Apache's htpasswd, as the ingress of nginx takes it
    Htpasswd(From),
}

#[derive(Debug, clap::Args)]
struct From {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder that the hash files NAME.phc are written to, readable by their owner alone; none is overwritten
    /// (default: this one)
    #[arg(long = "hash-dir", value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// More than any such file has.
const MAX_BYTES: u64 = 1024 * 1024;

impl Import {
    /// The policy goes to standard output; what cannot be carried to standard error, and then it is not all that is
    /// needed.
    pub(super) fn run(&self) -> Outcome {
        let (Format::WebConfig(from) | Format::Htpasswd(from)) = &self.format;
        let file = from.file.display();
        let text = match text(&from.file) {
            Ok(text) => text,
            Err(error) => {
                complain(format_args!("{file}: {error}"));
                return Outcome::Undecided;
            }
        };
        let read = match &self.format {
            Format::WebConfig(_) => web_config(&text),
            Format::Htpasswd(_) => Ok(htpasswd(&text)),
        };
        let imported = match read {
            Ok(imported) => imported,
            Err(error) => {
                complain(format_args!("{file}: {error}"));
                return Outcome::Invalid;
            }
        };
        for left in &imported.left {
            complain(format_args!("{file}: {left}"));
        }
        if imported.users.is_empty() {
            complain(format_args!("{file}: no user can be carried"));
            return Outcome::Invalid;
        }
        let folder = from.folder.as_deref().unwrap_or(Path::new(""));
        write(&imported, folder, if imported.left.is_empty() { Outcome::Ok } else { Outcome::Invalid })
    }
}

fn text(file: &Path) -> std::io::Result<String> {
    let metadata = std::fs::metadata(file)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(std::io::Error::other("not a file of at most 1 MiB"));
    }
    std::fs::read_to_string(file)
}

fn write(imported: &Imported, folder: &Path, outcome: Outcome) -> Outcome {
    let names = names(imported);
    let mut policy = String::from("version: 1\nprincipals:");
    for ((user, hash), name) in imported.users.iter().zip(&names) {
        let file = folder.join(format!("{name}.phc"));
        if let Err(error) = keep(&file, hash) {
            complain(format_args!("{}: {error}; nothing is overwritten", file.display()));
            return Outcome::Undecided;
        }
        policy.push_str(&principal(name, user, &file.display().to_string()));
    }
    if say(policy) { outcome } else { Outcome::Undecided }
}

/// As much as the other program allowed; the policy is where it becomes less.
fn principal(name: &str, user: &str, file: &str) -> String {
    format!(
        "\n  {name}:\n    basic: {{ username: {user:?}, password_hash_file: {file:?} }}\n    from: anywhere      # better: \
         {{ require: [SOURCE] }}\n    grants:             # as much as before; name the jobs and leave out what is not \
         needed\n      - {{ operations: [push, replace, delete], job: \"*\", labels: {{ \"*\": \"*\" }} }}\n      - {{ \
         operations: [scrape, inspect, ui, probe] }}"
    )
}

fn keep(file: &Path, hash: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(file, "{hash}")
}

/// A principal's name for each user: the user's own as far as a name may hold it.
fn names(imported: &Imported) -> Vec<String> {
    let mut taken = BTreeSet::from(["none".to_owned()]);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    let name = |(user, _): &(String, String)| {
        let base: String = user.chars().take(48).map(plain).collect();
        let numbered = (2..).map(|n| format!("{base}-{n}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(base);
        taken.insert(name.clone());
        name
    };
    imported.users.iter().map(name).collect()
}
