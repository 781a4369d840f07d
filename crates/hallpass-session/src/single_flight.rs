//! Single flight: of the calls that need the same work, one starts it and the others wait for its
//! result.
//!
//! The work is a task of its own. Whoever waits may go away; the work goes on, and its result is
//! there for the others. A cell that is filled by its first caller would lose a rotated refresh token
//! with that caller.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The work that runs at the moment, if any does.
pub(crate) struct SingleFlight<K, T>(Mutex<Option<Flight<K, T>>>);

struct Flight<K, T> {
    key: K,
    number: u64,
    result: watch::Sender<Option<T>>,
}

/// What became of a wish to have some work done.
pub(crate) enum Join<K, T> {
    /// It has to be started, with this ticket; the result will come here.
    Started(Leader<T>, Waiting<T>),
    /// It runs, for this key; the result will come here.
    Joined(K, Waiting<T>),
}

/// The duty to land a flight.
pub(crate) struct Leader<T> {
    number: u64,
    result: watch::Sender<Option<T>>,
}

/// A wait for a flight's result.
pub(crate) struct Waiting<T>(watch::Receiver<Option<T>>);

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K: Clone, T> SingleFlight<K, T> {
    /// Joins the work that runs, or takes the duty to start it. `settled` is asked while nobody can
    /// start or land a flight: with a value from there, nothing is needed.
    pub(crate) fn join<R>(
        &self,
        key: K,
        settled: impl FnOnce() -> Option<R>,
    ) -> Result<Join<K, T>, R> {
        let mut running = self.running();
        if let Some(value) = settled() {
            return Err(value);
        }
        if let Some(flight) = &*running {
            let waiting = Waiting(flight.result.subscribe());
            return Ok(Join::Joined(flight.key.clone(), waiting));
        }
        let (result, receiver) = watch::channel(None);
        let leader = Leader {
            number: NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            result: result.clone(),
        };
        *running = Some(Flight {
            key,
            number: leader.number,
            result,
        });
        Ok(Join::Started(leader, Waiting(receiver)))
    }

    /// Ends the flight of `leader` with `result`. Those who board from now on start anew.
    pub(crate) fn complete(&self, leader: &Leader<T>, result: Option<T>) {
        let mut running = self.running();
        if running
            .as_ref()
            .is_some_and(|flight| flight.number == leader.number)
        {
            *running = None;
        }
        drop(running);
        if result.is_some() {
            leader.result.send_replace(result);
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Flight<K, T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Leader<T> {
    /// Ends when nobody waits for the result any more.
    pub(crate) async fn abandoned(&self) {
        self.result.closed().await;
    }
}

impl<T: Clone> Waiting<T> {
    /// The result; `None` when the work was lost with its runtime.
    pub(crate) async fn result(mut self) -> Option<T> {
        let result = self.0.wait_for(Option::is_some).await.ok()?;
        result.clone()
    }
}

impl<K, T> fmt::Debug for SingleFlight<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

/// Tells flights apart, so that a late landing does not end the flight after it.
static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
