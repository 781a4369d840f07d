//! Who waits for a request, and how much is done for it.

use hallpass_core::Challenge;
use hallpass_session::{Session, SessionError, Token};

/// On whose behalf a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interactivity {
    /// A user waits for it, and may be asked to sign in.
    Interactive,
    /// No user waits for it: it may lead to a refresh, and to nothing else.
    Background,
}

impl Interactivity {
    /// Another token than `refused`, the one that was sent, if one was.
    ///
    /// # Errors
    ///
    /// As [`Session::handle_challenge`] and [`Session::token_after_rejection`].
    pub(crate) async fn answer(
        self,
        session: &Session,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        match (self, refused) {
            (Self::Interactive, refused) => session.handle_challenge(refused, challenges).await,
            (Self::Background, Some(refused)) => {
                session.token_after_rejection(refused, challenges).await
            }
            // The user may have signed in meanwhile.
            (Self::Background, None) => session.token().await,
        }
    }
}

/// The challenges of one request that have been answered: five at most, two of them step-ups.
///
/// So a request is sent at most six times: a refresh, a move to another authorization server, the
/// sign-in there and two step-ups need no more. A session knows which scopes were asked for before;
/// that they are asked for by the same call only the call knows.
#[derive(Debug, Default)]
pub struct AttemptBudget {
    consumed: usize,
    step_ups: usize,
}

impl AttemptBudget {
    const MAX_CHALLENGES: usize = 5;
    const MAX_STEP_UPS: usize = 2;

    /// Whether one more challenge is answered, and counts it then. `step_up`: it is a 403.
    pub fn try_consume(&mut self, step_up: bool) -> bool {
        let allowed = self.consumed < Self::MAX_CHALLENGES
            && !(step_up && self.step_ups == Self::MAX_STEP_UPS);
        if allowed {
            self.consumed += 1;
            self.step_ups += usize::from(step_up);
        }
        allowed
    }

    /// How many were answered.
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}
