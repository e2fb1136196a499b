//! Looks again and again whether the gateway is there and can be scraped.

use super::scrape::{Scrape, check};
use crate::metrics::Metrics;
use crate::proxy::Upstream;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Every so many looks the list of groups is read, too: some groups break a scrape that the gateway serves.
const WHOLE: u32 = 10;

/// What something between here and the gateway answers where the gateway does not.
const BETWEEN: RangeInclusive<u16> = 502..=504;

/// The watch of `serve` on the gateway.
pub struct Watchdog {
    /// The gateway.
    pub upstream: Arc<Upstream>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// From one look to the next.
    pub interval: Duration,
}

impl Watchdog {
    /// Looks; ends only by being dropped.
    pub async fn run(self) {
        let (mut broken, mut looks) = (false, 0_u32);
        loop {
            tokio::time::sleep(self.interval).await;
            let page = self.upstream.page("/metrics", 1).await;
            self.metrics.cleaning.set_up(page.as_ref().is_ok_and(|page| !BETWEEN.contains(&page.status)));
            // A gateway that is away has no scrape to break.
            let Ok(page) = page else { continue };
            looks = looks.wrapping_add(1);
            if page.status == 200 && !page.body.is_empty() && !broken && looks % WHOLE != 1 {
                continue;
            }
            let Ok(scrape) = check(&self.upstream).await else { continue };
            if scrape.broken.is_some() != broken {
                tell(&scrape);
            }
            broken = scrape.broken.is_some();
            self.metrics.cleaning.set_scrape_broken(broken);
        }
    }
}

fn tell(scrape: &Scrape) {
    let Some(error) = &scrape.broken else {
        return tracing::info!(msg = "the gateway can be scraped again");
    };
    let group = scrape.culprits.first().map(|culprit| culprit.group.as_str()).unwrap_or_default();
    tracing::error!(
        msg = "the gateway cannot be scraped",
        error,
        group,
        detail = "everybody's metrics are lost until the group is deleted; pushguard doctor --heal does it",
    );
}
