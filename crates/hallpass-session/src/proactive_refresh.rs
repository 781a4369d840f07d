//! Refreshes ahead of their time, where the host asked for that.
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
    pub(crate) fn note_use(&self, token: &Token) {
        if self.proactive_refresh {
            token.mark_used();
        }
    }

    /// Plans the refresh ahead of the end of `token`, unless that is done already.
    pub(crate) fn plan_ahead(self: &Arc<Self>, token: &Token) {
        if !self.proactive_refresh {
            return;
        }
        let Some((stale_at, ahead)) = token.replaceable() else {
            return;
        };
        let generation = token.generation();
        if self.memory().ahead_of.replace(generation) == Some(generation) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let wait = stale_at
            .saturating_since(self.now())
            .saturating_sub(ahead.mul_f64(draw(&*self.entropy)));
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
            if let Err(error) = self.ask_anew().await {
                tracing::debug!(%error, "nothing came of asking anew ahead of time");
            }
            return;
        }
        let wanted = RefreshIntent::Refresh(token);
        let settled = || None::<()>;
        if let Ok(Join::Started(leader, _)) = self.refreshes.join(wanted.clone(), settled)
            && let Err(error) = self.start(leader, wanted, &[])
        {
            tracing::debug!(%error, "no refresh ahead of time");
        }
    }
}

/// A number from 0.5 to 1: not before half of the time is over, so that jitter costs little of a
/// token's life.
fn draw(entropy: &dyn Entropy) -> f64 {
    let mut bytes = [0; 2];
    entropy.fill(&mut bytes);
    0.5 + f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX) / 2.0
}
