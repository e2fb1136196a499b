//! The TLS files of listeners: which flags name them, and how changed ones are taken into use.

use super::house::Bound;
use crate::cli::listen::{DEFAULT_NAME, is_name};
use crate::clock::Clock;
use crate::config::Fingerprint;
use crate::metrics::Metrics;
use crate::tls::{ClientAuth, LiveTls, ServerTls, Standing, TlsFiles};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

/// Certificates and keys of listeners.
#[derive(Debug, clap::Args)]
pub(super) struct TlsFlags {
    /// The certificate of a listener, followed by those of its issuers, PEM; with one it speaks TLS only. It is read
    /// again when it changes
    #[arg(long = "web.tls-cert-file", env = "PUSHGUARD_WEB_TLS_CERT_FILE", value_name = "[NAME=]FILE")]
    #[arg(value_delimiter = ',')]
    certificates: Vec<Named>,
    /// The private key of that certificate, PEM
    #[arg(long = "web.tls-key-file", env = "PUSHGUARD_WEB_TLS_KEY_FILE", value_name = "[NAME=]FILE")]
    #[arg(value_delimiter = ',')]
    keys: Vec<Named>,
    /// The authorities that sign the certificates of clients, PEM, for a listener with TLS: a certificate of theirs
    /// proves a principal by the names in it. It is read again when it changes
    #[arg(long = "web.tls-client-ca-file", env = "PUSHGUARD_WEB_TLS_CLIENT_CA_FILE", value_name = "[NAME=]FILE")]
    #[arg(value_delimiter = ',')]
    authorities: Vec<Named>,
    /// Whether clients must show such a certificate: required, or optional, where the policy asks for one
    #[arg(long = "web.tls-client-auth", env = "PUSHGUARD_WEB_TLS_CLIENT_AUTH", value_name = "[NAME=]MODE")]
    #[arg(value_delimiter = ',')]
    client_auth: Vec<Named<Demand>>,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    Optional,
    Required,
}

impl FromStr for Demand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(format!("expected [NAME=]optional or [NAME=]required, found {text:?}")),
        }
    }
}

/// `[NAME=]VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named<T = PathBuf> {
    name: String,
    value: T,
}

impl<T: FromStr<Err: ToString>> FromStr for Named<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').filter(|(name, _)| is_name(name)).unwrap_or((DEFAULT_NAME, text));
        if value.is_empty() {
            return Err(format!("expected [NAME=]FILE, found {text:?}"));
        }
        Ok(Self { name: name.to_owned(), value: value.parse().map_err(|e: T::Err| e.to_string())? })
    }
}

impl TlsFlags {
    /// Whether a listener takes certificates of clients.
    pub(super) fn asks_clients(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// The files of each listener that has some.
    pub(super) fn files(&self, listeners: &[String]) -> Result<BTreeMap<String, TlsFiles>, String> {
        const CERTIFICATE: &str = "--web.tls-cert-file";
        const KEY: &str = "--web.tls-key-file";
        const AUTHORITIES: &str = "--web.tls-client-ca-file";
        const CLIENT_AUTH: &str = "--web.tls-client-auth";
        let certificates = by_name(CERTIFICATE, &self.certificates, listeners)?;
        let mut keys = by_name(KEY, &self.keys, listeners)?;
        let mut authorities = by_name(AUTHORITIES, &self.authorities, listeners)?;
        let mut demands = by_name(CLIENT_AUTH, &self.client_auth, listeners)?;
        let mut files = BTreeMap::new();
        for (name, certificate) in certificates {
            let key = keys.remove(&name).ok_or_else(|| missing(&name, CERTIFICATE, KEY))?;
            let demand = demands.remove(&name);
            let clients = match (authorities.remove(&name), demand) {
                (Some(ca_file), demand) => Some(ClientAuth { ca_file, required: demand == Some(Demand::Required) }),
                (None, Some(_)) => return Err(missing(&name, CLIENT_AUTH, AUTHORITIES)),
                (None, None) => None,
            };
            files.insert(name, TlsFiles { certificate, key, clients });
        }
        let lone = [(KEY, keys.into_keys().next()), (AUTHORITIES, authorities.into_keys().next())];
        let lone = lone.into_iter().chain([(CLIENT_AUTH, demands.into_keys().next())]);
        match lone.filter_map(|(flag, name)| Some((flag, name?))).next() {
            Some((flag, name)) => Err(missing(&name, flag, CERTIFICATE)),
            None => Ok(files),
        }
    }
}

fn missing(name: &str, given: &str, other: &str) -> String {
    format!("the listener {name:?} has {given} but no {other}; write {other} {name}=FILE")
}

fn by_name<T: Clone>(flag: &str, given: &[Named<T>], listeners: &[String]) -> Result<BTreeMap<String, T>, String> {
    let mut values = BTreeMap::new();
    for Named { name, value } in given {
        if !listeners.contains(name) {
            let known = listeners.join(", ");
            return Err(format!("{flag}: there is no listener {name:?}; write {flag} NAME=FILE, one of: {known}"));
        }
        if values.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("{flag}: the listener {name:?} has it twice"));
        }
    }
    Ok(values)
}

