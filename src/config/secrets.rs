//! Files that hold secrets: read from the disk, never shown.

use super::load::Secrets;
use super::reader::{Node, Reader};
use crate::auth::PasswordHash;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// More than any list of hashes needs.
const MAX_BYTES: u64 = 64 * 1024;

/// The password hashes of a file, one PHC string a line. A relative path starts at the policy's folder.
pub(super) fn hashes(reader: &mut Reader, node: &Node<'_>, folder: &Path, secrets: Secrets) -> Vec<PasswordHash> {
    let Some(text) = reader.text(node) else { return Vec::new() };
    let file = folder.join(&text);
    reader.names_file(&file);
    let content = match read(&file) {
        Ok((content, readable_by_others)) => {
            if readable_by_others {
                reader.warn(&node.path, format!("{} is readable by every user; chmod o-r it", file.display()));
            }
            content
        }
        Err(error) => {
            let message = format!("{}: {error}; make it with pushguard hash", file.display());
            match secrets {
                Secrets::Required => reader.problem(&node.path, message),
                Secrets::Optional => reader.warn_absent(&node.path, message),
            }
            return Vec::new();
        }
    };
    parse(reader, node, &file, &content)
}

fn read(file: &Path) -> std::io::Result<(Zeroizing<String>, bool)> {
    // Before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(file)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(std::io::Error::other("not a file of at most 64 KiB"));
    }
    let mut content = Zeroizing::new(String::new());
    std::fs::File::open(file)?.take(MAX_BYTES).read_to_string(&mut content)?;
    Ok((content, metadata.permissions().mode() & 0o004 != 0))
}

fn parse(reader: &mut Reader, node: &Node<'_>, file: &Path, content: &str) -> Vec<PasswordHash> {
    let mut hashes = Vec::new();
    for (index, line) in content.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match PasswordHash::parse(line) {
            Ok(hash) => {
                if hash.is_weak() {
                    let weak = "this bcrypt hash is cheap to attack; make a new one with pushguard hash";
                    reader.warn(&node.path, format!("{} line {}: {weak}", file.display(), index + 1));
                }
                hashes.push(hash);
            }
            Err(error) => reader.problem(&node.path, format!("{} line {}: {error}", file.display(), index + 1)),
        }
    }
    if hashes.is_empty() {
        reader.problem(&node.path, format!("{} holds no usable hash; make one with pushguard hash", file.display()));
    }
    hashes
}
