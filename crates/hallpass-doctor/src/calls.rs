//! Whether the server takes the token, and whether MCP works.

use hallpass_core::{Challenge, Hint, Remedy, ServerWords, UnverifiedClaims};
use hallpass_mcp::{Anonymous, TokenAuthorization};
use hallpass_session::Token;
use http::{HeaderMap, StatusCode};

use crate::{
    Code, Finding, ResponsibleParty, Severity, Step, StepName, diagnosis::Diagnosis, endpoint, mcp,
    metadata, opening::InitializeOutcome, token,
};

/// A token that is younger than this, in seconds, has just been issued.
const FRESH: u64 = 300;

impl Diagnosis<'_> {
    /// Sends MCP requests with the token that there is, or without any where none is wanted.
    pub(crate) async fn calls(&mut self, token: &Step) -> (Step, Step) {
        let both = |why: &str| {
            (
                Step::skipped(StepName::Audience, why),
                Step::skipped(StepName::Mcp, why),
            )
        };
        if self.anonymous.is_none() {
            return both("the server does not answer");
        }
        if let Some(token) = self.token.clone() {
            return self.with_token(&token).await;
        }
        if self.is_open() {
            let audience = Step::skipped(StepName::Audience, "the server asks for no token");
            let mut step = Step::new(StepName::Mcp);
            let (endpoint, spoken) = (self.endpoint(), self.spoken());
            let probe = InitializeOutcome::request(spoken.0);
            match endpoint.send(&probe, &Anonymous).await {
                Ok(response) => {
                    let outcome =
                        InitializeOutcome::after(response, &endpoint, &Anonymous, spoken).await;
                    match outcome {
                        InitializeOutcome::Account { account, lifecycle } => {
                            mcp::talk(&mut step, &account, lifecycle, &endpoint, &Anonymous).await;
                        }
                        InitializeOutcome::Failed(findings) => step.findings.extend(findings),
                        InitializeOutcome::Status(status, headers) => {
                            step.push_finding(endpoint::unexpected(status, &headers, false));
                        }
                    }
                }
                Err(error) => step.push_finding(self.no_answer(&error)),
            }
            step.exchanges = self.doctor.parts.http.exchanges();
            return (audience, step);
        }
        let ended = token.findings.iter().any(|it| it.code == Code::TokenEnded);
        both(if ended {
            "the kept token has ended, and was not refreshed"
        } else {
            "there is no token to ask with"
        })
    }

    async fn with_token(&mut self, token: &Token) -> (Step, Step) {
        let mut audience = Step::new(StepName::Audience);
        let session = self.doctor.parts.hallpass.session();
        let bearing = TokenAuthorization::new(session, token);
        let endpoint = self.endpoint();
        let spoken = self.spoken();
        let probe = InitializeOutcome::request(spoken.0);
        let mut answer = endpoint.send(&probe, &bearing).await;
        if let Ok(first) = &answer
            && first.asks_for_dpop_nonce()
        {
            // RFC 9449 §9: neither token nor request is refused.
            answer = endpoint.send(&probe, &bearing).await;
        }
        let opening = match answer {
            Ok(first) => Ok(InitializeOutcome::after(first, &endpoint, &bearing, spoken).await),
            Err(error) => Err(self.no_answer(&error)),
        };
        audience.exchanges = self.doctor.parts.http.exchanges();
        let mut step = Step::new(StepName::Mcp);
        let why = match opening {
            Ok(InitializeOutcome::Account { account, lifecycle }) => {
                audience.push_fact("the token", "is accepted");
                mcp::talk(&mut step, &account, lifecycle, &endpoint, &bearing).await;
                step.exchanges = self.doctor.parts.http.exchanges();
                return (audience, step);
            }
            Ok(InitializeOutcome::Failed(findings)) => {
                audience.push_fact("the token", "is accepted");
                step.findings.extend(findings);
                return (audience, step);
            }
            Ok(InitializeOutcome::Status(status, headers)) => {
                audience.push_finding(self.rejected(token, status, &headers));
                "the server does not let the token in"
            }
            Err(finding) => {
                audience.push_finding(finding);
                "there was no answer"
            }
        };
        (audience, Step::skipped(StepName::Mcp, why))
    }

    /// An answer that does not accept the token.
    fn rejected(&self, token: &Token, status: StatusCode, headers: &HeaderMap) -> Finding {
        let challenges = hallpass_discovery::challenges(headers);
        let insufficient = challenges.iter().find(|it| it.is_insufficient_scope());
        match status {
            StatusCode::UNAUTHORIZED => self.refused(token, &challenges),
            StatusCode::FORBIDDEN if insufficient.is_some() => {
                self.lacks_scopes(token, insufficient)
            }
            _ => endpoint::unexpected(status, headers, true),
        }
    }

    /// The server refuses a token that has not expired.
    fn refused(&self, token: &Token, challenges: &[Challenge]) -> Finding {
        let said = challenges.iter().find_map(|it| it.error.as_deref());
        let said = match said {
            Some(error) => format!("`{}`", error.chars().take(60).collect::<String>()),
            None => "nothing about it".to_owned(),
        };
        if let Some(source) = self.doctor.parts.hallpass.session().token_source() {
            let words = challenges
                .iter()
                .find_map(|it| it.error_description.as_deref());
            let words = words.and_then(|text| ServerWords::in_text(text, None));
            let found = self.refused_external(token, &source.describe(), &said);
            return match words {
                Some(words) => found.with_cause(words.to_string()),
                None => found,
            };
        }
        let grant = self.record.as_ref().and_then(|it| it.grant.as_ref());
        let asked = grant.and_then(|grant| grant.resource.as_ref());
        let wanted = self.discovered.as_ref().and_then(|it| it.resource.as_ref());
        let for_another = self.discovered.is_some() && asked != wanted;
        let age = grant.map(|grant| {
            self.doctor
                .parts
                .clock
                .now()
                .saturating_since(grant.obtained_at)
        });
        let fresh = age.is_some_and(|age| age.as_secs() < FRESH);
        if for_another {
            let what = format!(
                "the server refuses the token (it says {said}): it was asked for with the resource \
                 {}, and the server wants {}",
                metadata::quoted_resource(asked),
                metadata::quoted_resource(wanted)
            );
            return Finding::new(Code::AnotherAudience, what)
                .with_party(ResponsibleParty::Here)
                .hint(Hint::SignIn);
        }
        if fresh {
            let what = format!(
                "the server refuses a token that was issued just now for the resource {} (it says \
                 {said}): it may expect another audience than its metadata says",
                metadata::quoted_resource(asked)
            );
            // A sign-in names the scopes, and a refresh does not unless it is told to.
            let registration = self.record.as_ref().and_then(|it| it.registration.as_ref());
            let signed_in_at = registration.and_then(|it| it.proven_at);
            let may_lack_scope = !self.settings().refresh_scope
                && grant.is_some_and(|grant| {
                    !grant.requested_scopes.is_empty() && signed_in_at != Some(grant.obtained_at)
                });
            let found = Finding::new(Code::FreshTokenRefused, what);
            let found = if may_lack_scope {
                found
                    .hint_setting("refresh_scope", Some("true"))
                    .text("if only the tokens of a refresh are refused")
            } else {
                found
            };
            let found = found
                .hint(Hint::other_resource())
                .with_hints(&token::audience(asked));
            return found.text(
                "contact the server's operator: it has to accept tokens whose audience is the \
                     `resource` that it publishes (RFC 8707 §2.2)",
            );
        }
        let what = format!(
            "the server refuses the token, which has not ended (it says {said}): it was revoked, or \
             the server expects another audience than {}",
            metadata::quoted_resource(asked)
        );
        let found = Finding::new(Code::TokenRefused, what);
        let renewable = grant.is_some_and(|grant| grant.refresh_token.is_some());
        if renewable {
            // A call would do it by itself, once.
            return found
                .with_severity(Severity::Warning)
                .text("the next call fetches another one by itself")
                .hint(Hint::SignIn);
        }
        found.hint(Hint::SignIn)
    }

    /// The server refuses a token that `source` gave.
    fn refused_external(&self, token: &Token, source: &str, said: &str) -> Finding {
        let wanted = self.discovered.as_ref().and_then(|it| it.resource.as_ref());
        let claims = UnverifiedClaims::from_token(token.access_token());
        let audience = claims.map(|claims| claims.audience).unwrap_or_default();
        let is_for_another = wanted.is_some_and(|wanted| {
            !audience.is_empty() && !audience.iter().any(|it| token::names(it, wanted))
        });
        let (code, why) = if is_for_another {
            (Code::AnotherAudience, "it is for another server")
        } else {
            (
                Code::TokenRefused,
                "it has ended, was revoked, or is for another server",
            )
        };
        let what = format!("the server refuses the token from {source} (it says {said}): {why}");
        Finding::new(code, what)
            .with_severity(Severity::Fault)
            .with_party(ResponsibleParty::Here)
            .hint(Hint::SignIn)
    }

    /// The server wants scopes that the token lacks. Where it does not say which, or the sign-in has requested
    /// them, another sign-in with the same settings changes nothing, as for a call.
    fn lacks_scopes(&self, token: &Token, challenge: Option<&Challenge>) -> Finding {
        let wanted = challenge.and_then(|challenge| challenge.scope.as_ref());
        let wanted = wanted.filter(|scopes| !scopes.is_empty());
        let named = wanted.map_or_else(
            || "others, and does not say which".to_owned(),
            |scopes| format!("`{scopes}`"),
        );
        let has = if token.scopes().is_empty() {
            "no known scopes".to_owned()
        } else {
            format!("the scopes `{}`", token.scopes())
        };
        let what = format!("the token has {has}, and the server wants {named}");
        let found = Finding::new(Code::InsufficientScope, what);
        let grant = self.record.as_ref().and_then(|it| it.grant.as_ref());
        let requested = grant.map(|grant| &grant.requested_scopes);
        match (wanted, requested) {
            _ if self.has_token_source() => found.hint(Hint::SignIn),
            (None, _) => found
                .with_remedy(Remedy::Report)
                .hint_setting("scopes", None),
            (Some(wanted), Some(requested)) if requested.covers(wanted) => {
                found.with_remedy(Remedy::Configure).text(format!(
                    "ask the authorization server's operator to grant `{wanted}` to this account"
                ))
            }
            _ => found.hint(Hint::SignIn),
        }
    }
}
