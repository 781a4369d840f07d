//! Pushed authorization requests (RFC 9126).

use bytes::Bytes;
use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_oauth::{ClientAuthentication, PendingAuthorization, TokenError};
use hallpass_session::{DpopOnDemand, Retry, TokenRequestError};
use http::Response;

use crate::{
    LoginError, LoginErrorKind,
    login::{Client, FailedAttempt, Login},
    plan::LoginPlan,
};

impl Login<'_> {
    /// Pushes the parameters where the server has an endpoint for that; whether it accepted them.
    ///
    /// A server that only offers the endpoint may refuse this kind of client: then the browser carries
    /// the parameters. A refusal by a server that demands pushed requests ends the login.
    pub(crate) async fn push(
        &self,
        pending: &mut PendingAuthorization,
        client: &Client,
        plan: &LoginPlan,
        dpop: &DpopOnDemand<'_>,
    ) -> Result<bool, FailedAttempt> {
        let metadata = &self.discovered.server;
        let demanded = metadata.require_pushed_authorization_requests;
        let refused = |remedy| {
            let what = format!(
                "{} did not accept the authorization request",
                metadata.issuer
            );
            LoginError::new(LoginErrorKind::Request, what).with_remedy(remedy)
        };
        let Some(endpoint) = &metadata.pushed_authorization_request_endpoint else {
            if demanded {
                let hint = "its metadata demands pushed requests and names no endpoint for them";
                return Err(refused(Remedy::Report).with_hint(hint).into());
            }
            return Ok(false);
        };
        let mut par = self.endpoint(endpoint, &client.registration, None);
        par.retry = Retry::Never;
        let token_client = self.token_client();
        let request = &*pending;
        let build = |client: &ClientAuthentication<'_>| request.push(endpoint, client);
        // Only the demand for a proof is read here.
        let read = |answer: &Response<Bytes>| match TokenError::from_http(answer) {
            Some(error) if error.demands_proof() => Err(error),
            _ => Ok(answer.clone()),
        };
        let mut sent = token_client.send(&par, build, read).await;
        if let Some(signer) = dpop.demanded_by(&par, &sent) {
            par.dpop = Some(signer);
            sent = token_client.send(&par, build, read).await;
        }
        let answer = match sent {
            Ok(answer) => answer,
            Err(TokenRequestError::Signing(error)) => {
                let what = "the authorization request could not be signed";
                let error = LoginError::new(LoginErrorKind::Request, what)
                    .with_remedy(Remedy::Retry)
                    .with_source(error);
                return Err(error.into());
            }
            Err(TokenRequestError::Answer(error)) if demanded => {
                return Err(refused(error.remedy()).with_cause(error).into());
            }
            Err(error) if demanded => {
                let what = format!("no authorization request to {}", metadata.issuer);
                let error = LoginError::new(LoginErrorKind::Network, what)
                    .with_remedy(error.remedy())
                    .with_source(error.into_inner());
                return Err(error.into());
            }
            Err(error) => {
                tracing::debug!(%error, "the authorization request was not pushed");
                return Ok(false);
            }
        };
        match pending.pushed(&answer) {
            Ok(()) => Ok(true),
            // RFC 9126 §2.3: the server says here what it would otherwise show in the browser.
            Err(error)
                if client.is_reused
                    && matches!(
                        error.code(),
                        Some("invalid_client" | "invalid_redirect_uri" | "unauthorized_client")
                    ) =>
            {
                Err(self.registration_refused(Some(error)))
            }
            Err(error)
                if error.code() == Some("invalid_scope")
                    && self.inputs().scopes_instead(plan).is_some() =>
            {
                Err(self.without_scopes(plan, refused(error.remedy()).with_cause(error)))
            }
            Err(error) if demanded => Err(refused(error.remedy()).with_cause(error).into()),
            Err(error) => {
                tracing::debug!(%error, "the authorization request was not pushed");
                Ok(false)
            }
        }
    }
}
