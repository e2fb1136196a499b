//! The gateway, for commands that talk to it themselves.

use crate::clock::Clock;
use crate::policy::Limits;
use crate::proxy::{Upstream, UpstreamUrl};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Gateway {
    /// The Pushgateway itself, not the listener of a pushguard
    #[arg(long = "upstream.url", env = "PUSHGUARD_UPSTREAM_URL", value_name = "URL")]
    #[arg(default_value = "http://127.0.0.1:9092")]
    url: UpstreamUrl,
    /// The authorities that may sign the certificate of an https gateway, PEM, instead of those of the system
    #[arg(long = "upstream.ca-file", env = "PUSHGUARD_UPSTREAM_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Gateway {
    /// Host and port.
    pub(super) fn authority(&self) -> &str {
        self.url.authority()
    }

    /// The way to it, with the default limits.
    pub(super) fn upstream(&self, clock: &Arc<dyn Clock>) -> Result<Arc<Upstream>, String> {
        upstream(&self.url, self.ca_file.as_deref(), Limits::default(), clock.clone()).map(Arc::new)
    }
}

/// The way to a gateway.
pub(super) fn upstream(
    url: &UpstreamUrl,
    ca_file: Option<&Path>,
    limits: Limits,
    clock: Arc<dyn Clock>,
) -> Result<Upstream, String> {
    if ca_file.is_some() && url.tls_name().is_none() {
        return Err("--upstream.ca-file is for an https:// --upstream.url".to_owned());
    }
    let authorities = || crate::tls::client(ca_file);
    Upstream::new(url.clone(), authorities, limits, clock).map_err(|e| format!("--upstream.ca-file: {e}"))
}
