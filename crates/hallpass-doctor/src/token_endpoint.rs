//! Whether a login would get through at the token endpoint: by its client, by its proof of possession,
//! and by what the endpoint answers to a code that was not issued.

use hallpass_core::{ServerMetadata, TokenEndpointAuthMethod, redacted_url};
use hallpass_login::{
    LoginInputs, LoginPlan, PlannedClient, TokenEndpointAnswer, TokenEndpointVerdict,
    moved_endpoint_hints,
};
use http::header;
use url::Url;

use crate::{Code, Finding, ResponsibleParty, Severity, Step, diagnosis::Diagnosis, unanswered};

/// The algorithm of Hallpass' proofs (RFC 7518 §3.1).
const PROOF_ALGORITHM: &str = "ES256";

impl Diagnosis<'_> {
    /// Asks the token endpoint, and reports where the login of `plan` would fail.
    pub(crate) async fn token_endpoint(
        &self,
        step: &mut Step,
        inputs: &LoginInputs<'_>,
        plan: &LoginPlan,
    ) {
        let metadata = &inputs.discovered.server;
        if plan.dpop {
            step.findings.extend(impossible_proof(metadata));
        }
        let http = &self.doctor.parts.http;
        let Some(url) = &metadata.token_endpoint else {
            return;
        };
        // What is found already would be found again.
        if !step.is_passable() || !http.has_answered(url) {
            return;
        }
        let Some(answer) = inputs.ask_token_endpoint(plan, http).await else {
            return;
        };
        step.exchanges.extend(http.exchanges());
        let found = match answer {
            Ok(answer) => {
                let moved = match &answer.verdict {
                    TokenEndpointVerdict::Redirects(Some(to)) => {
                        self.moved(metadata, url, to).await
                    }
                    _ => None,
                };
                step.exchanges.extend(http.exchanges());
                judge(url, &answer, plan, moved.as_ref())
            }
            Err(error) => {
                let proxy = self.doctor.proxy_for(url);
                let side = ResponsibleParty::AuthorizationServer;
                Some(unanswered::finding(&error, side, proxy.as_deref()))
            }
        };
        step.findings.extend(found.map(|found| {
            if self.needs_no_sign_in() && found.severity == Severity::Fault {
                found.with_severity(Severity::Warning)
            } else {
                found
            }
        }));
    }

    /// The metadata with the final URLs, where the token endpoint `from` redirects to `to`: the registration
    /// endpoint may have moved there as well. `None` where `to` can't be used.
    async fn moved(
        &self,
        metadata: &ServerMetadata,
        from: &Url,
        to: &Url,
    ) -> Option<ServerMetadata> {
        let moved = metadata.clone().with_moved_endpoint(from, to)?;
        let Some(registration) = &metadata.registration_endpoint else {
            return Some(moved);
        };
        let target = self.redirect_target(registration).await;
        let target = target.filter(|target| target.origin() == to.origin());
        let both =
            target.and_then(|target| moved.clone().with_moved_endpoint(registration, &target));
        Some(both.unwrap_or(moved))
    }

    /// Where an endpoint redirects a GET to.
    async fn redirect_target(&self, endpoint: &Url) -> Option<Url> {
        let answer = self.get_endpoint(endpoint).await.ok()?;
        let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
        let mut target = endpoint.join(location).ok()?;
        target.set_query(None);
        answer.status().is_redirection().then_some(target)
    }
}

