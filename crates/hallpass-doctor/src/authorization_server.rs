//! What the authorization server's metadata says, and whether its endpoints can be reached.

use bytes::Bytes;
use hallpass_core::{
    DpopSetting, HttpClient, HttpError, Scopes, ServerMetadata, ServerSettings, SignInReason,
    TokenEndpointAuthMethod,
    http::{Body, HttpErrorKind, RequestOptions},
    redacted_url,
};
use hallpass_discovery::{Discovered, MetadataSource};
use hallpass_login::LoginInputs;
use http::{Request, Response};
use url::Url;

use crate::{Code, Finding, ResponsibleParty, Severity, Step, diagnosis::Diagnosis, unanswered};

/// Adds what the metadata says.
pub(crate) fn describe(step: &mut Step, discovered: &Discovered, settings: &ServerSettings) {
    let server = &discovered.server;
    step.push_fact("issuer", server.issuer.as_str());
    step.push_fact(
        "from",
        match discovered.source {
            MetadataSource::Rfc8414 => "RFC 8414 metadata",
            MetadataSource::OpenId => "OpenID Connect metadata",
            MetadataSource::Explicit => "the settings",
            MetadataSource::Legacy => "the MCP server's origin, as in MCP 2025-03-26",
            MetadataSource::Guessed => "a guess, as in MCP 2025-03-26: there is no metadata",
            _ => "elsewhere",
        },
    );
    for (name, url) in [
        ("authorization endpoint", &server.authorization_endpoint),
        ("token endpoint", &server.token_endpoint),
    ] {
        if let Some(url) = url {
            step.push_fact(name, redacted_url(url));
        }
    }
    if let Some(methods) = &server.token_endpoint_auth_methods_supported {
        let methods: Vec<_> = methods
            .iter()
            .map(TokenEndpointAuthMethod::as_str)
            .collect();
        step.push_fact("client authentication", methods.join(", "));
    }
    pkce(step, discovered, settings);
    if server.authorization_endpoint.is_none() && server.device_authorization_endpoint.is_none() {
        let what = format!(
            "`{}` names neither an authorization endpoint nor one for devices: a user can't \
             sign in there",
            server.issuer
        );
        step.push_finding(
            Finding::new(Code::NoAuthorizationEndpoint, what).hint(server.endpoint_settings()),
        );
    }
    // Where there is no document there is nothing that it could say.
    if !discovered.has_server_document() || discovered.source == MetadataSource::Legacy {
        return;
    }
    if !server.authorization_response_iss_parameter_supported {
        let what = "callbacks may come without `iss`: a client that talks to several authorization \
                    servers can't tell which of them answered";
        step.push_finding(Finding::new(Code::IssNotPromised, what));
    }
    if server.grant_types_supported.is_some() && !server.supports_grant("refresh_token") {
        let what = "`grant_types_supported` does not list `refresh_token`";
        step.push_finding(Finding::new(Code::NoRefreshGrant, what));
    }
    let algorithms = server.dpop_signing_alg_values_supported.as_deref();
    let is_demanded = server.dpop_bound_access_tokens_required
        || settings.dpop == DpopSetting::Always
        || discovered
            .resource_metadata
            .as_ref()
            .is_some_and(|metadata| metadata.dpop_bound_access_tokens_required);
    if let Some(algorithms) = algorithms.filter(|listed| !listed.is_empty() && !is_demanded) {
        let what = format!(
            "`dpop_signing_alg_values_supported` lists {}: tokens are bound to a key where they are \
             demanded so",
            algorithms.join(", ")
        );
        let found = Finding::new(Code::DpopOffered, what);
        step.push_finding(
            found
                .hint_setting("dpop", Some("always"))
                .text("if the server refuses bearer tokens"),
        );
    }
    if server.revocation_endpoint.is_none() {
        let what = "there is no `revocation_endpoint`: signing out forgets the tokens here, and \
                    the server takes them until they end";
        step.push_finding(Finding::new(Code::NoRevocation, what));
    }
}

/// MCP lets a client refuse to go on where PKCE is not advertised, and Hallpass does.
fn pkce(step: &mut Step, discovered: &Discovered, settings: &ServerSettings) {
    let server = &discovered.server;
    if server.supports_s256() {
        step.push_fact("PKCE", "S256");
        return;
    }
    // Where there is no document there is nothing that it could say.
    if !discovered.has_server_document() && server.code_challenge_methods_supported.is_none() {
        return;
    }
    let waived = discovered.pkce_waived(settings);
    let finding = match &server.code_challenge_methods_supported {
        None => Finding::new(
            Code::PkceNotAdvertised,
            format!(
                "the metadata of `{}` has no `code_challenge_methods_supported`",
                server.issuer
            ),
        ),
        Some(methods) => Finding::new(
            Code::PkceWithoutS256,
            format!(
                "the metadata of `{}` lists {} in `code_challenge_methods_supported`, and not S256",
                server.issuer,
                if methods.is_empty() {
                    "nothing".to_owned()
                } else {
                    methods.join(", ")
                }
            ),
        ),
    };
    step.push_finding(if waived {
        finding.with_severity(Severity::Note)
    } else {
        finding.hint_setting("pkce", Some("assume-s256")).text(
            "only if the server does support S256; its operator has to say so in the metadata",
        )
    });
}

