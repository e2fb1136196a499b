//! The authorities that the gateway's certificate is verified by, kept as their file is.

use super::tls::pause;
use crate::config::Fingerprint;
use crate::proxy::Upstream;
use crate::tls;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

/// The file, and what it held when it was last read.
pub(super) struct Trust {
    file: PathBuf,
    read: Fingerprint,
}

impl Trust {
    /// The file as it is now, about to be read.
    pub(super) fn note(file: &Path) -> Self {
        Self { file: file.to_owned(), read: fingerprint(file) }
    }

    /// Looks at the file now and then, and at once on a signal; ends only by being dropped.
    pub(super) async fn run(mut self, upstream: Arc<Upstream>, mut hangup: Signal, interval: Duration) {
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = pause(interval) => {}
            }
            self.look(&upstream).await;
        }
    }

    async fn look(&mut self, upstream: &Upstream) {
        let (file, read) = (self.file.clone(), self.read);
        let looked = spawn_blocking(move || {
            let now = fingerprint(&file);
            (now != read).then(|| (now, tls::client(Some(&file))))
        });
        let Ok(Some((now, outcome))) = looked.await else { return };
        self.read = now;
        match outcome {
            Ok(config) => {
                upstream.trust(config);
                tracing::info!(msg = "gateway authorities reloaded", file = %self.file.display());
            }
            Err(problem) => {
                tracing::error!(msg = "gateway authorities not reloaded", %problem, detail = "those in use stay");
            }
        }
    }
}

fn fingerprint(file: &Path) -> Fingerprint {
    Fingerprint::of(&BTreeSet::from([file.to_owned()]))
}