/// What a listener speaks TLS with, and the files that it comes from.
pub(super) struct Secured {
    listener: String,
    files: TlsFiles,
    live: Arc<LiveTls>,
    read: Fingerprint,
    /// When the nearing end was last told.
    warned: Option<SystemTime>,
}

/// The TLS of all listeners that have some, kept as their files are.
pub(super) struct Certificates {
    all: Vec<Secured>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Certificates {
    /// Reads all files for the first time. Blocks on the file system.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used.
    pub(super) fn read(
        files: BTreeMap<String, TlsFiles>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let mut all = Vec::new();
        for (listener, files) in files {
            let read = Fingerprint::of(&files.paths());
            let tls = files.read().map_err(|e| format!("TLS of the listener {listener:?}: {e}"))?;
            metrics.tls.set_certificate(&listener, tls.validity.not_after);
            all.push(Secured { listener, files, live: Arc::new(LiveTls::new(tls)), read, warned: None });
        }
        Ok(Self { all, clock, metrics })
    }

    /// Whether no listener speaks TLS.
    pub(super) fn are_none(&self) -> bool {
        self.all.is_empty()
    }

    /// What that listener uses; none where it speaks no TLS.
    pub(super) fn of(&self, bound: &Bound) -> Option<Arc<LiveTls>> {
        self.all.iter().find(|secured| secured.listener == bound.name).map(|secured| secured.live.clone())
    }

    /// Looks at the files now and then, and at once on a signal; ends only by being dropped.
    pub(super) async fn run(mut self, mut hangup: Signal, interval: Duration) {
        if self.all.is_empty() {
            return;
        }
        loop {
            self.all.iter_mut().for_each(|secured| secured.warn(self.clock.wall()));
            tokio::select! {
                _ = hangup.recv() => {}
                () = pause(interval) => {}
            }
            for secured in &mut self.all {
                secured.look(self.clock.wall(), &self.metrics).await;
            }
        }
    }
}

/// Waits so long; for ever where it is zero.
pub(super) async fn pause(interval: Duration) {
    if interval.is_zero() {
        return std::future::pending().await;
    }
    tokio::time::sleep(interval).await;
}

impl Secured {
    /// Takes changed files into use. A pair whose other half is still to come does not fit, and is looked at again.
    async fn look(&mut self, now: SystemTime, metrics: &Metrics) {
        let (files, read) = (self.files.clone(), self.read);
        let looked = spawn_blocking(move || {
            let fingerprint = Fingerprint::of(&files.paths());
            (fingerprint != read).then(|| (fingerprint, files.read()))
        });
        let Ok(Some((fingerprint, outcome))) = looked.await else { return };
        self.read = fingerprint;
        let outcome = outcome.map_err(|e| e.to_string()).and_then(|tls| self.holds(tls, now));
        match outcome {
            Ok(tls) => {
                let not_after = tls.validity.not_after;
                self.live.publish(tls);
                self.warned = None;
                metrics.tls.set_certificate(&self.listener, not_after);
                let not_after = crate::logging::rfc3339(not_after);
                tracing::info!(msg = "certificate reloaded", listener = self.listener, not_after);
            }
            Err(problem) => {
                metrics.tls.set_reload_failed(&self.listener);
                let detail = "the one in use stays";
                tracing::error!(msg = "certificate not reloaded", listener = self.listener, problem, detail);
            }
        }
    }

