//! What a set of files held at one time, so that a change is noticed however it was made: an editor's rename, a copy into
//! the same file, or the swap of a symbolic link far up the path.

use ring::digest;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// More than any file that a policy names needs; beyond it only the length counts.
const MOST: u64 = 8 * 1024 * 1024;

/// The content of files, as a digest. Two are equal where every file holds the same, or cannot be read just as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Reads the files. Blocks on the file system.
    pub fn of(files: &BTreeSet<PathBuf>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for file in files {
            let name = file.as_os_str().as_encoded_bytes();
            let content = content(file).unwrap_or_else(|error| error.to_string().into_bytes());
            for field in [name, &content] {
                // The length first, so that no byte can move from one field into the next.
                context.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
                context.update(field);
            }
        }
        let mut sum = [0; 32];
        sum.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(sum)
    }
}

/// The digest and length of a file.
fn content(file: &Path) -> std::io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe would wait for its writer.
    let metadata = fs::metadata(file)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(MOST).read_to_end(&mut bytes)?;
    let sum = digest::digest(&digest::SHA256, &bytes);
    Ok([sum.as_ref(), &metadata.len().to_be_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn it_changes_with_every_way_of_changing_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = BTreeSet::from([path("data/policy.yaml"), path("data/ci.phc")]);
        let now = || Fingerprint::of(&files);
        let mut seen = vec![now()];
        let mut changed = |what: &str| {
            let now = now();
            assert_eq!(now, Fingerprint::of(&files), "{what}: it stays where nothing changes");
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        for (version, text) in [("1", "a"), ("2", "b")] {
            std::fs::create_dir(path(version)).unwrap();
            std::fs::write(path(version).join("policy.yaml"), text).unwrap();
        }
        symlink("1", path("data")).unwrap();
        changed("the folder appears");
        symlink("2", path("data.new")).unwrap();
        std::fs::rename(path("data.new"), path("data")).unwrap();
        changed("a link is swapped");
        std::fs::write(path("2/policy.yaml"), "c").unwrap();
        changed("the same length is written over it");
        std::fs::write(path("2/next"), "d").unwrap();
        std::fs::rename(path("2/next"), path("2/policy.yaml")).unwrap();
        changed("another file takes its name");
        std::fs::write(path("2/ci.phc"), "").unwrap();
        changed("an empty file appears");
        std::fs::remove_file(path("2/policy.yaml")).unwrap();
        changed("a file is gone");
        std::fs::create_dir(path("2/policy.yaml")).unwrap();
        changed("a folder has its name");
    }
}
