//! What the configuration can need at worst, against what the process may have.
//!
//! A proxy that grows until it is killed fails every request at once, and comes back with empty quotas. What is held for
//! clients is bounded by limits, so the worst case is a sum, and one that does not fit is found at the start.

use crate::policy::Limits;
use std::fs;
use std::path::{Path, PathBuf};

/// The program, its threads, its address sets and what the allocator keeps: measured idle, and some more.
const PROGRAM: u64 = 26 * MIB;
/// A connection that is served: its buffers and tasks, without head and TLS.
const CONNECTION: u64 = 12 * 1024;
/// What TLS adds to one that is served.
const TLS: u64 = 36 * 1024;
/// What a handshake takes that does not come to its end: the library holds messages of up to 64 KiB. Measured.
const HANDSHAKE: u64 = 68 * 1024;
/// What the certificate of its client adds: a chain of two or three, and the names in it.
const CLIENT_CERTIFICATE: u64 = 8 * 1024;
/// A quota state, with the room that its table keeps free.
const QUOTA: u64 = 48;
/// A metric that the gateway holds: its place in the table, with the room that is kept free, and in its family.
const METRIC: u64 = 40;
/// The hundredth of the limit that may be used: the rest is for what the kernel keeps of sockets and files.
const USED: u64 = 90;
const MIB: u64 = 1024 * 1024;

/// What is spoken on listeners.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tls {
    /// One of them speaks TLS.
    pub(super) server: bool,
    /// One of them takes certificates of clients.
    pub(super) clients: bool,
}

impl Tls {
    /// What a connection holds besides its buffers: a head is read only when the handshake is over.
    fn of_connection(self, head: u64) -> u64 {
        if !self.server {
            return head;
        }
        let certificate = if self.clients { CLIENT_CERTIFICATE } else { 0 };
        head.saturating_add(TLS + certificate).max(HANDSHAKE)
    }
}

/// What is held at most, by what bounds it.
pub(super) struct Worst {
    parts: Vec<(u64, String)>,
}

impl Worst {
    /// `verifier_kib` is the arena of one worker that verifies passwords.
    pub(super) fn of(limits: &Limits, verifier_kib: u32, tls: Tls) -> Self {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let head = number(limits.head_size.bytes);
        let connection = CONNECTION.saturating_add(tls.of_connection(head));
        let connections = number(limits.connections);
        let parts = vec![
            (PROGRAM, "the program".to_owned()),
            (limits.body_bytes, "bodies (--web.max-body-memory)".to_owned()),
            (
                connections.saturating_mul(connection),
                format!("{connections} connections (--web.max-connections, --web.max-head-bytes)"),
            ),
            (
                number(limits.login_workers).saturating_mul(u64::from(verifier_kib) * 1024),
                "the password verifier (--login.workers, m of the hashes in the policy)".to_owned(),
            ),
            (number(limits.quota_keys).saturating_mul(QUOTA), "quota states".to_owned()),
            (
                number(limits.metrics).saturating_mul(METRIC),
                "what the gateway holds (--upstream.max-metrics)".to_owned(),
            ),
            (
                number(limits.upstream_writes).saturating_mul(limits.answer_bytes),
                "the gateway's answers (--upstream.max-writes, --upstream.max-answer)".to_owned(),
            ),
        ];
        Self { parts }
    }

    /// Whether it fits.
    ///
    /// # Errors
    /// The sum, and what makes it.
    pub(super) fn fits(&self, limit: u64) -> Result<(), String> {
        let sum = self.parts.iter().fold(0_u64, |sum, (bytes, _)| sum.saturating_add(*bytes));
        let usable = limit / 100 * USED;
        if sum <= usable {
            return Ok(());
        }
        let mut parts: Vec<&(u64, String)> = self.parts.iter().filter(|(bytes, _)| *bytes >= MIB).collect();
        parts.sort_by(|a, b| b.cmp(a));
        let parts: Vec<String> = parts.into_iter().map(|(bytes, what)| format!("{} for {what}", mib(*bytes))).collect();
        Err(format!(
            "this configuration can need {}, and of the memory limit of {} {USED} % may be used: {}; raise the limit to {}, \
             or lower what is named",
            mib(sum),
            mib(limit),
            parts.join(", "),
            mib(sum.saturating_mul(100).div_ceil(USED)),
        ))
    }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(MIB))
}

