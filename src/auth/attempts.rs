//! Equal attempts to log in at one time share one answer: a run that pushes twenty times at once is not twenty guesses.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The attempts under way, by what tells them apart.
#[derive(Debug)]
pub struct Attempts<K, V> {
    under_way: Mutex<HashMap<K, Arc<OnceCell<V>>>>,
}

impl<K, V> Default for Attempts<K, V> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Attempts<K, V> {
    /// The answer of `find`, or that of an equal attempt which is already under way. Nothing is remembered once it is
    /// there.
    pub async fn share(&self, key: K, find: impl Future<Output = V>) -> V {
        let attempt = self.under_way.lock().entry(key.clone()).or_default().clone();
        let waiter = Waiter { attempts: self, key, attempt };
        waiter.attempt.get_or_init(|| find).await.clone()
    }
}

/// Forgets the attempt when its first waiter is done, or given up.
struct Waiter<'a, K: Eq + Hash, V> {
    attempts: &'a Attempts<K, V>,
    key: K,
    attempt: Arc<OnceCell<V>>,
}

impl<K: Eq + Hash, V> Drop for Waiter<'_, K, V> {
    fn drop(&mut self) {
        let mut under_way = self.attempts.under_way.lock();
        if under_way.get(&self.key).is_some_and(|known| Arc::ptr_eq(known, &self.attempt)) {
            under_way.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Barrier;

    #[tokio::test]
    async fn equal_attempts_at_one_time_are_one_and_later_ones_are_new() {
        let (attempts, found) = (Arc::new(Attempts::default()), Arc::new(AtomicUsize::new(0)));
        let together = Arc::new(Barrier::new(2));
        let attempt = |key: &'static str| {
            let (attempts, found, together) = (attempts.clone(), found.clone(), together.clone());
            tokio::spawn(async move {
                let find = async {
                    together.wait().await;
                    found.fetch_add(1, Ordering::SeqCst)
                };
                attempts.share(key, find).await
            })
        };
        let (one, two) = (attempt("a"), attempt("a"));
        while attempts.under_way.lock().get("a").is_none_or(|cell| Arc::strong_count(cell) < 3) {
            tokio::task::yield_now().await;
        }
        together.wait().await;
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (0, 0), "one answer for both");
        let three = attempt("a");
        together.wait().await;
        assert_eq!(three.await.unwrap(), 1, "a later one is a new attempt");
        assert!(attempts.under_way.lock().is_empty());
    }

    #[tokio::test]
    async fn an_attempt_that_is_given_up_is_forgotten() {
        let attempts = Attempts::<&str, ()>::default();
        let given_up = tokio::time::timeout(std::time::Duration::ZERO, attempts.share("a", std::future::pending()));
        assert!(given_up.await.is_err());
        assert!(attempts.under_way.lock().is_empty());
    }
}