impl Diagnosis<'_> {
    /// The scopes that a login would request.
    fn requested_scopes(&self, discovered: &Discovered) -> Scopes {
        LoginInputs {
            server: &self.key().server,
            settings: self.settings(),
            discovered,
            challenges: self.challenges(),
            previous: None,
            reason: SignInReason::Requested,
            added_scopes: &Scopes::none(),
            device_grant: false,
            another_account: false,
            now: self.doctor.parts.clock.now(),
        }
        .scopes()
    }

    /// Reports the scopes that a login would request.
    pub(crate) fn scopes(&self, step: &mut Step, discovered: &Discovered) {
        let requested = self.requested_scopes(discovered);
        step.push_fact(
            "scopes to request",
            if requested.is_empty() {
                "none".to_owned()
            } else {
                requested.to_string()
            },
        );
        if requested.is_empty() && discovered.server.supports_scope("openid") {
            let what = format!(
                "no scope is requested: the server names none, and `{}` lists `openid`",
                discovered.server.issuer
            );
            step.push_finding(
                Finding::new(Code::NoScope, what)
                    .hint_setting("scopes", Some("openid"))
                    .text("if its page refuses the request"),
            );
        }
    }

    /// Scopes that would be requested, that the authorization server does not list, and that it has not
    /// granted: a server "MAY choose not to advertise some" (RFC 8414 §2).
    pub(crate) fn unlisted_scopes(&self, step: &mut Step) {
        let Some(discovered) = &self.discovered else {
            return;
        };
        if discovered.server.scopes_supported.is_none() {
            return;
        }
        let grant = self
            .record
            .as_ref()
            .and_then(|record| record.grant.as_ref());
        let requested = self.requested_scopes(discovered);
        let unknown: Vec<_> = requested
            .iter()
            .filter(|scope| !discovered.server.supports_scope(scope))
            .filter(|scope| !grant.is_some_and(|grant| grant.scopes().contains(scope)))
            .collect();
        if unknown.is_empty() {
            return;
        }
        let what = format!(
            "`{}` would be requested, and `{}` does not list it in `scopes_supported`",
            unknown.join(" "),
            discovered.server.issuer
        );
        step.push_finding(
            Finding::new(Code::ScopeNotKnown, what)
                .hint_setting("scopes", None)
                .text("if a sign-in ends in `invalid_scope`"),
        );
    }

    /// Asks an endpoint of the authorization server for nothing.
    pub(crate) async fn get_endpoint(&self, url: &Url) -> Result<Response<Body>, HttpError> {
        let options = RequestOptions::authorization_server(&self.key().server);
        let Ok(request) = Request::get(url.as_str()).body(Bytes::new()) else {
            let kind = HttpErrorKind::InvalidRequest;
            return Err(HttpError::new(kind, options.target, url));
        };
        let http: &dyn HttpClient = &self.doctor.parts.http;
        http.open(request, options).await
    }

    /// Whether there is anything at an authorization endpoint that is a guess.
    async fn guessed_endpoint(&self, step: &mut Step, url: &Url) {
        match self.get_endpoint(url).await {
            Ok(answer) if matches!(answer.status().as_u16(), 404 | 405 | 410) => {
                let what = format!(
                    "there is no metadata anywhere, and the guessed `{}` answers {}",
                    redacted_url(url),
                    answer.status().as_u16()
                );
                let found = Finding::new(Code::NoServerMetadata, what)
                    .hint_setting("endpoints", None)
                    .hint_setting("server_metadata_url", None);
                step.push_finding(found.text("the server's operator knows them"));
            }
            Ok(_) => {}
            Err(error) => {
                let proxy = self.doctor.proxy_for(url);
                let side = ResponsibleParty::AuthorizationServer;
                step.push_finding(unanswered::finding(&error, side, proxy.as_deref()));
            }
        }
        step.exchanges.extend(self.doctor.parts.http.exchanges());
    }

    /// Whether the endpoints that will be posted to can be reached, where their origin has not
    /// answered yet. A GET tells: any status means that the origin answers.
    pub(crate) async fn endpoints(&self, step: &mut Step) {
        let Some(discovered) = &self.discovered else {
            return;
        };
        if discovered.source == MetadataSource::Guessed {
            let authorization = discovered.server.authorization_endpoint.clone();
            if let Some(url) = authorization {
                self.guessed_endpoint(step, &url).await;
            }
            return;
        }
        let ServerMetadata {
            token_endpoint,
            registration_endpoint,
            ..
        } = &discovered.server;
        let urls: Vec<Url> = [token_endpoint, registration_endpoint]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        for url in urls {
            if self.doctor.parts.http.has_answered(&url) {
                continue;
            }
            if let Err(error) = self.get_endpoint(&url).await {
                let proxy = self.doctor.proxy_for(&url);
                let side = ResponsibleParty::AuthorizationServer;
                let found = unanswered::finding(&error, side, proxy.as_deref());
                step.push_finding(found);
            }
            step.exchanges.extend(self.doctor.parts.http.exchanges());
        }
    }
}
