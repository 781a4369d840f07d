//! Single flight: of the calls that need the same work, one starts it and the others wait for its
//! result.
//!
//! The work is a task of its own, so it goes on when its callers are dropped. A `OnceCell` that the
//! first caller fills would lose a rotated refresh token with that caller.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

/// The work that is running, if any.
pub(crate) struct SingleFlight<K, T>(Arc<Mutex<Option<Flight<K, T>>>>);

struct Flight<K, T> {
    key: K,
    number: u64,
    result: watch::Sender<Option<T>>,
}

/// The answer to [`SingleFlight::join`].
pub(crate) enum Join<K, T> {
    /// The caller starts the work with this leader.
    Started(Leader<K, T>, Waiter<T>),
    /// Work for this key is running.
    Joined(K, Waiter<T>),
}

/// Moved into the task that does the work, which calls [`complete`](Self::complete). A leader that is
/// dropped before that, with its task or its runtime, wakes the waiters without a result.
pub(crate) struct Leader<K, T> {
    single_flight: SingleFlight<K, T>,
    number: u64,
    result: watch::Sender<Option<T>>,
}

/// Waits for the result.
pub(crate) struct Waiter<T>(watch::Receiver<Option<T>>);

impl<K: Clone, T> SingleFlight<K, T> {
    /// Joins the running work, or becomes the leader of new work. `settled` runs while no work can
    /// start or complete: with a value from there, no work is needed.
    pub(crate) fn join<R>(
        &self,
        key: K,
        settled: impl FnOnce() -> Option<R>,
    ) -> Result<Join<K, T>, R> {
        self.join_where(key, settled, |_| true)
    }

    /// The same for work that is cancelled once it is [abandoned](Leader::abandoned): it is not joined any
    /// more, also where its task has not noticed that yet, and new work takes its place.
    pub(crate) fn join_unless_abandoned<R>(
        &self,
        key: K,
        settled: impl FnOnce() -> Option<R>,
    ) -> Result<Join<K, T>, R> {
        self.join_where(key, settled, |flight| flight.result.receiver_count() > 0)
    }

    fn join_where<R>(
        &self,
        key: K,
        settled: impl FnOnce() -> Option<R>,
        is_joinable: impl FnOnce(&Flight<K, T>) -> bool,
    ) -> Result<Join<K, T>, R> {
        let mut running = self.running();
        if let Some(value) = settled() {
            return Err(value);
        }
        if let Some(flight) = running.as_ref().filter(|flight| is_joinable(flight)) {
            let waiter = Waiter(flight.result.subscribe());
            return Ok(Join::Joined(flight.key.clone(), waiter));
        }
        let (result, receiver) = watch::channel(None);
        let leader = Leader {
            single_flight: Self(Arc::clone(&self.0)),
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            result: result.clone(),
        };
        *running = Some(Flight {
            key,
            number: leader.number,
            result,
        });
        Ok(Join::Started(leader, Waiter(receiver)))
    }
}

impl<K, T> SingleFlight<K, T> {
    fn running(&self) -> MutexGuard<'_, Option<Flight<K, T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T> Leader<K, T> {
    /// Ends the work with its result. Later calls start new work.
    pub(crate) fn complete(self, result: T) {
        self.end();
        self.result.send_replace(Some(result));
    }

    /// Waits until all waiters are dropped.
    pub(crate) async fn abandoned(&self) {
        self.result.closed().await;
    }

    /// Keeps the work from being abandoned as long as this waiter lives.
    pub(crate) fn waiter(&self) -> Waiter<T> {
        Waiter(self.result.subscribe())
    }

    fn end(&self) {
        let mut running = self.single_flight.running();
        if running
            .as_ref()
            .is_some_and(|flight| flight.number == self.number)
        {
            *running = None;
        }
    }
}

impl<K, T> Drop for Leader<K, T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<T: Clone> Waiter<T> {
    /// The result; `None` when the work was dropped.
    pub(crate) async fn result(mut self) -> Option<T> {
        let result = self.0.wait_for(Option::is_some).await.ok()?;
        result.clone()
    }
}

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, T> fmt::Debug for SingleFlight<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

/// Distinguishes work for the same key, so that a leader ends its own only.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);
