//! Learns from the gateway what it holds: at the start, from time to time, and after each doubt.

use super::Proxy;
use super::upstream::Upstream;
use crate::inventory::{Bounds, Learned, read};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// The least time between two questions.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a start waits for the first answer.
const FIRST: Duration = Duration::from_secs(5);
/// Parts of the answer that may wait to be read.
const PARTS: usize = 4;

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
        let Proxy { inventory, live, upstream, limits, .. } = &*self.proxy;
        let mark = inventory.mark();
        let asked = timeout(limits.upstream, ask(upstream, self.bounds)).await;
        let (groups, odd) = asked.unwrap_or_else(|_| Err("it took too long".to_owned()))?;
        if odd > 0 {
            tracing::warn!(
                msg = "groups that cannot be followed",
                count = odd,
                detail = "their keys are none that a push could have, or they are too many"
            );
        }
        let world = live.load();
        inventory.learn(mark, groups, |key| world.policy.pusher(key).map(|principal| principal.name.clone()));
        Ok(())
    }

    /// Asks a first time, for as long as a start may take, and again and again from then on.
    pub async fn start(self) {
        let failed = timeout(FIRST, self.told(false)).await.unwrap_or(true);
        tokio::spawn(self.run(failed));
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

/// Reads the answer part by part on a thread of its own: it can be larger than the memory that it should take.
async fn ask(upstream: &Upstream, bounds: Bounds) -> Result<(Vec<Learned>, usize), String> {
    let mut reading = upstream.list().await.map_err(|failure| failure.detail)?;
    let (send, parts) = mpsc::channel(PARTS);
    let source = Parts { parts, part: Bytes::new() };
    let reader = tokio::task::spawn_blocking(move || read(source, &bounds).map_err(|error| error.to_string()));
    let mut next = upstream.begin(&mut reading).await.map_err(|failure| failure.detail)?;
    while let Some(part) = next {
        if send.send(part).await.is_err() {
            // The reader has given up, and says why.
            break;
        }
        next = upstream.next_part(&mut reading).await.map_err(|failure| failure.detail)?;
    }
    drop(send);
    reader.await.map_err(|_| "its answer could not be read".to_owned())?
}

/// The parts of a body as a stream of bytes.
struct Parts {
    parts: mpsc::Receiver<Bytes>,
    part: Bytes,
}

impl io::Read for Parts {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.part.len());
        let part = self.part.split_to(count);
        if let Some(place) = out.get_mut(..count) {
            place.copy_from_slice(&part);
        }
        Ok(count)
    }
}
