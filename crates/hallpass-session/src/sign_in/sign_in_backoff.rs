//! The pause between sign-ins that no user asked for.
//!
//! Programs repeat calls, and servers ask for repeated sign-ins; each one opens a browser window. The
//! result of the last sign-in does not matter: after a grant that ends at once the user would be asked
//! again too. So a few sign-ins may follow each other, as many as one call needs, and then comes a pause
//! that doubles. After a sign-in that the user denied, the pause comes at once. Sign-ins that the user
//! asked for are never paused.

use std::time::Duration;

use hallpass_core::{CredentialKey, Diagnostic, KindError, Remedy, SignInReason};

use crate::error::SessionError;

/// How many sign-ins follow each other without a pause: a sign-in and two step-ups.
const MAX_WITHOUT_PAUSE: u32 = 3;

/// The first pause; the next ones double.
const FIRST_PAUSE: Duration = Duration::from_secs(120);
const MAX_SIGN_IN_PAUSE: Duration = Duration::from_secs(60 * 60);

/// How long after the pause no sign-in may be needed until the count starts again. After a longer pause
/// it takes as long as that pause.
const RESET_AFTER: Duration = Duration::from_secs(10 * 60);

/// The sign-ins of one session that no user asked for. Times are monotonic.
#[derive(Debug, Default)]
pub(crate) struct SignInBackoff {
    in_a_row: u32,
    pauses: u32,
    pause: Duration,
    not_before: Duration,
    /// The reason and the error of the last one, if it failed.
    failed: Option<(SignInReason, SessionError)>,
}

impl SignInBackoff {
    /// Records the end of a sign-in for `reason` at `now`, with its error if it failed.
    pub(super) fn record_end(
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
        let remedy = error.map(Diagnostic::remedy);
        // Failed step-ups are also counted by their scopes.
        let is_denied = remedy == Some(Remedy::SignIn) && reason != SignInReason::StepUp;
        self.pause = if !is_denied && self.in_a_row < MAX_WITHOUT_PAUSE {
            Duration::ZERO
        } else if remedy == Some(Remedy::Retry) {
            // A network that is down opens no window and may be up again at any time.
            FIRST_PAUSE
        } else {
            let doubled = 1_u32.checked_shl(self.pauses).unwrap_or(u32::MAX);
            self.pauses = self.pauses.saturating_add(1);
            FIRST_PAUSE.saturating_mul(doubled).min(MAX_SIGN_IN_PAUSE)
        };
        self.not_before = now.saturating_add(self.pause);
    }

    /// Why no sign-in starts for `reason` at `now`.
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
        if let Some((failed, error)) = &self.failed
            && *failed == reason
        {
            return Some(error.clone());
        }
        let what = "the server keeps asking for sign-ins";
        let hint = format!(
            "automatic sign-ins are paused for another {} s; sign in yourself to continue now",
            remaining.as_secs().max(1)
        );
        let error = KindError::new(Remedy::SignIn, what).with_hint(hint);
        Some(SessionError::sign_in(key, error.into()))
    }
}
