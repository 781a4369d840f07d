//! What a transport calls after a 401, or after a 403 that says `insufficient_scope`.
//!
//! Any other 403 is not about authorization and does not come here. A step-up asks for the union of the
//! scopes that were requested before and those that the server requires now. When all of those were
//! requested before, another sign-in would show the user the same page, so none is started.

use hallpass_core::{Challenge, Scopes, SignInReason, record::SignInCause};

use crate::{
    error::{SessionError, SessionTerminated, SignInNeed, TerminationReason},
    external_token, refused_scopes,
    session_inner::SessionInner,
    sign_in::OwnedSignInRequest,
    token::Token,
    token_origin::RefreshIntent,
};

impl SessionInner {
    pub(crate) async fn handle_challenge(
        &self,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        if let Some(source) = self.origin.external() {
            let intent = match refused {
                Some(refused) => RefreshIntent::Replace(refused.clone()),
                None => return self.origin.token().await,
            };
            let result = self.origin.renew(intent, challenges).await;
            return result
                .map_err(|error| external_token::with_challenges(error, source, challenges));
        }
        let Some(refused) = refused else {
            let result = match self.context.fresh() {
                Some(token) => Ok(token),
                None => self.origin.renew(RefreshIntent::Fresh, &[]).await,
            };
            return self.or_sign_in(result, None, challenges).await;
        };
        if challenges.iter().any(Challenge::is_insufficient_scope) {
            return self.step_up(refused, challenges).await;
        }
        let intent = RefreshIntent::Replace(refused.clone());
        let result = self.origin.renew(intent, challenges).await;
        self.or_sign_in(result, Some(refused), challenges).await
    }

    /// Signs in when the result says that a sign-in is needed.
    async fn or_sign_in(
        &self,
        result: Result<Token, SessionError>,
        refused: Option<&Token>,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        let required = match result {
            Err(SessionError::SignInRequired(required)) => required,
            result => return result,
        };
        let (reason, issuer) = match required.need() {
            SignInNeed::First | SignInNeed::Ended(SignInCause::SignedOut) => {
                (SignInReason::First, None)
            }
            SignInNeed::Migrated(issuer) => (SignInReason::Migration, Some(issuer.clone())),
            SignInNeed::Ended(SignInCause::IssuerChanged) => (SignInReason::Migration, None),
            SignInNeed::Ended(_)
            | SignInNeed::NoTokenEndpoint
            | SignInNeed::NoClient
            | SignInNeed::DpopKeyUnreadable
            | SignInNeed::SettingChanged(_)
            | SignInNeed::SecretExpired
            | SignInNeed::ClientForgotten
            | SignInNeed::RefreshRequestRefused => (SignInReason::Ended, None),
        };
        let request = OwnedSignInRequest {
            reason,
            challenges: challenges.to_vec(),
            unexpected_status: None,
            scopes: Scopes::none(),
            issuer,
            step_up: None,
        };
        let settled = || {
            let token = self.context.fresh()?;
            refused
                .is_none_or(|refused| !refused.same(&token))
                .then_some(token)
        };
        let result = self.sign_in.sign_in(request, settled).await;
        match (result, required.need()) {
            // The server's answer, or the setting that has changed, says more than that no user can be
            // asked.
            (
                Err(SessionError::SignIn(failed)),
                SignInNeed::ClientForgotten
                | SignInNeed::RefreshRequestRefused
                | SignInNeed::SettingChanged(_),
            ) if failed.cause().is_non_interactive() => Err(SessionError::SignInRequired(required)),
            (result, _) => result,
        }
    }

    async fn step_up(
        &self,
        refused: &Token,
        challenges: &[Challenge],
    ) -> Result<Token, SessionError> {
        let context = &self.context;
        let end = |reason| Err(SessionError::Terminated(SessionTerminated::new(reason)));
        let wanted = challenges
            .iter()
            .filter(|challenge| challenge.is_insufficient_scope())
            .filter_map(|challenge| challenge.scope.as_ref())
            .fold(Scopes::none(), |all, scopes| all.union(scopes));
        // Another call or process may have stepped up already.
        let has_wanted_scopes =
            |token: &Token| !token.same(refused) && token.scopes().covers(&wanted);
        if let Some(token) = context.fresh().filter(has_wanted_scopes) {
            return Ok(token);
        }
        let record = context.load().await?;
        let (record, grant) = match context.usable(record.as_ref()) {
            Ok(found) => found,
            Err(error) => return self.or_sign_in(Err(error), Some(refused), challenges).await,
        };
        let fresh = |token: &Token| token.is_fresh(context.moment()) && has_wanted_scopes(token);
        if let Some(token) = context.publish_if(record, None, fresh)? {
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
            unexpected_status: None,
            scopes: requested.union(&wanted),
            issuer: None,
            step_up: Some(wanted.clone()),
        };
        let settled = || context.fresh().filter(has_wanted_scopes);
        let result = self.sign_in.sign_in(request, settled).await;
        if let Err(SessionError::SignIn(failed)) = &result
            && failed.cause().is_non_interactive()
        {
            refused_scopes::remember(context, refused, &wanted).await;
        }
        result
    }
}
