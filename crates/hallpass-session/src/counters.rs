//! The counters of a session.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often a session refreshed, and how often it did not need to, since it was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Refresh requests that were posted.
    pub posted: u64,
    /// Refreshes whose new token was saved.
    pub made: u64,
    /// Times a newer token of another process, or of another session on the store, was adopted.
    pub adopted: u64,
    /// Calls that needed a newer token and shared one with another call of this session.
    pub avoided: u64,
    /// Sign-ins that the authorizer was called for.
    pub sign_ins: u64,
}

#[derive(Debug, Default)]
pub(crate) struct AtomicCounters {
    pub(crate) posted: AtomicCounter,
    pub(crate) made: AtomicCounter,
    pub(crate) adopted: AtomicCounter,
    pub(crate) avoided: AtomicCounter,
    pub(crate) sign_ins: AtomicCounter,
}

#[derive(Debug, Default)]
pub(crate) struct AtomicCounter(AtomicU64);

impl AtomicCounter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl AtomicCounters {
    pub(crate) fn snapshot(&self) -> Counters {
        Counters {
            posted: self.posted.get(),
            made: self.made.get(),
            adopted: self.adopted.get(),
            avoided: self.avoided.get(),
            sign_ins: self.sign_ins.get(),
        }
    }
}