/// The memory limit of the control group that the process is in, or of one around it; none where there is none.
pub(super) fn limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_of(&groups, Path::new("/sys/fs/cgroup"))
}

/// `groups` is the content of `/proc/self/cgroup`: lines of `NUMBER:CONTROLLERS:PATH`, where version 2 has no
/// controllers.
fn limit_of(groups: &str, root: &Path) -> Option<u64> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (folder, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        found.extend(around(&folder, path).iter().filter_map(|folder| read(&folder.join(file))));
    }
    found.into_iter().min()
}

/// The folder of a group and of those around it. Inside a container its own group may be the root, whatever its path.
fn around(root: &Path, path: &str) -> Vec<PathBuf> {
    let group = root.join(path.trim_start_matches('/'));
    group.ancestors().take_while(|folder| folder.starts_with(root)).map(Path::to_owned).collect()
}

/// A limit; version 2 says `max` for none, version 1 a number that no machine has.
fn read(file: &Path) -> Option<u64> {
    const NONE: u64 = 1 << 60;
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|limit| *limit < NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_into_128_mib_and_more_than_fits_is_told() {
        let limits = Limits::default();
        let plain = Tls { server: false, clients: false };
        let tls = Tls { server: true, ..plain };
        for tls in [plain, tls, Tls { server: true, clients: true }] {
            Worst::of(&limits, 12 * 1024, tls).fits(128 * MIB).unwrap();
        }
        let many = Limits { connections: 2000, ..limits };
        let text = Worst::of(&many, 12 * 1024, tls).fits(128 * MIB).unwrap_err();
        let told = "this configuration can need 230 MiB, and of the memory limit of 128 MiB 90 % may be used: 157 MiB for \
                    2000 connections (--web.max-connections, --web.max-head-bytes), 26 MiB for the program, 24 MiB for \
                    bodies (--web.max-body-memory), 12 MiB for the password verifier (--login.workers, m of the hashes in the policy), 8 \
                    MiB for what the gateway holds (--upstream.max-metrics), 3 MiB for quota states; raise the limit to \
                    255 MiB, or lower what is named";
        assert_eq!(text, told);
        let workers = Limits { login_workers: 4, ..limits };
        let text = Worst::of(&workers, 12 * 1024, plain).fits(128 * MIB).unwrap_err();
        assert!(text.contains("48 MiB for the password verifier"), "each has an arena: {text}");
        let text = Worst::of(&many, 12 * 1024, tls).fits(128 * MIB).unwrap_err();
        // It is told a limit that is enough.
        let enough =
            text.split("raise the limit to ").nth(1).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap();
        Worst::of(&many, 12 * 1024, tls).fits(enough * MIB).unwrap();
        assert!(Worst::of(&Limits { body_bytes: u64::MAX, ..limits }, 0, plain).fits(u64::MAX).is_err());
    }

    #[test]
    fn the_lowest_limit_around_the_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let limit = |groups: &str| limit_of(groups, root.path());
        assert_eq!(limit("0::/a/b\n"), None);
        write("a/b/memory.max", "max\n");
        assert_eq!(limit("0::/a/b\n"), None);
        write("a/memory.max", "134217728\n");
        assert_eq!(limit("0::/a/b\n"), Some(134_217_728));
        write("a/b/memory.max", "1048576\n");
        assert_eq!(limit("0::/a/b\n"), Some(1_048_576));
        assert_eq!(limit("0::/a\n"), Some(134_217_728));
        write("memory/c/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit("5:cpu:/x\n4:memory:/c\n0::/\n"), None);
        write("memory/memory.limit_in_bytes", "67108864\n");
        assert_eq!(limit("5:cpu:/x\n4:hugetlb,memory:/c\n0::/\n"), Some(67_108_864));
        assert_eq!(limit("4:memory:/of/the/host\n"), Some(67_108_864), "the own group is the root");
        for odd in ["", "nonsense\n", "4:memory\n", "0::/../../etc\n"] {
            assert!(limit(odd).is_none_or(|bytes| bytes > 0), "{odd:?}");
        }
    }
}
