//! The pause between sign-ins that no person asked for.
//!
//! Programs repeat calls, and servers ask for one sign-in after another; each opens a window. How the
//! last one ended makes no difference: a person who signed in, and whose grant ends at once, is asked
//! again as well. So a few may follow each other, as many as one call may need, and then there is a
//! pause that doubles. A person's no is followed by a pause at once. Sign-ins that a person asked for
//! know no pause.

use std::time::Duration;

use hallpass_core::{AuthorizeError, CredentialKey, Remedy, SignInReason};

use crate::error::SessionError;

/// How many follow each other without a pause: a sign-in and two step-ups.
const MAX_WITHOUT_PAUSE: u32 = 3;

/// The first pause; the next ones double.
const FIRST_PAUSE: Duration = Duration::from_secs(120);
const MAX_PAUSE: Duration = Duration::from_secs(60 * 60);

/// How long none may have been wanted, after the pause, until they are counted from the start. After a
/// pause that was longer it takes as long as that.
const RESET_AFTER: Duration = Duration::from_secs(10 * 60);

/// The sign-ins of one session that no person asked for. Times are monotonic.
#[derive(Debug, Default)]
pub(crate) struct SignInBackoff {
    in_a_row: u32,
    pauses: u32,
    pause: Duration,
    not_before: Duration,
    /// What the last one was for and how it failed, if it did.
    failed: Option<(SignInReason, SessionError)>,
}

impl SignInBackoff {
    /// One for `reason` has ended at `now`, with `error` if it failed.
    pub(super) fn ended(
        &mut self,
        now: Duration,
        reason: SignInReason,
        error: Option<&SessionError>,
    ) {
        let since = now.saturating_sub(self.not_before);
        if since >= self.pause.max(RESET_AFTER) {
            *self = Self::default();
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.failed = error.map(|error| (reason, error.clone()));
        let remedy = error.map(SessionError::remedy);
        // Step-ups that come to nothing are counted for each of their scopes besides.
        let is_no = remedy == Some(Remedy::SignIn) && reason != SignInReason::StepUp;
        self.pause = if !is_no && self.in_a_row < MAX_WITHOUT_PAUSE {
            Duration::ZERO
        } else if remedy == Some(Remedy::Retry) {
            // A network that is down opens no window, and is there again at any moment.
            FIRST_PAUSE
        } else {
            let doubled = 1_u32.checked_shl(self.pauses).unwrap_or(u32::MAX);
            self.pauses = self.pauses.saturating_add(1);
            FIRST_PAUSE.saturating_mul(doubled).min(MAX_PAUSE)
        };
        self.not_before = now.saturating_add(self.pause);
    }

    /// Why none is begun for `reason` at `now`.
    pub(super) fn refusal(
        &self,
        now: Duration,
        reason: SignInReason,
        key: &CredentialKey,
    ) -> Option<SessionError> {
        let remaining = self.not_before.saturating_sub(now);
        if remaining.is_zero() {
            return None;
        }
        if let Some((of, error)) = &self.failed
            && *of == reason
        {
            return Some(error.clone());
        }
        let what = "the server keeps asking for sign-ins";
        let hint = format!(
            "automatic sign-ins are paused for another {} s; sign in yourself to continue now",
            remaining.as_secs().max(1)
        );
        let error = AuthorizeError::new(Remedy::SignIn, what).with_hint(Some(hint));
        Some(SessionError::sign_in(key, error))
    }
}
