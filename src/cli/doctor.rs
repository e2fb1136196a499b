//! `pushguard doctor`

use super::gateway::Gateway;
use super::{Outcome, complain, say};
use crate::clock::{Clock, SystemClock};
use crate::doctor::{Finding, Flags, Level, Scrape, check, examine};
use crate::proxy::Upstream;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Say what is wrong with a Pushgateway, and which group breaks its scrape.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    gateway: Gateway,
    /// Delete the groups that break the scrape, and nothing else
    #[arg(long)]
    heal: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Rounds of healing: what one group hid, the next round shows.
const ROUNDS: usize = 5;

impl Doctor {
    /// The findings go to standard output.
    pub(super) fn run(self) -> Outcome {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                complain(format_args!("cannot start: {error}"));
                return Outcome::Undecided;
            }
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let examined =
            self.gateway.upstream(&clock).and_then(|upstream| runtime.block_on(self.examine(&upstream, &*clock)));
        match examined {
            Ok((findings, healed)) => self.tell(&findings, &healed),
            Err(why) => {
                complain(format_args!("{}: {why}", self.gateway.authority()));
                Outcome::Undecided
            }
        }
    }

    async fn examine(
        &self,
        upstream: &Arc<Upstream>,
        clock: &dyn Clock,
    ) -> Result<(Vec<Finding>, Vec<String>), String> {
        let mut scrape = check(upstream).await?;
        let healed = if self.heal { heal(upstream, &mut scrape).await? } else { Vec::new() };
        let status = upstream.page("/api/v1/status", 256 * 1024).await?;
        let flags = Flags::read(&status.body).ok_or("/api/v1/status is not the page of a Pushgateway")?;
        let profiling = upstream.page("/debug/pprof/cmdline", 4096).await.is_ok_and(|page| page.status == 200);
        let now = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok((examine(&scrape, &flags, &around(self.gateway.authority()), profiling, now), healed))
    }

    fn tell(&self, findings: &[Finding], healed: &[String]) -> Outcome {
        let said = if self.json {
            let list: Vec<serde_json::Value> = findings
                .iter()
                .map(|f| serde_json::json!({ "level": f.level.text(), "about": f.about, "text": f.text }))
                .collect();
            say(format_args!("{:#}", serde_json::json!({ "healed": healed, "findings": list })))
        } else {
            let healed = healed.iter().map(|group| format!("healed  deleted    {group}"));
            let lines = findings.iter().map(|f| format!("{:<7} {:<10} {}", f.level.text(), f.about, f.text));
            healed.chain(lines).all(say)
        };
        match said {
            false => Outcome::Undecided,
            true if findings.iter().any(|f| f.level == Level::Bad) => Outcome::Invalid,
            true => Outcome::Ok,
        }
    }
}

/// Deletes who breaks the scrape, until nobody is known that does; answers whom.
async fn heal(upstream: &Arc<Upstream>, scrape: &mut Scrape) -> Result<Vec<String>, String> {
    let mut healed = Vec::new();
    for _ in 0..ROUNDS {
        if scrape.culprits.is_empty() {
            break;
        }
        for culprit in &scrape.culprits {
            for path in &culprit.paths {
                upstream.remove(path, |_| true).await?;
            }
            healed.push(format!("{} {}", culprit.group, culprit.why));
        }
        // A DELETE is answered before it is done.
        tokio::time::sleep(Duration::from_millis(200)).await;
        *scrape = check(upstream).await?;
    }
    healed.dedup();
    Ok(healed)
}

/// The addresses of this machine, other than loopback, under which a gateway on loopback answers as well.
fn around(authority: &str) -> Vec<String> {
    let Some((host, port)) = authority.rsplit_once(':') else { return Vec::new() };
    let loopback =
        host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let Some(port) = port.parse::<u16>().ok().filter(|_| loopback) else { return Vec::new() };
    let own = ["192.0.2.1:9", "[2001:db8::1]:9"].iter().filter_map(|far| own_address(far));
    let reached = own.map(|ip| SocketAddr::new(ip, port));
    let answers = |address: &SocketAddr| TcpStream::connect_timeout(address, Duration::from_secs(1)).is_ok();
    reached.filter(answers).map(|address| address.to_string()).collect()
}

/// The address that this machine would send from to a far one; nothing is sent.
fn own_address(far: &str) -> Option<IpAddr> {
    let bind = if far.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(bind).ok()?;
    socket.connect(far).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}
