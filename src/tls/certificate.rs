//! What is read out of a certificate itself.

use super::TlsError;
use rustls::pki_types::CertificateDer;
use std::path::Path;
use std::time::{Duration, SystemTime};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// When a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub not_before: SystemTime,
    /// Up to then.
    pub not_after: SystemTime,
}

/// How a certificate stands at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its time has not come.
    NotYet,
    /// All is well.
    Good,
    /// It holds, but those who renew in time have done so by now.
    NearItsEnd,
    /// Its time is over.
    Expired,
}

impl Validity {
    /// How it stands at `now`. Near its end is the last fifth of its life, and of a long life the last 30 days: what
    /// renews certificates does so when a third is left.
    pub fn standing(&self, now: SystemTime) -> Standing {
        const LONG: Duration = Duration::from_secs(30 * 24 * 3600);
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        match self.not_after.duration_since(now) {
            Err(_) => Standing::Expired,
            Ok(_) if now < self.not_before => Standing::NotYet,
            Ok(left) if left < (life / 5).min(LONG) => Standing::NearItsEnd,
            Ok(_) => Standing::Good,
        }
    }
}

/// The validity of the first certificate of a file.
pub(super) fn validity(file: &Path, first: Option<&CertificateDer<'_>>) -> Result<Validity, TlsError> {
    let Some(der) = first else { return Err(TlsError::NoCertificate { file: file.to_owned() }) };
    let certificate = Certificate::from_der(der)
        .map_err(|error| TlsError::Certificate { file: file.to_owned(), what: error.to_string() })?;
    let validity = certificate.tbs_certificate().validity();
    let [not_before, not_after] =
        [validity.not_before, validity.not_after].map(|time| SystemTime::UNIX_EPOCH + time.to_unix_duration());
    Ok(Validity { not_before, not_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_near_its_end_when_it_should_have_been_renewed() {
        let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(n * 24 * 3600);
        let validity = |days: u64| Validity { not_before: day(100), not_after: day(100 + days) };
        for (days, now, expected) in [
            (90, 99, Standing::NotYet),
            (90, 100, Standing::Good),
            (90, 172, Standing::Good),
            (90, 173, Standing::NearItsEnd),
            (90, 190, Standing::NearItsEnd),
            (90, 191, Standing::Expired),
            (5, 104, Standing::Good),
            (3650, 3720, Standing::Good),
            (3650, 3721, Standing::NearItsEnd),
        ] {
            assert_eq!(validity(days).standing(day(now)), expected, "{days} days, day {now}");
        }
    }
}
