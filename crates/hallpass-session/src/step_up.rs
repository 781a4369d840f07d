//! What a transport calls when the server refused a request: a 401, or a 403 that says
//! `insufficient_scope`.
//!
//! A 403 that does not say so is no matter of authorisation and is not brought here. A step-up asks
//! for the union of the scopes that were asked for before and those that the server wants now. When
//! each of those was asked for already, asking again would show the person the same page; at most
//! [`MAX_STEP_UPS`] that come to nothing are started for the same scopes within [`MAX_STEP_UP_AGE`].
//! A sign-in that was saved ends the count, and so does signing out. A server that thinks up other scopes
//! each time meets the [pause](crate::sign_in::SignInBackoff) between sign-ins that no person asked for.

use std::{sync::Arc, time::Duration};

use hallpass_core::{Challenge, Scopes, SignInReason, record::SignInCause};

use crate::{
    error::{SessionError, SessionTerminated, SignInNeed, TerminationReason},
    shared::Shared,
    sign_in::OwnedSignInRequest,
    token::Token,
    transaction::RefreshIntent,
};

/// How many step-ups are started for the same scopes.
const MAX_STEP_UPS: u32 = 2;
/// How long a step-up that came to nothing is remembered: a person who said no may think again.
const MAX_STEP_UP_AGE: Duration = Duration::from_secs(60 * 60);

impl Shared {
    pub(crate) async fn handle_challenge(
        self: &Arc<Self>,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        if let Some(source) = &self.token_source {
            return self
                .replace_external_token(&**source, refused, challenges)
                .await;
        }
        let Some(refused) = refused else {
            let result = match self.fresh() {
                Some(token) => Ok(token),
                None => self.renew(RefreshIntent::Fresh, &[]).await,
            };
            return self.or_sign_in(result, None, challenges).await;
        };
        if challenges.iter().any(Challenge::is_insufficient_scope) {
            return self.step_up(refused, challenges).await;
        }
        let result = self.token_after_rejection(refused, challenges).await;
        self.or_sign_in(result, Some(refused), challenges).await
    }

    pub(crate) async fn token_after_rejection(
        self: &Arc<Self>,
        refused: &Token,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        self.renew(RefreshIntent::Replace(refused.clone()), challenges)
            .await
    }

    /// Signs in when that is what a result asks for.
    async fn or_sign_in(
        self: &Arc<Self>,
        result: Result<Token, SessionError>,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        let needed = match result {
            Err(SessionError::SignInRequired(needed)) => needed,
            result => return result,
        };
        let (reason, issuer) = match needed.need() {
            SignInNeed::First | SignInNeed::Ended(SignInCause::SignedOut) => {
                (SignInReason::First, None)
            }
            SignInNeed::Migrated(issuer) => (SignInReason::Migration, Some(issuer.clone())),
            SignInNeed::Ended(SignInCause::IssuerChanged) => (SignInReason::Migration, None),
            SignInNeed::Ended(_)
            | SignInNeed::SettingChanged(_)
            | SignInNeed::SecretExpired
            | SignInNeed::ClientForgotten => (SignInReason::Ended, None),
        };
        let request = OwnedSignInRequest {
            reason,
            challenges: challenges.to_vec(),
            scopes: Scopes::none(),
            issuer,
            step_up: None,
        };
        let settled = || {
            let token = self.fresh()?;
            refused
                .is_none_or(|refused| !refused.same(&token))
                .then_some(token)
        };
        self.sign_in(request, settled).await
    }

    async fn step_up(
        self: &Arc<Self>,
        refused: &Token,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        let end = |why| Err(SessionError::Terminated(SessionTerminated::new(why)));
        let wanted = challenges
            .iter()
            .filter(|challenge| challenge.is_insufficient_scope())
            .filter_map(|challenge| challenge.scope.as_ref())
            .fold(Scopes::none(), |all, scopes| all.union(scopes));
        // Somebody else may have stepped up already, here or in another process.
        let has_wanted_scopes =
            |token: &Token| !token.same(refused) && token.scopes().covers(&wanted);
        if let Some(token) = self.fresh().filter(has_wanted_scopes) {
            return Ok(token);
        }
        let record = self.load().await?;
        let (record, grant) = match self.usable(record.as_ref()) {
            Ok(found) => found,
            Err(error) => return self.or_sign_in(Err(error), Some(refused), challenges).await,
        };
        let fresh = |token: &Token| token.is_fresh(self.now()) && has_wanted_scopes(token);
        if let Some(token) = self.publish_if(record, fresh)? {
            return Ok(token);
        }
        if wanted.is_empty() {
            return end(TerminationReason::NoScopesNamed);
        }
        if grant.requested_scopes.covers(&wanted) {
            return end(TerminationReason::ScopesAskedBefore(wanted));
        }
        let requested = grant.requested_scopes.union(grant.scopes());
        let request = OwnedSignInRequest {
            reason: SignInReason::StepUp,
            challenges: challenges.to_vec(),
            scopes: requested.union(&wanted),
            issuer: None,
            step_up: Some(wanted.clone()),
        };
        self.sign_in(request, || self.fresh().filter(has_wanted_scopes))
            .await
    }

    /// Counts a step-up that is about to be started for these scopes; or why it may not be.
    pub(crate) fn count_step_up(&self, wanted: &Scopes) -> Result<(), SessionError> {
        let now = self.clock.monotonic();
        let mut memory = self.memory();
        let step_ups = &mut memory.step_ups;
        step_ups.retain(|(_, _, since)| now.saturating_sub(*since) < MAX_STEP_UP_AGE);
        if let Some((_, count, _)) = step_ups.iter_mut().find(|(scopes, ..)| scopes == wanted) {
            if *count == MAX_STEP_UPS {
                let why = TerminationReason::TooManyStepUps(wanted.clone());
                return Err(SessionError::Terminated(SessionTerminated::new(why)));
            }
            *count += 1;
            return Ok(());
        }
        step_ups.push((wanted.clone(), 1, now));
        Ok(())
    }
}
