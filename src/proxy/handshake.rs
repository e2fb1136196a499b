//! The TLS handshake of a connection: within its time, its failures counted, and told rarely enough.

use super::connections::Place;
use super::listener::{Handler, Listener};
use super::wire::{AnswerHead, Wire};
use crate::clock::Tick;
use crate::tls::ServerTls;
use parking_lot::Mutex;
use rustls::{AlertDescription, Error};
use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Failures come as fast as strangers make them; the log has one line for so much time, the counter has all of them.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The answer to HTTP on a listener that speaks TLS.
const HTTPS_ONLY: &[u8] = b"request_malformed: this port speaks https only\n";

/// What is kept of failures between two lines of the log.
#[derive(Debug, Default)]
pub struct Failures(Mutex<(Option<Tick>, u64)>);

impl Failures {
    /// Counts one; answers how many there were since the last line, where it is time for another.
    fn add(&self, now: Tick) -> Option<u64> {
        let mut state = self.0.lock();
        state.1 += 1;
        if state.0.is_some_and(|told| now.since(told) < TOLD_EVERY) {
            return None;
        }
        state.0 = Some(now);
        Some(std::mem::take(&mut state.1))
    }
}

/// Why a handshake came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    cause: &'static str,
    detail: Cow<'static, str>,
}

impl Failure {
    /// The client does not speak TLS.
    pub(super) const NOT_TLS: Self = Self { cause: "not_tls", detail: Cow::Borrowed("the client speaks no TLS") };

    /// The client's certificate was signed by a trusted authority, but its names cannot be read.
    pub(super) const UNREADABLE_CERTIFICATE: Self = Self {
        cause: "client_certificate",
        detail: Cow::Borrowed("the names in the client's certificate cannot be read"),
    };

    /// The library's word for it.
    pub(super) fn of(error: &io::Error) -> Self {
        let detail = error.to_string().into();
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
            return Self { cause: "closed", detail };
        };
        let cause = match tls {
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => "incompatible",
            // Only a certificate of the client is ever looked at here.
            Error::NoCertificatesPresented | Error::InvalidCertificate(_) => "client_certificate",
            Error::AlertReceived(alert) if concerns_certificate(*alert) => "certificate_refused",
            Error::AlertReceived(_) => "closed",
            _ => "protocol",
        };
        Self { cause, detail }
    }
}

/// Whether a client says that it does not trust what it was shown.
fn concerns_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
    )
}

impl<H: Handler> Listener<H> {
    /// Does the handshake where the listener speaks TLS; none where the connection has come to its end.
    pub(super) async fn secured(
        &self,
        mut wire: Wire,
        tls: Option<&ServerTls>,
        peer: IpAddr,
        place: &Place,
    ) -> Option<Wire> {
        let Some(tls) = tls else { return Some(wire) };
        let waiting = place.waits();
        let handshake = tokio::select! {
            biased;
            done = timeout(self.limits.handshake, wire.secure(tls.config.clone())) => done,
            () = waiting.called() => return None,
        };
        if !waiting.end() {
            return None;
        }
        let failure = match handshake {
            Ok(Ok(())) => return Some(wire),
            Ok(Err(failure)) => failure,
            Err(_) => Failure { cause: "timeout", detail: "the handshake took too long".into() },
        };
        self.metrics.tls.count_failure(&self.name, failure.cause);
        if let Some(failures) = self.handshake_failures.add(self.clock.tick()) {
            tracing::warn!(
                msg = "handshakes failed",
                listener = %self.name,
                failures,
                cause = failure.cause,
                peer = %peer,
                detail = &*failure.detail,
            );
        }
        if failure.cause == Failure::NOT_TLS.cause {
            self.tell_https(wire).await;
        }
        None
    }

    /// Who forgot the s in https is told, in what it understands.
    async fn tell_https(&self, mut wire: Wire) {
        let fields = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        wire.close();
        let head = AnswerHead { status: 400, fields };
        if matches!(timeout(self.limits.write, wire.answer(&head, HTTPS_ONLY)).await, Ok(Ok(()))) {
            wire.linger().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_one_line_a_minute_and_none_is_lost() {
        let failures = Failures::default();
        let at = |seconds| Tick::default().plus(Duration::from_secs(seconds));
        assert_eq!(failures.add(at(0)), Some(1), "the first is told at once");
        let told: Vec<u64> = (1..=120).filter_map(|second| failures.add(at(second))).collect();
        assert_eq!(told, [60, 60]);
    }
}
