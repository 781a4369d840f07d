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
pub(crate) struct Flights<K, T>(Mutex<Option<Flight<K, T>>>);

struct Flight<K, T> {
    key: K,
    number: u64,
    result: watch::Sender<Option<T>>,
}

/// What became of a wish to have some work done.
pub(crate) enum Boarding<K, T> {
    /// It has to be started, with this ticket; the result will come here.
    Started(Ticket<T>, Waiting<T>),
    /// It runs, for this key; the result will come here.
    Joined(K, Waiting<T>),
}

/// The duty to land a flight.
pub(crate) struct Ticket<T> {
    number: u64,
    result: watch::Sender<Option<T>>,
}

/// A wait for a flight's result.
pub(crate) struct Waiting<T>(watch::Receiver<Option<T>>);

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K: Clone, T> Flights<K, T> {
    /// Joins the work that runs, or takes the duty to start it. `settled` is asked while nobody can
    /// start or land a flight: with a value from there, nothing is needed.
    pub(crate) fn board<R>(
        &self,
        key: K,
        settled: impl FnOnce() -> Option<R>,
    ) -> Result<Boarding<K, T>, R> {
        let mut running = self.running();
        if let Some(value) = settled() {
            return Err(value);
        }
        if let Some(flight) = &*running {
            let waiting = Waiting(flight.result.subscribe());
            return Ok(Boarding::Joined(flight.key.clone(), waiting));
        }
        let (result, receiver) = watch::channel(None);
        let ticket = Ticket {
            number: NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            result: result.clone(),
        };
        *running = Some(Flight {
            key,
            number: ticket.number,
            result,
        });
        Ok(Boarding::Started(ticket, Waiting(receiver)))
    }

    /// Ends the flight of `ticket` with `result`. Those who board from now on start anew.
    pub(crate) fn land(&self, ticket: &Ticket<T>, result: Option<T>) {
        let mut running = self.running();
        if running
            .as_ref()
            .is_some_and(|flight| flight.number == ticket.number)
        {
            *running = None;
        }
        drop(running);
        if result.is_some() {
            ticket.result.send_replace(result);
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Flight<K, T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Ticket<T> {
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

impl<K, T> fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

/// Tells flights apart, so that a late landing does not end the flight after it.
static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
