//! What the status page tells, gathered when somebody looks.

use super::policy_file::PolicyFile;
use crate::admin::{Audience, PolicyStatus, SetStatus, Status};
use crate::config::Problems;
use crate::metrics::{SetGauge, SetLabels};
use crate::policy::{Mode, Policy, Principal};
use crate::proxy::Proxy;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Refusals that are shown.
const REFUSALS: usize = 50;
/// Lines of a list of problems, and characters of one, that are kept.
const LINES: usize = 100;
const LINE: usize = 400;

/// What came of the last readings of the policy.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<Last>);

#[derive(Clone, Debug, Default)]
struct Last {
    taken: Option<SystemTime>,
    warnings: Vec<String>,
    problems: Vec<String>,
}

impl Readings {
    /// One was taken into use.
    pub(super) fn taken(&self, now: SystemTime, warnings: &Problems) {
        let warnings = kept(warnings.list.iter().map(|warning| warning.in_file(&warnings.file)));
        *self.0.lock() = Last { taken: Some(now), warnings, problems: Vec::new() };
    }

    /// One was not, for these problems, one a line.
    pub(super) fn refused(&self, problems: &str) {
        self.0.lock().problems = kept(problems.lines().map(str::to_owned));
    }
}

fn kept(lines: impl Iterator<Item = String>) -> Vec<String> {
    lines.take(LINES).map(|line| line.chars().take(LINE).collect()).collect()
}

/// Who sees the page.
#[derive(Debug, clap::Args)]
pub(super) struct PageFlag {
    /// Who sees the status page, GET / of the admin listener: nobody, loopback (this machine, and whoever forwards a port
    /// to it), or everybody who reaches the listener
    #[arg(long = "admin.status-page", env = "PUSHGUARD_ADMIN_STATUS_PAGE", value_name = "WHO")]
    #[arg(default_value = "loopback", value_parser = audience)]
    pub(super) audience: Audience,
}

fn audience(text: &str) -> Result<Audience, String> {
    match text {
        "nobody" => Ok(Audience::Nobody),
        "loopback" => Ok(Audience::Loopback),
        "everybody" => Ok(Audience::Everybody),
        _ => Err("expected nobody, loopback or everybody".to_owned()),
    }
}

/// Where all of it is.
pub(super) struct Look {
    policy_file: PathBuf,
    readings: Arc<Readings>,
    proxy: Arc<Proxy>,
    ready: Arc<AtomicBool>,
    started: SystemTime,
}

impl Look {
    /// Looks from now on.
    pub(super) fn new(proxy: &Arc<Proxy>, source: &PolicyFile, ready: Arc<AtomicBool>) -> Self {
        let (policy_file, readings) = (source.file.clone(), source.readings.clone());
        Self { policy_file, readings, proxy: proxy.clone(), ready, started: proxy.clock.wall() }
    }

    /// How everything stands now.
    pub(super) fn status(&self) -> Status {
        let (now, world) = (self.proxy.clock.wall(), self.proxy.live.load());
        Status {
            version: env!("CARGO_PKG_VERSION"),
            now,
            started: self.started,
            ready: self.ready.load(Ordering::SeqCst),
            connections: self.proxy.metrics.connections.get(),
            policy: self.policy(&world.policy, world.generation, now),
            sets: world
                .policy
                .set_names()
                .into_iter()
                .map(|name| self.set(name, world.sets.contains_key(name)))
                .collect(),
            gateway: self.proxy.upstream.version(),
            scrape_broken: self.proxy.metrics.cleaning.scrape_is_broken(),
            groups: (self.proxy.inventory.groups(), self.proxy.limits.groups),
            seen: self.proxy.recent.look(REFUSALS),
        }
    }

    fn policy(&self, policy: &Policy, generation: u64, now: SystemTime) -> PolicyStatus {
        let Last { taken, warnings, problems } = self.readings.0.lock().clone();
        let reporting = policy.reporting().into_iter().filter(|(_, mode)| mode.reports(Some(now)));
        let until = |mode| match mode {
            Mode::Report { until } => until,
            Mode::Enforce => None,
        };
        PolicyStatus {
            file: self.policy_file.display().to_string(),
            generation,
            loaded: taken,
            problems,
            warnings,
            reporting: reporting.map(|(rule, mode)| (rule, until(mode))).collect(),
            principals: policy.principals.iter().map(|p| (p.name.to_string(), proof(p))).collect(),
        }
    }

    fn set(&self, name: &str, there: bool) -> SetStatus {
        let (ranges, labels) = (&self.proxy.metrics.ranges, SetLabels { set: name.to_owned() });
        let gauge = |family: &SetGauge| family.get(&labels).map(|gauge| gauge.get());
        let age = gauge(&ranges.age).and_then(|age| u64::try_from(age).ok()).map(Duration::from_secs);
        SetStatus {
            name: name.to_owned(),
            prefixes: gauge(&ranges.entries).filter(|_| there),
            age,
            refused: gauge(&ranges.refused_pending) == Some(1),
        }
    }
}

/// How a principal is proven.
fn proof(principal: &Principal) -> String {
    let proofs = [
        ("password", principal.basic.is_some()),
        ("token", principal.token.is_some()),
        ("certificate", principal.certificate.is_some()),
        ("no credential", principal.anonymous),
    ];
    let proofs: Vec<&str> = proofs.into_iter().filter_map(|(name, is)| is.then_some(name)).collect();
    proofs.join(" or ")
}
