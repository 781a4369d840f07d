//! The access token: whether it lives, and what it says of itself.

use std::error::Error;

use hallpass_core::{AuthScheme, Remedy, UnverifiedClaims};
use hallpass_session::{SessionError, SignInNeed, Token};

use crate::{Code, Finding, Fix, Severity, Step, StepName, clock, diagnosis::Diagnosis};

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
            Some(seconds) => match self.another(&mut step, seconds).await {
                Some(token) => token,
                None => return step,
            },
        };
        step.fact("scheme", token.scheme().as_str());
        step.fact("ends", self.end_in_words(&token));
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
    fn ended_for(&self, token: &Token) -> Option<i64> {
        let now = self.doctor.parts.clock.now().as_unix_seconds();
        let end = token.expires_at()?.as_unix_seconds();
        (end <= now).then(|| now - end)
    }

    fn end_in_words(&self, token: &Token) -> String {
        let now = self.doctor.parts.clock.now().as_unix_seconds();
        match token.expires_at() {
            None => "the server did not say".to_owned(),
            Some(end) => format!("in {}", clock::in_words(end.as_unix_seconds() - now)),
        }
    }

    /// A token in the place of one that has ended. To fetch one uses up a refresh token, which is not
    /// done unasked.
    async fn another(&self, step: &mut Step, ended: i64) -> Option<Token> {
        let renewable = self
            .record
            .as_ref()
            .and_then(|record| record.grant.as_ref())
            .is_some_and(|grant| grant.refresh_token.is_some());
        let ended = clock::in_words(ended);
        if !renewable {
            let what = format!(
                "the access token ended {ended} ago, and there is no refresh token to renew it with"
            );
            let found = Finding::new(Code::SignInRequired, what).mend(Fix::SignIn);
            step.found(found);
            return None;
        }
        if !self.doctor.may_refresh {
            let what = format!(
                "the access token ended {ended} ago. The next call renews it; a diagnosis does not, \
                 unless it is told to, since a refresh token may be good for one use"
            );
            step.found(Finding::new(Code::TokenEnded, what).mend(Fix::Refresh));
            return None;
        }
        let session = self.doctor.parts.hallpass.session();
        session.retry_refused_refresh();
        let fresh = session.token().await;
        step.exchanges.extend(self.doctor.parts.http.exchanges());
        match fresh {
            Ok(token) => {
                step.fact("refreshed", format!("the one before ended {ended} ago"));
                Some(token)
            }
            Err(error) => {
                step.found(refused(&error));
                None
            }
        }
    }

    /// What the token says of itself, where it is one that says something. Nobody has checked it; the
    /// server will.
    fn claims(&self, step: &mut Step, claims: &UnverifiedClaims) {
        if !claims.audience.is_empty() {
            step.fact("its `aud`", claims.audience.join(", "));
        }
        if let Some(issuer) = &claims.issuer {
            step.fact("its `iss`", issuer.as_str());
        }
        let grant = self.record.as_ref().and_then(|it| it.grant.as_ref());
        let Some(resource) = grant.and_then(|grant| grant.resource.as_ref()) else {
            return;
        };
        let names_it = |audience: &String| {
            audience.trim_end_matches('/') == resource.as_str().trim_end_matches('/')
        };
        if !claims.audience.is_empty() && !claims.audience.iter().any(names_it) {
            let what = format!(
                "the token was asked for with the resource `{}`, and says that it is for `{}`: the \
                 authorization server does not go by `resource`",
                resource.as_str(),
                claims.audience.join("`, `")
            );
            // Whether that matters the server decides.
            step.found(
                Finding::new(Code::AnotherAudience, what)
                    .weighing(Severity::Warning)
                    .setting("resource", None)
                    .words("tell whoever runs the authorization server (RFC 8707 §2.2)"),
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
            step.found(Finding::new(Code::BoundTokenWanted, what).mend(Fix::SignIn));
        }
    }
}

/// A refresh that came to nothing.
fn refused(error: &SessionError) -> Finding {
    let code = match error {
        SessionError::SignInRequired(needed) if *needed.need() == SignInNeed::ClientForgotten => {
            Code::RegistrationForgotten
        }
        SessionError::SignInRequired(_) => Code::SignInRequired,
        _ => Code::RefreshError,
    };
    let found = Finding::new(code, error.to_string())
        .weighing(Severity::Fault)
        .because((error as &dyn Error).source())
        .remedy(error.remedy());
    let found = match error {
        SessionError::SignInRequired(_) => found.mend(Fix::SignIn),
        _ if error.remedy() == Remedy::Retry => found.words("try again later"),
        _ => found,
    };
    match error.hint() {
        Some(hint) => found.words(hint),
        None => found,
    }
}
