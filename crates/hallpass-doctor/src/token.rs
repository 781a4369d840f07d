//! The access token: whether it lives, and what it says of itself.

use std::{borrow::Cow, error::Error};

use hallpass_core::{AuthScheme, Diagnostic as _, Hint, Remedy, Resource, UnverifiedClaims};
use hallpass_session::{SessionError, SignInNeed, Token};

use crate::{Code, Finding, Severity, Step, StepName, clock, diagnosis::Diagnosis, metadata};

impl Diagnosis<'_> {
    /// Looks at the token; refreshes it where that is due and allowed. The token that is left for the
    /// next steps is one that may be sent.
    pub(crate) async fn token(&mut self, account: &Step) -> Step {
        let Some(kept) = self.token.take() else {
            let why = match account.skipped {
                Some(_) => "the store can't be read",
                None => "there is none",
            };
            return Step::skipped(StepName::Token, why);
        };
        let mut step = Step::new(StepName::Token);
        if account
            .findings
            .iter()
            .any(|it| it.code == Code::IssuerChanged)
        {
            return Step::skipped(
                StepName::Token,
                "it is another authorization server's, and is sent nowhere",
            );
        }
        let ended = self.ended_for(&kept);
        let token = match ended {
            None => kept,
            Some(seconds) => match self.refresh_ended(&mut step, seconds).await {
                Some(token) => token,
                None => return step,
            },
        };
        step.push_fact("scheme", token.scheme().as_str());
        step.push_fact("ends", self.expiry_text(&token));
        if let Some(claims) = UnverifiedClaims::from_token(token.access_token()) {
            self.claims(&mut step, &claims);
        }
        self.binding(&mut step, &token);
        if step.is_passable() {
            self.token = Some(token);
        }
        step
    }

    /// For how many seconds the token has been dead.
    pub(crate) fn ended_for(&self, token: &Token) -> Option<i64> {
        let now = self.doctor.parts.clock.now().as_unix_seconds();
        let end = token.expires_at()?.as_unix_seconds();
        (end <= now).then(|| now - end)
    }

    fn expiry_text(&self, token: &Token) -> String {
        let now = self.doctor.parts.clock.now().as_unix_seconds();
        match token.expires_at() {
            None => "the server did not say".to_owned(),
            Some(end) => format!("in {}", clock::format_seconds(end.as_unix_seconds() - now)),
        }
    }

    /// Refreshes an expired token where that is allowed: it uses up a refresh token.
    async fn refresh_ended(&self, step: &mut Step, ended: i64) -> Option<Token> {
        let renewable = self
            .record
            .as_ref()
            .and_then(|record| record.grant.as_ref())
            .is_some_and(|grant| grant.refresh_token.is_some());
        let ended = clock::format_seconds(ended);
        if !renewable {
            let what = format!(
                "the access token ended {ended} ago, and there is no refresh token to renew it with"
            );
            let found = Finding::new(Code::SignInRequired, what).hint(Hint::SignIn);
            step.push_finding(found);
            return None;
        }
        if !self.doctor.may_refresh
            && let Some(refused) = self.refused_refresh()
        {
            let why = self.describe_refused(&refused);
            let what = format!("the access token ended {ended} ago, and {why}");
            let found = match refused.need() {
                Some(SignInNeed::ClientForgotten) => {
                    Finding::new(Code::RegistrationForgotten, what).hint(Hint::SignIn)
                }
                Some(_) => Finding::new(Code::SignInRequired, what)
                    .with_hints(&refused.error().hints())
                    .hint(Hint::SignIn),
                None => Finding::new(Code::RefreshFailed, what)
                    .with_remedy(refused.error().remedy())
                    .with_hints(&refused.error().hints()),
            };
            let found = found.with_severity(Severity::Fault).hint(Hint::Refresh);
            step.push_finding(found.server_words(refused.error().description()));
            return None;
        }
        if !self.doctor.may_refresh {
            let what = format!(
                "the access token ended {ended} ago. The next call renews it; a diagnosis does not, \
                 unless it is told to, since a refresh token may be good for one use"
            );
            step.push_finding(Finding::new(Code::TokenEnded, what).hint(Hint::Refresh));
            return None;
        }
        let session = self.doctor.parts.hallpass.session();
        session.retry_refused_refresh();
        let fresh = session.token().await;
        step.exchanges.extend(self.doctor.parts.http.exchanges());
        match fresh {
            Ok(token) => {
                step.push_fact("refreshed", format!("the one before ended {ended} ago"));
                Some(token)
            }
            Err(error) => {
                step.push_finding(refused(&error));
                None
            }
        }
    }

    /// What the token says of itself, where it is a JWT. Its signature is not checked here.
    fn claims(&self, step: &mut Step, claims: &UnverifiedClaims) {
        if !claims.audience.is_empty() {
            step.push_fact("its `aud`", shown(&claims.audience).join(", "));
        }
        if let Some(issuer) = &claims.issuer {
            step.push_fact("its `iss`", metadata::without_query(issuer.as_str()));
        }
        let grant = self.record.as_ref().and_then(|it| it.grant.as_ref());
        let Some(resource) = grant.and_then(|grant| grant.resource.as_ref()) else {
            return;
        };
        let names_it = claims.audience.iter().any(|it| names(it, resource));
        if !claims.audience.is_empty() && !names_it {
            let what = format!(
                "the token was asked for with the resource `{}`, and says that it is for `{}`: the \
                 authorization server does not go by `resource`",
                metadata::without_query(resource.as_str()),
                shown(&claims.audience).join("`, `")
            );
            // Whether that matters the server decides.
            step.push_finding(
                Finding::new(Code::AnotherAudience, what)
                    .with_severity(Severity::Warning)
                    .hint(Hint::other_resource())
                    .with_hints(&audience(Some(resource)))
                    .text("contact the operator of the authorization server (RFC 8707 §2.2)"),
            );
        }
    }

    fn binding(&self, step: &mut Step, token: &Token) {
        let demanded = self
            .discovered
            .as_ref()
            .is_some_and(|discovered| discovered.demands_bound_tokens(self.challenges()));
        if demanded && token.scheme() != AuthScheme::Dpop {
            let what = "the server wants a token that is bound to a key (DPoP), and the kept one is \
                        a bearer's";
            step.push_finding(Finding::new(Code::DpopRequired, what).hint(Hint::SignIn));
        }
    }
}

