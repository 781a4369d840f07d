//! When an access token is replaced.
//!
//! A token is replaced [`MAX_MARGIN`] before it expires, or a quarter of its lifetime before that where
//! it is less: a request must not arrive with an expired token, and a token with a lifetime of 2 s must
//! be used for most of it.
//!
//! # Two clocks
//!
//! The record has the expiry as wall time, the only time that processes share. The wall clock can be set
//! while a process runs, so a process counts the token's lifetime on its monotonic clock too, and the
//! clock that comes to the end first decides. A wrong clock costs a refresh or a 401, never a sign-in:
//!
//! | the wall clock | what follows |
//! |---|---|
//! | is set forward | the token is refreshed early, once |
//! | is set back while a process has the token | the process replaces the token after its lifetime |
//! | was set back before a process reads the token | the token was issued in the future, so its expiry says nothing: it is refreshed now, and used if that fails |
//! | is set while the request is under way | the lifetime counts from the request, on the clock that was set |
//!
//! A difference of up to [`MAX_MARGIN`] changes nothing: the margin is there for it.

use std::time::Duration;

use hallpass_core::{Clock, Grant, Timestamp, record::GrantKind};

/// The margin of a token with a lifetime of at least four minutes.
pub(crate) const MAX_MARGIN: Duration = Duration::from_secs(60);

/// How much earlier a proactive refresh may come at most.
const MAX_EARLY_REFRESH: Duration = Duration::from_secs(300);

/// The present, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) monotonic: Duration,
}

impl Moment {
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            monotonic: clock.monotonic(),
        }
    }

    /// The wall time of this moment, by the wall clock as it is at the later moment `now`: the clock may
    /// have been set meanwhile.
    pub(crate) fn wall_as_of(self, now: Moment) -> Timestamp {
        let elapsed = now.monotonic.saturating_sub(self.monotonic);
        let wall = now.wall.saturating_sub(elapsed);
        // Wall time is in whole seconds, rounded down, and elapsed time is not.
        let rounding =
            self.wall.as_unix_seconds()..=self.wall.saturating_add(SECOND).as_unix_seconds();
        if rounding.contains(&wall.as_unix_seconds()) {
            self.wall
        } else {
            wall
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// A time on both clocks. It has come when one of them shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    wall: Timestamp,
    monotonic: Duration,
}

impl Deadline {
    /// The wall time `wall`, and `longest` from now at the latest.
    fn new(wall: Timestamp, longest: Duration, now: Moment) -> Self {
        let remaining = wall.saturating_since(now.wall).min(longest);
        // What has come has come also for a caller that looked at the clock just before.
        let monotonic = if remaining.is_zero() {
            Duration::ZERO
        } else {
            now.monotonic.saturating_add(remaining)
        };
        Self { wall, monotonic }
    }

    /// This much later than now.
    pub(crate) fn after(duration: Duration, now: Moment) -> Self {
        Self::new(now.wall.saturating_add(duration), duration, now)
    }

    /// As wall time.
    pub(crate) fn wall(self) -> Timestamp {
        self.wall
    }

    pub(crate) fn has_come(self, now: Moment) -> bool {
        now.wall >= self.wall || now.monotonic >= self.monotonic
    }

    pub(crate) fn remaining(self, now: Moment) -> Duration {
        let monotonic = self.monotonic.saturating_sub(now.monotonic);
        self.wall.saturating_since(now.wall).min(monotonic)
    }
}

/// The times of a grant's access token, for a process that reads the grant now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    /// When it expires; `None`: the server did not say.
    pub(crate) expires: Option<Deadline>,
    /// From when on it is replaced; `None`: only after a refusal.
    pub(crate) stale: Option<Deadline>,
    /// How much earlier a proactive refresh may come: a tenth of the lifetime, five minutes at most.
    /// Zero where nothing replaces the token or its lifetime is too short. In milliseconds, since a session
    /// keeps it and is small.
    max_early_ms: u32,
}

impl Freshness {
    /// `known` are the times of the same token, where this process has read it before: they count on.
    ///
    /// A user's grant without a refresh token has no margin, since nothing can replace its token. A
    /// service signs in again.
    pub(crate) fn new(grant: &Grant, known: Option<&Self>, now: Moment) -> Self {
        let Some(end) = grant.expires_at else {
            return Self::until(None);
        };
        let lifetime = end.saturating_since(grant.obtained_at);
        let left = |deadline: Deadline| deadline.monotonic.saturating_sub(now.monotonic);
        let known_end = known.and_then(|known| known.expires).map(left);
        let expires = Deadline::new(end, known_end.unwrap_or(lifetime).min(lifetime), now);
        if !is_replaceable(grant) {
            return Self {
                expires: Some(expires),
                stale: Some(expires),
                max_early_ms: 0,
            };
        }
        // Whole seconds, rounded down, as the expiry is.
        let margin = Duration::from_secs(MAX_MARGIN.min(lifetime / 4).as_secs());
        let is_from_future = grant.obtained_at.saturating_since(now.wall) > MAX_MARGIN;
        let fresh_for = match known.and_then(|known| known.stale) {
            Some(stale) => left(stale),
            None if is_from_future => Duration::ZERO,
            None => lifetime.saturating_sub(margin),
        };
        Self {
            expires: Some(expires),
            stale: Some(Deadline::new(end.saturating_sub(margin), fresh_for, now)),
            max_early_ms: if margin.is_zero() {
                0
            } else {
                let max_early = MAX_EARLY_REFRESH.min(lifetime / 10);
                u32::try_from(max_early.as_millis()).unwrap_or(0)
            },
        }
    }

    /// Of a token that is replaced at `stale`, and has no expiry of its own.
    pub(crate) fn until(stale: Option<Deadline>) -> Self {
        Self {
            expires: None,
            stale,
            max_early_ms: 0,
        }
    }

    /// How long until the token is replaced at the latest, and how much earlier it may be; `None` when
    /// nothing can replace it.
    pub(crate) fn refresh_window(&self, now: Moment) -> Option<(Duration, Duration)> {
        let stale = self.stale.filter(|_| self.max_early_ms > 0)?;
        let max_early = Duration::from_millis(self.max_early_ms.into());
        Some((stale.remaining(now), max_early))
    }
}

fn is_replaceable(grant: &Grant) -> bool {
    let is_service = matches!(
        grant.kind,
        GrantKind::ClientCredentials | GrantKind::JwtBearer
    );
    grant.refresh_token.is_some() || is_service
}

#[cfg(test)]
mod tests;
