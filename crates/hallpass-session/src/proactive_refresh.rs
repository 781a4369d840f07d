//! Proactive refreshes, for hosts that [ask](crate::SessionBuilder::proactive_refresh) for them.
//!
//! After each new token a task waits for a random moment shortly before the token has to be replaced
//! and refreshes it then, so that no request waits. It does nothing when no caller got the token
//! meanwhile: an idle week costs one refresh, not hundreds. The task holds neither the session nor its
//! token, and tries once; after a failure the next call refreshes.

use std::{
    fmt,
    sync::{Mutex, PoisonError, Weak},
};

use hallpass_core::{Clock, Entropy, Generation};
use tokio::runtime::Handle;

use crate::{freshness::Moment, token::Token};

/// Refreshes the token of a generation, if it is still published and was used.
pub(crate) trait RefreshUsedToken: Send + Sync {
    fn refresh_used_token(&self, generation: Generation);
}

/// The schedule of one session.
pub(crate) struct ProactiveRefresh {
    /// `None`: proactive refreshes are off.
    session: Option<Weak<dyn RefreshUsedToken>>,
    /// The generation of the token that a refresh was scheduled for last.
    scheduled_for: Mutex<Option<Generation>>,
}

impl ProactiveRefresh {
    pub(crate) fn new(session: Option<Weak<dyn RefreshUsedToken>>) -> Self {
        Self {
            session,
            scheduled_for: Mutex::default(),
        }
    }

    /// Notes that a caller got `token`.
    pub(crate) fn mark_used(&self, token: &Token) {
        if self.session.is_some() {
            token.mark_used();
        }
    }

    /// Schedules the refresh of `token`, once.
    pub(crate) fn schedule(&self, token: &Token, clock: &dyn Clock, entropy: &dyn Entropy) {
        let Some(session) = self.session.clone() else {
            return;
        };
        let Some((latest, max_early)) = token.refresh_window(Moment::now(clock)) else {
            return;
        };
        let generation = token.generation();
        let mut scheduled_for = self
            .scheduled_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if scheduled_for.replace(generation) == Some(generation) {
            return;
        }
        drop(scheduled_for);
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let wait = latest.saturating_sub(max_early.mul_f64(random_fraction(entropy)));
        let sleep = clock.sleep(wait);
        runtime.spawn(async move {
            sleep.await;
            if let Some(session) = session.upgrade() {
                session.refresh_used_token(generation);
            }
        });
    }
}

impl fmt::Debug for ProactiveRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProactiveRefresh")
            .field("is_on", &self.session.is_some())
            .finish_non_exhaustive()
    }
}

/// A number from 0.5 to 1: the second half of the window, so that the jitter costs little of a token's
/// lifetime.
fn random_fraction(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 2];
    entropy.fill(&mut bytes);
    0.5 + f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX) / 2.0
}
