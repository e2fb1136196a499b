//! `pushguard serve`

mod cleaning;
mod house;
mod lists;
mod log_flags;
mod look;
mod memory;
mod policy_file;
mod reload;
mod report_mode;
mod signals;
mod stop;
mod tls;
mod trust;

use super::gateway;
use super::limits::LimitFlags;
use super::listen::Listen;
use super::range_flags::{AgeFlags, ListFlags};
use super::{Outcome, complain, random};
use crate::admin::Admin;
use crate::clock::{Clock, SystemClock};
use crate::gate::Gate;
use crate::inventory::{Bounds, Inventory};
use crate::keys::{self, Keys};
use crate::live::Live;
use crate::logging;
use crate::metrics::Metrics;
use crate::policy::{Limit, Policy};
use crate::proxy::{Connections, Learner, Proxy, Room, Upstream, UpstreamUrl};
use crate::ranges::refresh::Settings;
use crate::ranges::store::Store;
use crate::request::{ExternalUrl, RoutePrefix, Web};
use crate::state::StateFile;
use cleaning::Cleaning;
use house::{Door, Exposure, House, bind, exposed};
use lists::Lists;
use log_flags::LogFlags;
use look::{Look, PageFlag};
use policy_file::{PolicyFile, Reading, Watched};
use reload::{Reloader, Triggers};
use ring::rand::SystemRandom;
use signals::Signals;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use stop::{Running, StopFlags};
use tls::{Certificates, TlsFlags};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use trust::Trust;

/// Stand in front of a Pushgateway and enforce a policy.
#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// The policy file
    #[arg(long = "policy.file", env = "PUSHGUARD_POLICY_FILE", value_name = "FILE")]
    policy_file: PathBuf,
    /// How often the policy and the files that it names are looked at for changes, which are taken into use while
    /// requests go on; 0s for never. SIGHUP reloads at once
    #[arg(long = "policy.watch-interval", env = "PUSHGUARD_POLICY_WATCH_INTERVAL", value_name = "DURATION")]
    #[arg(default_value = "5s", value_parser = watch_interval)]
    watch_interval: Duration,
    /// The Pushgateway behind, http or https
    #[arg(
        long = "upstream.url",
        env = "PUSHGUARD_UPSTREAM_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:9092"
    )]
    upstream_url: UpstreamUrl,
    /// The authorities that may sign the certificate of an https gateway, PEM, instead of those of the system
    #[arg(long = "upstream.ca-file", env = "PUSHGUARD_UPSTREAM_CA_FILE", value_name = "FILE")]
    upstream_ca_file: Option<PathBuf>,
    /// Where to listen, HOST:PORT or :PORT; repeat it for several listeners, which a policy tells apart by NAME
    /// (default: "default"). Port 0 takes a free one
    #[arg(
        long = "web.listen-address",
        env = "PUSHGUARD_WEB_LISTEN_ADDRESS",
        value_name = "[NAME=]ADDR",
        value_delimiter = ',',
        default_value = ":9091"
    )]
    listen: Vec<Listen>,
    /// The path in front of every path, such as /pushgateway (default: the path of --web.external-url)
    #[arg(long = "web.route-prefix", env = "PUSHGUARD_WEB_ROUTE_PREFIX", value_name = "PATH")]
    route_prefix: Option<RoutePrefix>,
    /// The address that people and browsers use, such as https://push.example.com; pages of other origins may not push
    /// (default: that of the Host header)
    #[arg(long = "web.external-url", env = "PUSHGUARD_WEB_EXTERNAL_URL", value_name = "URL")]
    external_url: Option<ExternalUrl>,
    /// Where metrics and health are served
    #[arg(
        long = "admin.listen-address",
        env = "PUSHGUARD_ADMIN_LISTEN_ADDRESS",
        value_name = "ADDR",
        default_value = "127.0.0.1:9095"
    )]
    admin: Listen,
    /// Take POST /-/reload on the admin listener, which reloads the policy
    #[arg(
        long = "web.enable-lifecycle",
        env = "PUSHGUARD_WEB_ENABLE_LIFECYCLE",
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    enable_lifecycle: bool,
    /// The folder for what must outlive a restart; without one it is kept in memory only
    #[arg(long = "state.dir", env = "PUSHGUARD_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The memory that the process may take, such as 128MiB; what can need more is not started. 0 to not look (default:
    /// the limit of its control group)
    #[arg(long = "memory.limit", env = "PUSHGUARD_MEMORY_LIMIT", value_name = "BYTES", value_parser = bytes)]
    memory_limit: Option<u64>,
    #[command(flatten)]
    page: PageFlag,
    #[command(flatten)]
    log: LogFlags,
    #[command(flatten)]
    tls: TlsFlags,
    #[command(flatten)]
    stop: StopFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    cleaning: Cleaning,
    #[command(flatten)]
    lists: ListFlags,
    #[command(flatten)]
    ages: AgeFlags,
}

/// The name of the admin listener in the log.
const ADMIN: &str = "admin";

