//! A circuit breaker for each token endpoint.
//!
//! A token endpoint that acts on refresh requests and loses its answers costs every account that posts
//! there its refresh token. So sessions that share [`CircuitBreakers`] watch it together: after
//! [`MAX_LOST`] lost answers in a row, from different accounts, one account at a time is tried, first
//! after [`FIRST_PAUSE`], then after twice that, up to [`MAX_PAUSE`]. The others keep their tokens
//! and wait. The first new grant that arrives closes the breaker; a refusal does not, since the endpoint
//! answers so to the accounts whose tokens it has replaced. At most [`MAX_CONCURRENT_REQUESTS`] requests are on their way at
//! the same time, since all of them may be lost before the first loss is known.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hallpass_core::{Clock, CredentialKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// After how many lost answers the breaker opens.
const MAX_LOST: usize = 3;
/// How many requests are on their way to one endpoint at once.
const MAX_CONCURRENT_REQUESTS: usize = 8;
/// How long a request waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const MAX_PAUSE: Duration = Duration::from_secs(120);

/// The circuit breakers of all token endpoints that a process refreshes at. A host that runs sessions
/// of many users gives one value to all of them
/// ([`SessionBuilder::circuit_breakers`](crate::SessionBuilder::circuit_breakers)).
#[derive(Debug, Default)]
pub struct CircuitBreakers(Mutex<HashMap<Url, Arc<Breaker>>>);

#[derive(Debug)]
struct Breaker {
    permits: Arc<Semaphore>,
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
    /// When the next account may try, in monotonic time.
    until: Duration,
    /// Whether one tries now.
    has_trial: bool,
}

/// Leave to send one refresh request. Dropped without a word on its outcome, it changes nothing.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Arc<Breaker>,
    _permit: OwnedSemaphorePermit,
    is_trial: bool,
}

impl CircuitBreakers {
    /// Waits for mark_issuer_changed to post to `endpoint`, not for long: the caller holds an account's lock.
    ///
    /// # Errors
    ///
    /// For how long the breaker stays open, or others come first.
    pub(crate) async fn pass(&self, endpoint: &Url, clock: &dyn Clock) -> Result<Permit, Duration> {
        let breaker = Arc::clone(self.breakers().entry(endpoint.clone()).or_insert_with(|| {
            Arc::new(Breaker {
                permits: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS)),
                state: Mutex::default(),
            })
        }));
        breaker.state().check_closed(clock.monotonic())?;
        let permit = breaker.permit(clock).await.ok_or(MAX_WAIT)?;
        let is_trial = breaker.state().enter(clock.monotonic())?;
        Ok(Permit {
            breaker,
            _permit: permit,
            is_trial,
        })
    }

    fn breakers(&self) -> MutexGuard<'_, HashMap<Url, Arc<Breaker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Breaker {
    /// The right to be on the way; `None` when none is free in time.
    async fn permit(&self, clock: &dyn Clock) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        tokio::select! {
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
            () = clock.sleep(MAX_WAIT) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// For how long no account may try yet, as an error.
    fn check_closed(&self, now: Duration) -> Result<(), Duration> {
        match self.open {
            Some(open) if open.has_trial => Err(open.pause),
            Some(open) if now < open.until => Err(open.until.saturating_sub(now)),
            _ => Ok(()),
        }
    }

    /// Begins a request; whether it is the one that tries an endpoint whose breaker is open.
    fn enter(&mut self, now: Duration) -> Result<bool, Duration> {
        self.check_closed(now)?;
        Ok(self.open.as_mut().is_some_and(|open| {
            open.has_trial = true;
            true
        }))
    }
}

impl Permit {
    /// A new grant arrived. (A refusal does not say whether a grant would.)
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
            Some(open) if self.is_trial => open.pause.saturating_mul(2).min(MAX_PAUSE),
            // A request that was on its way when the breaker opened.
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
