//! Proactive refreshes, where the host asked for them.
//!
//! Whenever a token was obtained, a task waits for a random moment shortly before the token would be
//! replaced anyway, and replaces it then, so that no request has to wait. It does nothing when
//! nobody has asked for a token since: who sleeps for a week finds one refresh, not hundreds. It
//! holds neither the session nor its token, and tries once; what goes wrong is left to the
//! next call.

use std::sync::Arc;

use hallpass_core::{Entropy, Generation};
use tokio::runtime::Handle;

use crate::{shared::Shared, single_flight::Join, token::Token, transaction::RefreshIntent};

impl Shared {
    /// Notes that `token` was asked for.
    pub(crate) fn mark_used(&self, token: &Token) {
        if self.proactive_refresh {
            token.mark_used();
        }
    }

    /// Schedules the proactive refresh of `token`, unless that is done already.
    pub(crate) fn schedule_proactive_refresh(self: &Arc<Self>, token: &Token) {
        if !self.proactive_refresh {
            return;
        }
        let Some((stale_at, max_early)) = token.refresh_window() else {
            return;
        };
        let generation = token.generation();
        if self.memory().scheduled_for.replace(generation) == Some(generation) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let wait = stale_at
            .saturating_since(self.now())
            .saturating_sub(max_early.mul_f64(random_fraction(&*self.entropy)));
        let time = self.clock.sleep(wait);
        let session = Arc::downgrade(self);
        runtime.spawn(async move {
            time.await;
            if let Some(session) = session.upgrade() {
                session.proactive_refresh(generation).await;
            }
        });
    }

    /// Replaces the token of this generation, if it is in use.
    async fn proactive_refresh(self: &Arc<Self>, generation: Generation) {
        let planned = |token: &Token| token.generation() == generation && token.was_used();
        let Some(token) = self.current().filter(planned) else {
            return;
        };
        if !self.authorizer.is_interactive() {
            if let Err(error) = self.renew_service_grant().await {
                tracing::debug!(%error, "the proactive service sign-in failed");
            }
            return;
        }
        let wanted = RefreshIntent::Refresh(token);
        let settled = || None::<()>;
        if let Ok(Join::Started(leader, _)) = self.refreshes.join(wanted.clone(), settled)
            && let Err(error) = self.start(leader, wanted, &[])
        {
            tracing::debug!(%error, "the proactive refresh failed");
        }
    }
}

/// A number from 0.5 to 1: not before half of the time is over, so that jitter costs little of a
/// token's life.
fn random_fraction(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 2];
    entropy.fill(&mut bytes);
    0.5 + f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX) / 2.0
}