impl Serve {
    pub(super) fn run(self) -> Outcome {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let metrics = Arc::new(Metrics::new());
        self.log.install(clock.clone(), metrics.clone());
        let outcome = self.run_logged(clock, metrics);
        logging::flush();
        outcome
    }

    fn run_logged(&self, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Outcome {
        let source = PolicyFile {
            file: self.policy_file.clone(),
            listeners: self.listen.iter().map(|listen| listen.name.clone()).collect(),
            body_bytes: self.limits.limits().body_bytes,
            limits: self.limits.limits(),
            asks_clients: self.tls.asks_clients(),
            memory: None,
            readings: Arc::default(),
        };
        let Reading { outcome, watched } = source.read();
        let policy = match outcome {
            Ok(loaded) => {
                policy_file::warn(&loaded);
                source.readings.taken(clock.wall(), &loaded.warnings);
                loaded.policy
            }
            Err(problems) => {
                eprintln!("{problems}");
                return if problems.unreadable { Outcome::Undecided } else { Outcome::Invalid };
            }
        };
        match self.start(policy, (source, watched), clock, metrics) {
            Ok(()) => Outcome::Ok,
            Err(message) => {
                complain(message);
                Outcome::Undecided
            }
        }
    }

    fn start(
        &self,
        policy: Policy,
        mut file: (PolicyFile, Watched),
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<(), String> {
        self.check_names()?;
        self.check_state_folder()?;
        let trust = self.upstream_ca_file.as_deref().map(Trust::note);
        let upstream = Arc::new(gateway::upstream(
            &self.upstream_url,
            self.upstream_ca_file.as_deref(),
            self.limits.limits(),
            clock.clone(),
        )?);
        let names: Vec<String> = file.0.listeners.iter().cloned().chain([ADMIN.to_owned()]).collect();
        let certificates = Certificates::read(self.tls.files(&names)?, clock.clone(), metrics.clone())?;
        let tls = memory::Tls { server: !certificates.are_none(), clients: self.tls.asks_clients() };
        if let Some(limit) = self.memory_limit.or_else(memory::limit).filter(|limit| *limit > 0) {
            memory::Worst::of(&self.limits.limits(), policy.verifier_memory_kib(), tls).fits(limit)?;
            file.0.memory = Some((limit, tls));
        }
        let door = |listen: &Listen| {
            let flag = if listen.name == ADMIN { "admin" } else { "web" };
            let bound = bind(listen).map_err(|error| format!("--{flag}.listen-address: {error}"))?;
            let tls = certificates.of(&bound);
            Ok::<Door, String>((bound, tls))
        };
        let doors = self.listen.iter().map(door).collect::<Result<Vec<_>, _>>()?;
        let admin = door(&self.admin.named(ADMIN))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("cannot start threads: {e}"))?;
        let secured = (certificates, trust);
        let served = runtime.block_on(self.serve(policy, file, (clock, metrics), secured, upstream, (doors, admin)));
        runtime.shutdown_background();
        served
    }

    fn check_names(&self) -> Result<(), String> {
        for (index, listen) in self.listen.iter().enumerate() {
            if listen.name == ADMIN {
                return Err(format!("the listener name {ADMIN:?} is taken by --admin.listen-address"));
            }
            if self.listen.iter().take(index).any(|other| other.name == listen.name) {
                return Err(format!("two listeners are named {:?}; write --web.listen-address NAME=ADDR", listen.name));
            }
        }
        Ok(())
    }

    /// Better now than when the first list is to be kept.
    fn check_state_folder(&self) -> Result<(), String> {
        let Some(folder) = &self.state_dir else { return Ok(()) };
        let probe = StateFile::new(folder, "probe", "probe", 1);
        probe.save(&()).and_then(|()| probe.remove()).map_err(|e| format!("--state.dir: {e}"))
    }

    async fn serve(
        &self,
        policy: Policy,
        (source, watched): (PolicyFile, Watched),
        (clock, metrics): (Arc<dyn Clock>, Arc<Metrics>),
        (certificates, trust): (Certificates, Option<Trust>),
        upstream: Arc<Upstream>,
        (doors, admin): (Vec<Door>, Door),
    ) -> Result<(), String> {
        let limits = self.limits.limits();
        let exposure = Exposure { listeners: exposed(&doors), metrics: metrics.clone() };
        exposure.tell(&policy);
        metrics.set_reloaded(clock.wall());
        metrics.know_limits(Limit::ALL.iter().map(|limit| limit.name()));
        lists::warn(&policy);
        let system = SystemRandom::new();
        let cache_key = random::bytes(&system).ok_or("the system has no randomness")?;
        let gate = Gate::new(clock.clone(), limits, policy.verifier_memory_kib(), cache_key);
        let settings = self.range_settings(clock.clone(), &metrics);
        let live = Arc::new(Live::new(policy));
        let keys = self.keys(&live, clock.clone(), &metrics)?;
        let bounds = Bounds::new(limits.groups, limits.metrics, limits.page_bytes);
        let proxy = Arc::new(Proxy {
            live: live.clone(),
            gate,
            keys,
            upstream: upstream.clone(),
            inventory: Arc::new(Inventory::new(bounds)),
            limits,
            body_room: Room::new(limits.body_bytes),
            clock: clock.clone(),
            metrics: metrics.clone(),
            recent: Arc::default(),
            web: self.web(),
            ids: request_ids(),
        });
        if self.state_dir.is_none() {
            tracing::warn!(
                msg = "no state folder",
                detail =
                    "without --state.dir nothing outlives a restart; address ranges are fetched anew at every start",
            );
        }
        let cannot_wait = |e| format!("cannot wait for signals: {e}");
        let mut signals = Signals::new().map_err(cannot_wait)?;
        let hangup = || signal(SignalKind::hangup()).map_err(cannot_wait);
        tokio::spawn(certificates.run(hangup()?, self.watch_interval));
        if let Some(trust) = trust {
            tokio::spawn(trust.run(upstream.clone(), hangup()?, self.watch_interval));
        }
        let hangup = hangup()?;
        let (stop, stopping) = watch::channel(false);
        let (drain, draining) = watch::channel(false);
        let ready = Arc::new(AtomicBool::new(false));
        let house = House {
            limits,
            connections: Connections::new(limits.connections, limits.source_connections),
            live: live.clone(),
            in_flight: Arc::new(AtomicUsize::new(0)),
            clock,
            metrics: metrics.clone(),
            draining,
            stopping,
        };
        if !limits.learn.is_zero() {
            Learner::new(proxy.clone(), bounds).start().await;
        }
        let mut services = Vec::new();
        for door in doors {
            services.push(house.open(door, proxy.clone()));
        }
        let admin_house = House { connections: Connections::new(64, 64), ..house.clone() };
        let admin_ids = request_ids();
        let (ask, requests) = mpsc::channel(1);
        let reload = self.enable_lifecycle.then_some(ask);
        let look = Look::new(&proxy, &source, ready.clone());
        let (audience, status) = (self.page.audience, Box::new(move || look.status()));
        let admin_handler = Admin { metrics, ready: ready.clone(), reload, audience, status, ids: admin_ids };
        services.push(admin_house.open(admin, Arc::new(admin_handler)));
        let policy = live.load().policy.clone();
        let (lists, arrival) = Lists::start((&self.lists, &self.ages), &policy, settings, live)?;
        let reloader = Reloader { source, watched, proxy, lists, adopt: Box::new(move |policy| exposure.tell(policy)) };
        tokio::spawn(reloader.run(Triggers { hangup, requests, interval: self.watch_interval }));
        let mut report_mode = house.report_mode();
        report_mode.look();
        tokio::spawn(report_mode.run());
        tokio::spawn(upstream.clone().watch(house.metrics.clone()));
        self.cleaning.start(&upstream, &house.live, (&house.clock, &house.metrics), self.state_dir.as_deref());
        let begun = async {
            arrival.wait().await;
            ready.store(true, Ordering::SeqCst);
            tracing::info!(msg = "ready", version = env!("CARGO_PKG_VERSION"));
            std::future::pending().await
        };
        let signal = tokio::select! {
            signal = signals.wait() => signal,
            signal = begun => signal,
        };
        let running =
            Running { ready, draining: drain, stopping: stop, services, in_flight: house.in_flight.clone(), upstream };
        self.stop.run(signal, signals, running).await;
        Ok(())
    }

    fn web(&self) -> Web {
        let external = self.external_url.as_ref();
        let path = external.map(|url| url.prefix.clone()).unwrap_or_default();
        Web {
            route_prefix: self.route_prefix.clone().unwrap_or(path),
            external_origin: external.map(|url| url.origin.clone()),
        }
    }

    /// Asks issuers from now on.
    fn keys(&self, live: &Arc<Live>, clock: Arc<dyn Clock>, metrics: &Metrics) -> Result<Arc<Keys>, String> {
        // One crypto library for everything that speaks TLS; a second call finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let world = live.clone();
        let keys = Keys::new(keys::Settings {
            folder: self.state_dir.clone(),
            clock,
            metrics: metrics.keys.clone(),
            publish: Box::new(move |keys| world.publish_keys(keys)),
            longest_wait: keys::LONGEST_WAIT,
        });
        keys.change(Keys::lines(&live.load().policy)?);
        Ok(keys)
    }

    fn range_settings(&self, clock: Arc<dyn Clock>, metrics: &Metrics) -> Settings {
        Settings {
            store: Store::new(self.state_dir.as_deref()),
            seed_file: self.ages.seed_file.clone(),
            max_age: self.ages.max_age(),
            clock,
            metrics: metrics.ranges.clone(),
        }
    }
}

/// Makes ids out of the system's randomness.
fn request_ids() -> Box<dyn Fn() -> String + Send + Sync> {
    let system = SystemRandom::new();
    Box::new(move || random::request_id(&system))
}

fn bytes(text: &str) -> Result<u64, String> {
    crate::config::size(text).ok_or_else(|| "expected a size such as 128MiB, or 0".to_owned())
}

fn watch_interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(3600);
    let duration = crate::config::duration(text).filter(|d| d.is_zero() || range.contains(d));
    duration.ok_or_else(|| "expected 1s to 1h, or 0s for never".to_owned())
}
