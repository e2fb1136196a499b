//! Attempts to log in that have paid and may be paid back: while a source has any, its budget is not known to be spent.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// How many attempts each source has under way, and who waits for one of them to be decided.
#[derive(Debug, Default)]
pub struct Undecided {
    sources: Mutex<HashMap<String, (usize, Arc<Notify>)>>,
}

impl Undecided {
    /// Pays for an attempt, which is under way until what is answered is dropped.
    ///
    /// # Errors
    /// Why it cannot be paid for, and what to wait for before that is said; none where nothing is under way.
    pub fn pay<E>(
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
        let paid = undecided.pay("a", || Ok::<_, &str>(())).ok();
        let (error, wait) = undecided.pay("a", || Err("spent")).err().unwrap();
        assert_eq!(error, "spent");
        assert!(undecided.pay("b", || Err("spent")).err().unwrap().1.is_none(), "nobody else is waited for");
        let wait = wait.expect("one is under way");
        drop(paid);
        wait.await;
        assert!(undecided.pay("a", || Err("spent")).err().unwrap().1.is_none(), "all of them are decided");
        assert!(undecided.sources.lock().is_empty());
    }
}