/// Whether an audience is a resource.
pub(crate) fn names(audience: &str, resource: &Resource) -> bool {
    audience.trim_end_matches('/') == resource.as_str().trim_end_matches('/')
}

fn shown(audience: &[String]) -> Vec<Cow<'_, str>> {
    audience
        .iter()
        .map(|it| metadata::without_query(it))
        .collect()
}

/// A refresh that failed.
fn refused(error: &SessionError) -> Finding {
    let code = match error {
        SessionError::SignInRequired(needed) if *needed.need() == SignInNeed::ClientForgotten => {
            Code::RegistrationForgotten
        }
        SessionError::SignInRequired(_) => Code::SignInRequired,
        _ => Code::RefreshFailed,
    };
    let found = Finding::new(code, error.to_string())
        .with_severity(Severity::Fault)
        .with_causes((error as &dyn Error).source())
        .with_remedy(error.remedy());
    let hints = error.hints();
    let is_dated = hints.iter().any(|hint| matches!(hint, Hint::Retry { .. }));
    let found = match error {
        SessionError::SignInRequired(_) => return found.with_hints(&hints).hint(Hint::SignIn),
        _ if error.remedy() == Remedy::Retry && !is_dated => found.retry_later(),
        _ => found,
    };
    found.with_hints(&hints)
}

/// What helps where an authorization server goes by `audience` in the place of `resource`, as Auth0 does.
pub(crate) fn audience(resource: Option<&Resource>) -> Vec<Hint> {
    let Some(resource) = resource else {
        return Vec::new();
    };
    let parameter = format!("audience={}", resource.as_str());
    vec![
        Hint::setting("authorize_parameters", Some(&parameter)),
        Hint::text("if the authorization server goes by `audience`, as Auth0 does"),
    ]
}