    /// One that does not hold now never takes the place of another.
    fn holds(&self, tls: ServerTls, now: SystemTime) -> Result<ServerTls, String> {
        let file = self.files.certificate.display();
        let at = |time| crate::logging::rfc3339(time);
        match tls.validity.standing(now) {
            Standing::Expired => Err(format!("{file}: expired at {}", at(tls.validity.not_after))),
            Standing::NotYet => Err(format!("{file}: not valid before {}", at(tls.validity.not_before))),
            Standing::Good | Standing::NearItsEnd => Ok(tls),
        }
    }

    /// Tells once a day that the certificate in use needs another.
    fn warn(&mut self, now: SystemTime) {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let validity = self.live.load().validity;
        let standing = validity.standing(now);
        let told = self.warned.is_some_and(|at| now.duration_since(at).is_ok_and(|passed| passed < DAY));
        if standing == Standing::Good || told {
            return;
        }
        self.warned = Some(now);
        let (listener, file) = (&self.listener, self.files.certificate.display());
        let not_after = crate::logging::rfc3339(validity.not_after);
        match standing {
            Standing::Expired => {
                tracing::error!(msg = "certificate expired", listener, %file, not_after, detail = "clients refuse it");
            }
            Standing::NotYet => {
                let not_before = crate::logging::rfc3339(validity.not_before);
                tracing::error!(msg = "certificate not yet valid", listener, %file, not_before);
            }
            Standing::NearItsEnd | Standing::Good => {
                let detail = "it should have been renewed by now";
                tracing::warn!(msg = "certificate near its end", listener, %file, not_after, detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        flags: TlsFlags,
    }

    fn files(arguments: &[&str]) -> Result<BTreeMap<String, TlsFiles>, String> {
        let listeners = ["default", "public", "admin"].map(str::to_owned);
        let cli = Cli::try_parse_from([&["x"], arguments].concat()).map_err(|e| e.to_string())?;
        cli.flags.files(&listeners)
    }

    #[test]
    fn pairs_find_their_listeners() {
        let (cert, key) = ("--web.tls-cert-file", "--web.tls-key-file");
        let pair = |cert: &str, key: &str| TlsFiles { certificate: cert.into(), key: key.into(), clients: None };
        let found =
            files(&[cert, "/a=b/c.pem", key, "k.pem", cert, "public=c,admin=d", key, "admin=e", key, "public=f"]);
        let expected =
            [("admin", pair("d", "e")), ("default", pair("/a=b/c.pem", "k.pem")), ("public", pair("c", "f"))];
        assert_eq!(found.unwrap(), expected.map(|(name, pair)| (name.to_owned(), pair)).into());
        for (arguments, message) in [
            (&[cert, "c"][..], "the listener \"default\" has --web.tls-cert-file but no --web.tls-key-file; write"),
            (&[key, "public=c"], "the listener \"public\" has --web.tls-key-file but no --web.tls-cert-file; write"),
            (&[cert, "pulbic=c"], "--web.tls-cert-file: there is no listener \"pulbic\"; write"),
            (&[cert, "c", cert, "default=d", key, "k"], "--web.tls-cert-file: the listener \"default\" has it twice"),
            (&[cert, "public="], "expected [NAME=]FILE, found \"public=\""),
        ] {
            let error = files(arguments).unwrap_err();
            assert!(error.contains(message), "{arguments:?}: {error}");
        }
    }
}
