//! Attempts to log in that have paid and may be paid back: while a source has any, its budget is not known to be spent.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// How many attempts each source has under way, and who waits for one of them to be decided.
#[derive(Debug, Default)]
pub struct Undecided {
    sources: Mutex<HashMap<String, (usize, Arc<Notify>)>>,
}

impl Undecided {
    /// Pays for an attempt, which is under way until what is answered is dropped. Where the budget is spent on attempts
    /// that are not decided yet, their end is waited for, but not longer than `most`.
    ///
    /// # Errors
    /// Why it cannot be paid for; none where that is not known in time.
    pub async fn pay<E>(
        &self,
        source: &str,
        most: Duration,
        mut charge: impl FnMut() -> Result<(), E>,
    ) -> Result<UnderWay<'_>, Option<E>> {
        let paid = async {
            loop {
                match self.try_pay(source, &mut charge) {
                    Ok(under_way) => return Ok(under_way),
                    Err((error, None)) => return Err(Some(error)),
                    Err((_, Some(decided))) => decided.await,
                }
            }
        };
        tokio::time::timeout(most, paid).await.unwrap_or(Err(None))
    }

    /// What to wait for stands beside the error; none where nothing is under way.
    fn try_pay<E>(
        &self,
        source: &str,
        charge: impl FnOnce() -> Result<(), E>,
    ) -> Result<UnderWay<'_>, (E, Option<OwnedNotified>)> {
        // Under one lock: between the charge and the count another would find the budget spent and nobody under way.
        let mut sources = self.sources.lock();
        if let Err(error) = charge() {
            return Err((error, sources.get(source).map(|(_, decided)| decided.clone().notified_owned())));
        }
        sources.entry(source.to_owned()).or_default().0 += 1;
        Ok(UnderWay { undecided: self, source: source.to_owned() })
    }
}

/// An attempt that is under way.
pub struct UnderWay<'u> {
    undecided: &'u Undecided,
    source: String,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut sources = self.undecided.sources.lock();
        let Some((count, decided)) = sources.get_mut(&self.source) else { return };
        *count = count.saturating_sub(1);
        decided.notify_waiters();
        if *count == 0 {
            sources.remove(&self.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_cannot_pay_waits_for_those_who_have() {
        let undecided = Undecided::default();
        let spent = || Err("spent");
        let long = Duration::from_secs(600);
        let paid = undecided.pay("a", long, || Ok::<_, &str>(())).await.ok();
        assert_eq!(undecided.pay("b", long, spent).await.err(), Some(Some("spent")), "nobody else is waited for");
        assert_eq!(undecided.pay("a", Duration::ZERO, spent).await.err(), Some(None), "it is not known in time");
        let mut charges = 0;
        let waiting = undecided.pay("a", long, || {
            charges += 1;
            spent()
        });
        let decide = async {
            tokio::task::yield_now().await;
            drop(paid);
        };
        assert_eq!(tokio::join!(waiting, decide).0.err(), Some(Some("spent")), "all of them are decided");
        assert_eq!(charges, 2);
        assert!(undecided.sources.lock().is_empty());
    }
}
