//! Reads what the gateway says of itself: at the start, and again where it may be another one.

use super::Upstream;
use super::status::Status;
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long to wait where it could not be read.
const AGAIN: Duration = Duration::from_secs(5);
/// The least time between two readings; connections are opened more often than gateways are replaced.
const APART: Duration = Duration::from_secs(10);
/// Bytes of the page; the flags are all of it.
const PAGE_BYTES: usize = 256 * 1024;

impl Upstream {
    /// Reads the gateway's status now, and whenever a new connection to it was opened since. Logs what it is and what to
    /// know of it, once for each change. Nobody waits for this.
    pub async fn watch(self: Arc<Self>, metrics: Arc<Metrics>) {
        let (mut known, mut failure) = (None, String::new());
        loop {
            let read = timeout(self.limits.upstream, self.status()).await;
            match read.unwrap_or_else(|_| Err("it did not answer in time".to_owned())) {
                Ok(status) => {
                    failure.clear();
                    if known.as_ref() != Some(&status) {
                        self.doubt();
                        tell(&status, &metrics);
                        self.version.lock().clone_from(&status.version);
                        known = Some(status);
                    }
                    sleep(APART).await;
                    self.connected.notified().await;
                }
                Err(detail) => {
                    if failure != detail {
                        tracing::warn!(msg = "the gateway is not known", gateway = self.url.authority(), detail);
                        failure = detail;
                    }
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn status(&self) -> Result<Status, String> {
        let path = "/api/v1/status";
        let page = self.page(path, PAGE_BYTES).await?;
        match page.status {
            200 => Status::read(&page.body).map_err(|e| format!("{path} is not the status of a Pushgateway: {e}")),
            404 => Err(format!("{path} is not there; is the path of --upstream.url its --web.route-prefix?")),
            status => Err(format!("{path} was answered with {status}")),
        }
    }
}

fn tell(status: &Status, metrics: &Metrics) {
    tracing::info!(
        msg = "gateway",
        version = status.version,
        started = status.started,
        utf8_names = status.utf8_names,
        consistency_check = status.checks_consistency,
    );
    for warning in status.warnings() {
        tracing::warn!(msg = "gateway warning", version = status.version, detail = warning);
    }
    metrics.set_gateway(&status.version, status.utf8_names, status.checks_consistency);
}
