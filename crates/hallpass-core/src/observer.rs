//! What a host can watch: the port to metrics and audits.

use std::{fmt, time::Duration};

use crate::Issuer;

/// Is told of what happens, as it happens. A host counts the events, by kind and outcome.
pub trait Observer: Send + Sync + fmt::Debug {
    /// One event. It is called by the task that does the work, under locks too: it returns at once and calls
    /// nothing of Hallpass.
    fn observe(&self, event: &Event<'_>);
}

/// What happened. No event names a user, a tenant or a server's query, so that all of it can be a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A refresh token was posted, and this is what became of it.
    Refresh {
        /// The authorization server.
        issuer: &'a Issuer,
        /// `renewed`, `not processed`, `lost`, `doubtful`, `definitive` or `refused`.
        outcome: &'static str,
        /// From the post to the answer.
        duration: Duration,
    },
    /// A session uses the token of a record that another one has saved.
    Adopted {
        /// The authorization server.
        issuer: &'a Issuer,
    },
    /// A refresh found the lock held, and has waited for a newer record.
    LockWait {
        /// How long.
        duration: Duration,
    },
    /// A new grant could not be saved and is saved again.
    SaveRetry {
        /// How often it has failed.
        failures: usize,
    },
    /// A sign-in has ended.
    SignIn {
        /// Whether there is a token.
        is_signed_in: bool,
    },
}
