//! A circuit breaker for each token endpoint.
//!
//! A token endpoint that processes refresh requests and loses its answers costs each account that posts
//! there its refresh token. Sessions that share [`CircuitBreakers`] limit the damage: after [`MAX_LOST`]
//! lost answers in a row, from different accounts, the breaker opens and one account at a time tries,
//! first after [`FIRST_PAUSE`], then after twice that, up to [`MAX_OPEN_TIME`]. The other accounts keep their
//! tokens and wait. The first new grant closes the breaker. A refusal does not: the endpoint refuses
//! accounts whose tokens it has replaced. At most [`MAX_CONCURRENT_REQUESTS`] requests are sent at the
//! same time, since all of them can be lost before the first loss is known.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass_core::{Clock, CredentialKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// The breaker opens after so many lost answers.
const MAX_LOST: usize = 3;
/// How many requests to one endpoint run at the same time.
const MAX_CONCURRENT_REQUESTS: usize = 8;
/// How long a request waits for a free place.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const MAX_OPEN_TIME: Duration = Duration::from_secs(120);

/// The circuit breakers of the token endpoints of a process. A host with sessions of many users gives one
/// value to all of them
/// ([`SessionBuilder::circuit_breakers`](crate::SessionBuilder::circuit_breakers)).
#[derive(Debug, Default)]
pub struct CircuitBreakers(Mutex<HashMap<Url, Arc<Breaker>>>);

#[derive(Debug)]
struct Breaker {
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The accounts whose answers were lost, since the last new grant.
    lost: Vec<CredentialKey>,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    pause: Duration,
    /// The monotonic time of the next trial.
    until: Duration,
    /// Whether a trial is running.
    has_trial: bool,
}

/// Permits one refresh request. Dropped without an outcome, it changes nothing.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Arc<Breaker>,
    _place: OwnedSemaphorePermit,
    is_trial: bool,
}

impl CircuitBreakers {
    /// Waits for a permit to post to `endpoint`, for a short time: the caller holds an account's lock.
    ///
    /// # Errors
    ///
    /// How long the breaker stays open, or other requests come first.
    pub(crate) async fn acquire(
        &self,
        endpoint: &Url,
        clock: &dyn Clock,
    ) -> Result<Permit, Duration> {
        let breaker = Arc::clone(self.breakers().entry(endpoint.clone()).or_insert_with(|| {
            Arc::new(Breaker {
                places: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS)),
                state: Mutex::default(),
            })
        }));
        breaker.state().check_closed(clock.monotonic())?;
        let place = breaker.place(clock).await.ok_or(PERMIT_TIMEOUT)?;
        let is_trial = breaker.state().enter(clock.monotonic())?;
        Ok(Permit {
            breaker,
            _place: place,
            is_trial,
        })
    }

    fn breakers(&self) -> MutexGuard<'_, HashMap<Url, Arc<Breaker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Breaker {
    /// A place among the concurrent requests; `None` when none is free in time.
    async fn place(&self, clock: &dyn Clock) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        tokio::select! {
            place = Arc::clone(&self.places).acquire_owned() => place.ok(),
            () = clock.sleep(PERMIT_TIMEOUT) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether an account may try; the error is the remaining pause.
    fn check_closed(&self, now: Duration) -> Result<(), Duration> {
        match self.open {
            Some(open) if open.has_trial => Err(open.pause),
            Some(open) if now < open.until => Err(open.until.saturating_sub(now)),
            _ => Ok(()),
        }
    }

    /// Starts a request. Whether it is the trial of an open breaker.
    fn enter(&mut self, now: Duration) -> Result<bool, Duration> {
        self.check_closed(now)?;
        Ok(self.open.as_mut().is_some_and(|open| {
            open.has_trial = true;
            true
        }))
    }
}

impl Permit {
    /// The request got a new grant.
    pub(crate) fn renewed(self) {
        *self.breaker.state() = State::default();
    }

    /// The answer for `account` was lost.
    pub(crate) fn lost(self, account: &CredentialKey, now: Duration) {
        let mut state = self.breaker.state();
        if !state.lost.contains(account) && state.lost.len() < MAX_LOST {
            state.lost.push(account.clone());
        }
        let pause = match state.open {
            Some(open) if self.is_trial => open.pause.saturating_mul(2).min(MAX_OPEN_TIME),
            // The request was sent before the breaker opened.
            Some(_) => return,
            None if state.lost.len() < MAX_LOST => return,
            None => FIRST_PAUSE,
        };
        state.open = Some(Open {
            pause,
            until: now.saturating_add(pause),
            has_trial: false,
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_trial
            && let Some(open) = &mut self.breaker.state().open
        {
            open.has_trial = false;
        }
    }
}

#[cfg(test)]
mod tests;
