//! Learns from the gateway what it holds: at the start, from time to time, and after each doubt.

use super::Proxy;
use crate::decision::learned_owner;
use crate::groups::Detail;
use crate::inventory::{Bounds, Learning};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// The least time between two questions.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a start waits for the first answer.
const FIRST: Duration = Duration::from_secs(5);

/// Keeps the inventory true.
pub struct Learner {
    proxy: Arc<Proxy>,
    bounds: Bounds,
}

impl Learner {
    /// For the proxy's inventory, which has these bounds.
    pub fn new(proxy: Arc<Proxy>, bounds: Bounds) -> Self {
        Self { proxy, bounds }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why the gateway could not be asked, or its answer not be read. What was known stays.
    async fn learn(&self) -> Result<(), String> {
        let Proxy { inventory, live, upstream, .. } = &*self.proxy;
        let mark = inventory.mark();
        let learning = Arc::new(Mutex::new(Learning::new(&self.bounds)));
        let telling = learning.clone();
        upstream.groups(Detail::Hashes, |_| Ok(()), move |group| telling.lock().add(group)).await?;
        let learned = std::mem::replace(&mut *learning.lock(), Learning::new(&self.bounds));
        let (groups, odd) = learned.finish();
        if odd > 0 {
            tracing::warn!(
                msg = "groups that cannot be followed",
                count = odd,
                detail = "their keys are none that a push could have, or they are too many"
            );
        }
        let world = live.load();
        inventory.learn(mark, groups, |key| learned_owner(&world.policy, key));
        self.proxy.show_room();
        Ok(())
    }

    /// Asks a first time, and again and again from then on; returns when there was an answer, or after as long as a start
    /// may wait for it.
    pub async fn start(self) {
        let (asked, answered) = oneshot::channel();
        tokio::spawn(async move {
            let failed = self.told(false).await;
            // Nobody waits any longer where it took too long.
            let _ = asked.send(());
            self.run(failed).await;
        });
        let _ = timeout(FIRST, answered).await;
    }

    async fn run(self, mut failed: bool) {
        loop {
            sleep(PAUSE).await;
            let interval = if failed { PAUSE } else { self.proxy.limits.learn };
            // A doubt cuts the wait short.
            let _ = timeout(interval, self.proxy.upstream.doubted()).await;
            failed = self.told(failed).await;
        }
    }

    /// Asks once and says how it went, where that is news; answers whether it failed.
    async fn told(&self, failed: bool) -> bool {
        match self.learn().await {
            Ok(()) => {
                let (groups, names) = (self.proxy.inventory.groups(), self.proxy.inventory.names());
                if failed {
                    tracing::info!(msg = "the gateway tells again what it holds", groups, names);
                } else {
                    tracing::debug!(msg = "the gateway told what it holds", groups, names);
                }
                false
            }
            Err(detail) => {
                if !failed {
                    tracing::warn!(msg = "the gateway does not tell what it holds", detail);
                }
                true
            }
        }
    }
}
