//! Time as an input.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::BoxFuture;

/// A moment of wall time, in whole seconds since the Unix epoch.
///
/// Tokens expire by wall time, which is all that two processes share. Time limits are
/// [monotonic](Clock::monotonic).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From seconds since the Unix epoch.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn as_unix_seconds(self) -> i64 {
        self.0
    }

    /// This moment and `later` after it, cut to whole seconds.
    #[must_use]
    pub fn saturating_add(self, later: Duration) -> Self {
        let seconds = i64::try_from(later.as_secs()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(seconds))
    }

    /// This moment and `earlier` before it, cut to whole seconds.
    #[must_use]
    pub fn saturating_sub(self, earlier: Duration) -> Self {
        let seconds = i64::try_from(earlier.as_secs()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(seconds))
    }

    /// How long after `earlier` this is; zero when it is not later.
    pub fn saturating_since(self, earlier: Timestamp) -> Duration {
        let seconds = self.0.saturating_sub(earlier.0);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// The two clocks of a computer, and a way to wait.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time, which may jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, which never goes back.
    fn monotonic(&self) -> Duration;

    /// Ends after `duration` of monotonic time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}
