//! Where address lists come from, and how long they are believed, as flags.

use crate::fetch::{Timeouts, Url, check_url};
use crate::policy::Ranges;
use crate::ranges::Lines;
use crate::ranges::ask::Asker;
use crate::ranges::feed::{Feed, Origin};
use crate::ranges::github;
use crate::ranges::keeper::{MaxAge, PastAge};
use std::path::PathBuf;
use std::time::Duration;

/// How often a server on the internet may be asked, and one on this machine.
const MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);
const MIN_LOCAL_INTERVAL: Duration = Duration::from_secs(1);

/// Where lists come from.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Address lists")]
pub(super) struct ListFlags {
    /// Where GitHub's address ranges are fetched from; plain http only to this machine
    #[arg(long = "ranges.github-url", env = "PUSHGUARD_RANGES_GITHUB_URL", value_name = "URL")]
    #[arg(default_value = github::URL, value_parser = check_url)]
    github_url: Url,
    /// A file with a token for it, sent to no other host
    #[arg(long = "ranges.github-token-file", env = "PUSHGUARD_RANGES_GITHUB_TOKEN_FILE", value_name = "FILE")]
    github_token_file: Option<PathBuf>,
    /// PEM certificates of authorities that are trusted besides those of the system
    #[arg(long = "ranges.ca-file", env = "PUSHGUARD_RANGES_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// How long they are believed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Address lists")]
pub(super) struct AgeFlags {
    /// The time between two fetches of a list, give or take a tenth
    #[arg(long = "ranges.interval", env = "PUSHGUARD_RANGES_INTERVAL", value_name = "DURATION")]
    #[arg(default_value = "6h", value_parser = long)]
    interval: Duration,
    /// How long a list is good that its source has not given or confirmed since; after three days that is warned of
    #[arg(long = "ranges.max-age", env = "PUSHGUARD_RANGES_MAX_AGE", value_name = "DURATION")]
    #[arg(default_value = "30d", value_parser = long)]
    max_age: Duration,
    /// What becomes of an older one: it is kept, or those whom only it admits are denied
    #[arg(long = "ranges.past-max-age", env = "PUSHGUARD_RANGES_PAST_MAX_AGE", value_name = "WHAT", value_enum)]
    #[arg(default_value = "keep")]
    past_max_age: Past,
    /// A meta document of GitHub for a first start without network; its age is that of the file
    #[arg(long = "ranges.seed-file", env = "PUSHGUARD_RANGES_SEED_FILE", value_name = "FILE")]
    pub(super) seed_file: Option<PathBuf>,
    /// How long readiness waits for lists that are not there; then the rest is served without them
    #[arg(long = "ranges.ready-timeout", env = "PUSHGUARD_RANGES_READY_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "60s", value_parser = ready_timeout)]
    pub(super) ready_timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Past {
    Keep,
    Deny,
}

impl ListFlags {
    /// The feeds that a policy needs, each asked once in `interval`.
    ///
    /// # Errors
    /// Where the interval would spend the requests that one address shares.
    pub(super) fn feeds(&self, ranges: &Ranges, interval: Duration) -> Result<Vec<Feed>, String> {
        let origin = Origin::Url { url: self.github_url.clone(), token_file: self.github_token_file.clone() };
        let github = Feed { name: github::NAME.to_owned(), origin, interval, lists: ranges.github.clone() };
        let own = ranges.feeds.iter().map(|feed| Feed { interval, ..feed.clone() });
        let feeds: Vec<Feed> = Some(github).filter(|feed| !feed.lists.is_empty()).into_iter().chain(own).collect();
        for feed in &feeds {
            let Origin::Url { url, .. } = &feed.origin else { continue };
            let least = if url.scheme() == "http" { MIN_LOCAL_INTERVAL } else { MIN_INTERVAL };
            if interval < least {
                return Err(format!("--ranges.interval: {url} may be asked every {} s at most", least.as_secs()));
            }
        }
        Ok(feeds)
    }

    /// What asks those feeds once.
    ///
    /// # Errors
    /// Where one cannot be asked.
    pub(super) fn askers(&self, feeds: &[Feed]) -> Result<Vec<Asker>, String> {
        provide_tls();
        let asker = |feed: &Feed| Asker::new(feed, self.ca_file.as_deref(), Timeouts::default());
        feeds.iter().map(asker).collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    /// Lines to those feeds.
    ///
    /// # Errors
    /// Where one cannot be asked.
    pub(super) fn lines(&self, feeds: Vec<Feed>) -> Result<Lines, String> {
        provide_tls();
        Lines::new(feeds, self.ca_file.as_deref()).map_err(|error| format!("the address lists: {error}"))
    }
}

impl AgeFlags {
    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    pub(super) const fn max_age(&self) -> MaxAge {
        let then = match self.past_max_age {
            Past::Keep => PastAge::Keep,
            Past::Deny => PastAge::Deny,
        };
        MaxAge { age: self.max_age, then }
    }
}

fn provide_tls() {
    // One crypto library for everything that speaks TLS; a second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn long(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 3600);
    crate::config::duration(text).filter(|d| range.contains(d)).ok_or_else(|| "expected 1s to 365d".to_owned())
}

fn ready_timeout(text: &str) -> Result<Duration, String> {
    let most = Duration::from_secs(60);
    crate::config::duration(text).filter(|duration| *duration <= most).ok_or_else(|| "expected 0s to 60s".to_owned())
}
