//! Whether a login would get through at the authorization endpoint, before its user sees a page.

use hallpass_core::{Diagnostic as _, Hint, Record, Registration, Remedy, ServerWords};
use hallpass_login::{
    AuthorizationEndpointVerdict, CallbackError, CallbackErrorKind, LoginInputs, LoginPlan,
    PlannedClient,
};

use crate::{Code, Finding, Severity, Step, diagnosis::Diagnosis};

impl Diagnosis<'_> {
    /// Sends what the login of `plan` would, where its client is known and nothing at the authorization server
    /// (`server`) is in its way, and reports where it would fail.
    pub(crate) async fn authorization_endpoint(
        &self,
        step: &mut Step,
        server: &Step,
        inputs: &LoginInputs<'_>,
        plan: &LoginPlan,
    ) {
        let is_signed_in = self.record.as_ref().is_some_and(Record::is_signed_in);
        let client = match &plan.client {
            PlannedClient::Reused(client) => Some(client),
            // A client that has signed in is taken as it is.
            PlannedClient::Configured(client) if !is_signed_in && server.is_passable() => {
                Some(client)
            }
            _ => None,
        };
        let mut verdict = AuthorizationEndpointVerdict::Ready;
        if let Some(client) = client {
            let http = &self.doctor.parts.http;
            let entropy = &*self.doctor.parts.entropy;
            let asked = inputs.ask_authorization_endpoint(client, http, entropy);
            if let Some(answer) = asked.await {
                verdict = answer;
            }
            step.exchanges.extend(http.exchanges());
            let found = self.judge_authorization(&verdict, client, inputs, plan);
            step.findings.extend(found);
        }
        if !is_signed_in {
            step.findings.extend(consent(&verdict, plan));
        }
        // A user who is signed in, or who need not be, is not stopped by it.
        if is_signed_in || self.is_open() {
            for found in &mut step.findings {
                found.severity = found.severity.min(Severity::Warning);
            }
        }
    }

    /// What the answer means for the login of `plan` by `client`.
    fn judge_authorization(
        &self,
        verdict: &AuthorizationEndpointVerdict,
        client: &Registration,
        inputs: &LoginInputs<'_>,
        plan: &LoginPlan,
    ) -> Option<Finding> {
        let (issuer, id) = (&inputs.discovered.server.issuer, &client.client_id);
        let found = |what: String| Finding::new(Code::AuthorizationRefused, what);
        let is_registered = matches!(plan.client, PlannedClient::Reused(_));
        match verdict {
            // The next login registers another one.
            AuthorizationEndpointVerdict::RefusesClient
            | AuthorizationEndpointVerdict::RefusesRedirectUri(_)
                if is_registered =>
            {
                let what = match verdict {
                    AuthorizationEndpointVerdict::RefusesRedirectUri(_) => format!(
                        "`{issuer}` no longer accepts the redirect URI {} of the client `{id}`",
                        plan.redirect_uri()
                    ),
                    _ => format!("`{issuer}` no longer knows the client `{id}`"),
                };
                let found = Finding::new(Code::RegistrationForgotten, what);
                Some(found.hint(Hint::SignIn).hint(Hint::ForgetClient))
            }
            AuthorizationEndpointVerdict::RefusesClient => {
                let what = format!("`{issuer}` does not know the client `{id}`");
                Some(found(what).hint_setting("client", None))
            }
            AuthorizationEndpointVerdict::RefusesRedirectUri(refusal) => {
                let what = format!(
                    "`{issuer}` does not accept the redirect URI {} of the client `{id}`",
                    plan.redirect_uri()
                );
                let hints = refusal.hints(&self.settings().callback.host);
                Some(found(what).with_hints(&hints))
            }
            AuthorizationEndpointVerdict::RefusesRequest(error) => {
                // A login begins again with scopes then.
                let repeats =
                    error.code() == Some("invalid_scope") && inputs.has_scopes_instead(plan);
                (!repeats).then(|| refused(error, plan))
            }
            AuthorizationEndpointVerdict::StaticPage(words) if !plan.asks_for_consent() => {
                let what = format!(
                    "the authorization endpoint of `{issuer}` shows a page with nothing to fill in or to \
                     follow: a sign-in may end there"
                );
                let found = found(what).with_severity(Severity::Warning);
                let found = found.server_words(words.as_ref().map(ServerWords::as_str));
                Some(found.contact_operator("the authorization server"))
            }
            _ => None,
        }
    }
}

/// The endpoint sends the browser back with an error.
fn refused(error: &CallbackError, plan: &LoginPlan) -> Finding {
    let found = Finding::from_error(Code::AuthorizationRefused, error)
        .with_remedy(error.remedy())
        .with_hints(&error.hints());
    // With a user it may answer in another way.
    let is_certain = error.kind() != CallbackErrorKind::Refused
        || error.remedy() == Remedy::Configure
        || !error.hints().is_empty();
    let found = if is_certain {
        found
    } else {
        found.with_severity(Severity::Warning)
    };
    match error.code() {
        Some("access_denied" | "consent_required" | "interaction_required") => {
            found.with_hints(&plan.consent_hints())
        }
        _ if error.remedy() == Remedy::Retry => found.retry_later(),
        _ => found,
    }
}

/// A login that asks for consent again, and what the page for that says.
fn consent(verdict: &AuthorizationEndpointVerdict, plan: &LoginPlan) -> Option<Finding> {
    if !plan.asks_for_consent() {
        return None;
    }
    let what = "a sign-in asks for consent again (`prompt=consent`), for `offline_access`";
    let found = Finding::new(Code::ConsentAsked, what);
    let found = match verdict {
        AuthorizationEndpointVerdict::StaticPage(words) => found
            .with_severity(Severity::Fault)
            .server_words(words.as_ref().map(ServerWords::as_str)),
        _ => found,
    };
    Some(found.with_hints(&plan.consent_hints()))
}
