//! The pause after a refresh that failed, and the failures that are repeated without a request.
//!
//! The pause doubles from [`MIN_PAUSE`] up to [`MAX_FAILURE_PAUSE`]. A longer `Retry-After` replaces it, up to
//! [`MAX_RETRY_AFTER`]: a server that says "tomorrow" by mistake must not lock a user out. The pauses
//! are monotonic time and belong to one session. The pauses that all processes obey are in the record,
//! as its [pending refresh](crate::pending_refresh).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{error::SessionError, token::Token};

/// The pause after the first failure.
pub(crate) const MIN_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause without a `Retry-After`.
pub(crate) const MAX_FAILURE_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that a server can ask for.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// The failures of a session's refreshes. They end with the process. Most sessions have none, and no memory
/// for them.
#[derive(Debug, Default)]
pub(crate) struct Backoff(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    not_before: Duration,
    failure: Option<Box<(SessionError, bool)>>,
    /// The last terminal error, the refused token that it is for, and until when it is repeated.
    terminated: Option<Box<(Token, SessionError, Duration)>>,
    retries_refused: bool,
}

/// A failed refresh and the pause that follows it.
#[derive(Debug)]
pub(crate) struct Paused {
    pub(crate) error: SessionError,
    pub(crate) remaining: Duration,
    /// Whether the same request may succeed after the pause.
    pub(crate) is_retryable: bool,
}

impl Backoff {
    /// Counts a failure at the monotonic time `now`.
    pub(crate) fn record_failure(
        &self,
        now: Duration,
        error: SessionError,
        is_retryable: bool,
        retry_after: Option<Duration>,
    ) -> Paused {
        let mut state = self.state();
        let doubled =
            MIN_PAUSE.saturating_mul(1_u32.checked_shl(state.failures.min(16)).unwrap_or(1));
        let own = doubled.min(MAX_FAILURE_PAUSE);
        let pause = own.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
        let error = error.with_retry_after(pause);
        state.failures = state.failures.saturating_add(1);
        state.not_before = now.saturating_add(pause);
        state.failure = Some(Box::new((error.clone(), is_retryable)));
        Paused {
            error,
            remaining: pause,
            is_retryable,
        }
    }

    /// The failure that the session pauses for; `None` when a request may be sent.
    pub(crate) fn paused(&self, now: Duration) -> Option<Paused> {
        let state = self.state();
        let remaining = state.not_before.saturating_sub(now);
        let failure = state.failure.clone().filter(|_| !remaining.is_zero())?;
        let (error, is_retryable) = *failure;
        Some(Paused {
            error: error.with_retry_after(remaining),
            remaining,
            is_retryable,
        })
    }

    /// Repeats `error` for the refused `token` until the monotonic time `until`.
    pub(crate) fn record_termination(&self, token: Token, error: SessionError, until: Duration) {
        self.state().terminated = Some(Box::new((token, error, until)));
    }

    /// The error that ended the refused `token` shortly before `now`.
    pub(crate) fn termination(&self, token: &Token, now: Duration) -> Option<SessionError> {
        let state = self.state();
        let (terminated, error, until) = state.terminated.as_deref()?;
        (terminated.same(token) && now < *until).then(|| error.clone())
    }

    /// Ends the pause after a success. A terminal error is kept.
    pub(crate) fn end_pause(&self) {
        let mut state = self.state();
        (state.failures, state.not_before) = (0, Duration::ZERO);
    }

    /// Forgets all failures: there is a new grant, or none.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        *state = State {
            retries_refused: state.retries_refused,
            ..State::default()
        };
    }

    /// Lets the next refresh be posted although the server refused the last one.
    pub(crate) fn retry_refused(&self) {
        self.reset();
        self.state().retries_refused = true;
    }

    /// Whether the next refresh is posted although the server refused the last one.
    pub(crate) fn retries_refused(&self) -> bool {
        self.state().retries_refused
    }

    /// Notes that a refresh was posted.
    pub(crate) fn record_post(&self) {
        self.state().retries_refused = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use hallpass_core::{CredentialKey, ServerUrl};

    use super::*;

    fn fail(backoff: &Backoff, seconds: u64, retry_after: Option<u64>) -> Duration {
        let key = CredentialKey::new(ServerUrl::parse("https://mcp.example/mcp").unwrap());
        let (now, error) = (Duration::from_secs(seconds), SessionError::closed(&key));
        let retry_after = retry_after.map(Duration::from_secs);
        backoff
            .record_failure(now, error, true, retry_after)
            .remaining
    }

    fn remaining(backoff: &Backoff, seconds: u64) -> Option<Duration> {
        let paused = backoff.paused(Duration::from_secs(seconds))?;
        Some(paused.remaining)
    }

    #[test]
    fn pause_doubles_up_to_the_maximum() {
        let backoff = Backoff::default();
        let pauses: Vec<_> = (0..10)
            .map(|_| fail(&backoff, 0, None).as_millis())
            .collect();
        assert_eq!(
            pauses,
            [
                500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000
            ]
        );
        backoff.reset();
        assert_eq!(remaining(&backoff, 0), None);
        assert_eq!(fail(&backoff, 0, None), MIN_PAUSE);
    }

    #[test]
    fn retry_after_extends_the_pause_up_to_a_limit() {
        let pause_for = |seconds| fail(&Backoff::default(), 9, Some(seconds));
        assert_eq!(pause_for(0), MIN_PAUSE);
        assert_eq!(pause_for(7), Duration::from_secs(7));
        assert_eq!(pause_for(u64::MAX), MAX_RETRY_AFTER);
    }

    #[test]
    fn pause_ends_after_its_duration() {
        let backoff = Backoff::default();
        fail(&backoff, 10, None);
        assert_eq!(remaining(&backoff, 10), Some(MIN_PAUSE));
        assert_eq!(remaining(&backoff, 11), None);
    }
}