/// A client whose method is not in the list. That the list leaves out `none` says little: many servers
/// take public clients all the same.
pub(crate) fn unlisted_authentication(
    plan: &LoginPlan,
    metadata: &ServerMetadata,
) -> Option<Finding> {
    let (PlannedClient::Configured(client) | PlannedClient::Reused(client)) = &plan.client else {
        return None;
    };
    let listed = metadata.token_endpoint_auth_methods_supported.as_deref()?;
    let method = &client.auth_method;
    if listed.is_empty() || listed.contains(method) {
        return None;
    }
    let names: Vec<_> = listed.iter().map(TokenEndpointAuthMethod::as_str).collect();
    let what = format!(
        "the client `{}` authenticates by `{method}`, and `{}` lists {}",
        client.client_id,
        metadata.issuer,
        names.join(", ")
    );
    let found = Finding::new(Code::ClientAuthNotListed, what);
    Some(if *method == TokenEndpointAuthMethod::None {
        found.text("nothing, unless a sign-in ends in `invalid_client`: then it needs its secret")
    } else {
        found
            .with_severity(Severity::Warning)
            .hint_setting("client", None)
    })
}

fn impossible_proof(metadata: &ServerMetadata) -> Option<Finding> {
    let listed = metadata.dpop_signing_alg_values_supported.as_deref()?;
    if listed.iter().any(|name| name == PROOF_ALGORITHM) {
        return None;
    }
    let what = format!(
        "tokens have to be bound to a key, and `{}` lists {} for the proofs, not {PROOF_ALGORITHM}",
        metadata.issuer,
        listed.join(", ")
    );
    let found = Finding::new(Code::DpopImpossible, what);
    Some(found.contact_operator("the authorization server"))
}

/// What the answer means for the login of `plan`; `moved` has the final URLs of endpoints that redirect.
fn judge(
    url: &Url,
    answer: &TokenEndpointAnswer,
    plan: &LoginPlan,
    moved: Option<&ServerMetadata>,
) -> Option<Finding> {
    let (shown, status) = (redacted_url(url), answer.status.as_u16());
    let found = |what: String| Finding::new(Code::TokenEndpointFails, what);
    let fails = |what: String| found(what).hint_setting("endpoints", None);
    let operator = "the authorization server";
    Some(match &answer.verdict {
        TokenEndpointVerdict::Absent => fails(format!(
            "`{shown}` answers the POST of a form with {status}: there is no token endpoint"
        ))
        .contact_operator(operator),
        TokenEndpointVerdict::Redirects(to) => {
            let place = to
                .as_ref()
                .map_or_else(String::new, |to| format!(" to `{}`", redacted_url(to)));
            let what = format!(
                "`{shown}` redirects a token request{place}: a code and a secret follow no redirect"
            );
            match moved {
                Some(moved) => {
                    let to = to.as_ref().unwrap_or(url);
                    found(what).with_hints(&moved_endpoint_hints(moved, url, to))
                }
                None => fails(what),
            }
            .contact_operator(operator)
        }
        TokenEndpointVerdict::Page => {
            let found = fails(format!(
                "`{shown}` answers {status} with what is no answer of a token endpoint, such as a web \
                 page"
            ));
            let found = found.contact_operator(operator);
            if answer.status.is_success() {
                found
            } else {
                found.with_severity(Severity::Warning)
            }
        }
        TokenEndpointVerdict::Unavailable => Finding::new(
            Code::TokenEndpointFails,
            format!("`{shown}` answers {status} to a code that it did not issue"),
        )
        .with_severity(Severity::Warning)
        .text(
            "try again later; if a sign-in fails too, contact the authorization server's operator",
        ),
        TokenEndpointVerdict::DemandsProof if !plan.dpop => Finding::new(
            Code::DpopDemanded,
            format!("`{shown}` demands a proof of possession (DPoP) that nothing else asks for"),
        )
        .hint_setting("dpop", Some("always")),
        // In the place of a client that it registered, a login registers another one.
        TokenEndpointVerdict::RefusesClient(id)
            if matches!(plan.client, PlannedClient::Configured(_)) =>
        {
            let what = format!(
                "`{shown}` answers `invalid_client` to `{id}`: it does not know this client, or wants \
                 its secret"
            );
            Finding::new(Code::ClientNotAccepted, what)
                .hint_setting("client", None)
                .hint_setting("client.secret", None)
                .text("if it has one")
        }
        _ => return None,
    })
}
