//! The limit of step-ups for the same scopes.

use std::time::Duration;

use hallpass_core::Scopes;

use crate::error::{SessionError, SessionTerminated, TerminationReason};

/// How many failed step-ups are started for the same scopes within [`MAX_STEP_UP_AGE`].
const MAX_STEP_UPS: u32 = 2;
/// How long a failed step-up is counted: a user who said no may decide otherwise later.
const MAX_STEP_UP_AGE: Duration = Duration::from_secs(60 * 60);

/// The step-ups since the last saved sign-in: their scopes, how many there were, and the monotonic time
/// of the first. A server that names other scopes each time meets the
/// [pause](super::sign_in_backoff::SignInBackoff) between sign-ins that no user asked for.
#[derive(Debug, Default)]
pub(super) struct StepUps(Vec<(Scopes, u32, Duration)>);

impl StepUps {
    /// Counts a step-up that is about to start.
    ///
    /// # Errors
    ///
    /// When the limit for these scopes is reached.
    pub(super) fn count(&mut self, wanted: &Scopes, now: Duration) -> Result<(), SessionError> {
        self.0
            .retain(|(_, _, since)| now.saturating_sub(*since) < MAX_STEP_UP_AGE);
        if let Some((_, count, _)) = self.0.iter_mut().find(|(scopes, ..)| scopes == wanted) {
            if *count == MAX_STEP_UPS {
                let reason = TerminationReason::TooManyStepUps(wanted.clone());
                return Err(SessionError::Terminated(SessionTerminated::new(reason)));
            }
            *count += 1;
            return Ok(());
        }
        self.0.push((wanted.clone(), 1, now));
        Ok(())
    }
}
