//! What a login would do, decided before anything is sent: for the login itself and for a diagnosis.
//!
//! A plan is a pure function of the discovery result, the settings and the stored record. The login
//! runs it; nothing is decided again on the way, except what only the servers' answers can tell.

use std::fmt;

use hallpass_core::{
    AuthScheme, Challenge, ClientId, DpopSetting, Entropy, Hint, HttpClient, HttpError, Record,
    Registration, Resource, Scopes, ServerSettings, ServerUrl, SignInReason, Timestamp,
    record::RegistrationOrigin, redacted_url,
};
use hallpass_discovery::Discovered;
use hallpass_oauth::AuthorizationRequest;
use url::Url;

use crate::{
    AuthorizationEndpointVerdict, LoginError, LoginErrorKind, ReregistrationReason,
    TokenEndpointAnswer,
    address::CallbackAddress,
    authorization_endpoint,
    client::{ClientCandidates, DEVICE_CODE, PlannedClient},
    scopes, token_endpoint,
    token_host::TokenHost,
};

/// The `prompt` that offline access takes (`OpenID` Connect Core §11).
const CONSENT: &str = "consent";

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct LoginInputs<'a> {
    /// The MCP server.
    pub server: &'a ServerUrl,
    /// The user's settings for the server.
    pub settings: &'a ServerSettings,
    /// The authorization server.
    pub discovered: &'a Discovered,
    /// What the server answered to a request without a token.
    pub challenges: &'a [Challenge],
    /// The stored record of earlier logins.
    pub previous: Option<&'a Record>,
    /// Why there is a login.
    pub reason: SignInReason,
    /// Scopes that a step-up adds.
    pub added_scopes: &'a Scopes,
    /// Whether the host offers the device grant (RFC 8628).
    pub device_grant: bool,
    /// Whether the host asks for another account than the one that the browser is signed in with.
    pub another_account: bool,
    /// The time.
    pub now: Timestamp,
}

/// What a login would do. `Display` prints one line for each decision.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LoginPlan {
    /// Which client signs in, and whether it is registered first.
    pub client: PlannedClient,
    /// The scopes to ask for; empty: the parameter is left out.
    pub scopes: Scopes,
    /// The `resource` of each request (RFC 8707); `None`: the parameter is left out.
    pub resource: Option<Resource>,
    /// What the authorization server shall ask the user (`OpenID` Connect Core §3.1.2.1); `None`: the
    /// parameter is left out, or a setting says what it is.
    pub prompt: Option<String>,
    /// Whether the authorization request is pushed first (RFC 9126), where the server accepts that.
    pub par: bool,
    /// Whether the device grant (RFC 8628) runs beside the authorization code grant.
    pub device_grant: bool,
    /// Whether the tokens will be bound to a key (RFC 9449).
    pub dpop: bool,
    /// Where the result of the sign-in goes, if that may be another operator's server than the sign-in
    /// page and the user has not named its issuer: the user is asked first.
    pub token_host: Option<TokenHost>,
    /// The callback address of the setting, or of a client that registers itself.
    pub(crate) callback: CallbackAddress,
    /// The callback address of a reused registration.
    pub(crate) registered_callback: Option<CallbackAddress>,
}

impl LoginInputs<'_> {
    /// The scopes to ask for, before the host has chosen among them.
    pub fn scopes(&self) -> Scopes {
        scopes::to_ask_for(
            &self.discovered.scopes(self.challenges, self.settings),
            self.added_scopes,
            self.settings,
            &self.discovered.server,
        )
    }

    /// The plan of a login that asks for `scopes`.
    ///
    /// # Errors
    ///
    /// When the callback setting can't be used, and when there is no client to sign in with: the
    /// error of the login itself.
    pub fn plan(&self, scopes: Scopes) -> Result<LoginPlan, LoginError> {
        self.plan_again(scopes, None)
    }

    /// Judges by the address policy of `http` where the browser would be sent.
    ///
    /// # Errors
    ///
    /// When the authorization endpoint leads into another network than the MCP server's, and the user
    /// has not named it: the error of the login itself.
    pub fn check_addresses(&self, http: &dyn HttpClient) -> Result<(), LoginError> {
        match &self.discovered.server.authorization_endpoint {
            Some(url) => {
                let what = ("authorization endpoint", "the metadata of ");
                self.check_navigation(http, what, url)
            }
            None => Ok(()),
        }
    }

    /// The same for any page: what it is, and what of the authorization server names it.
    pub(crate) fn check_navigation(
        &self,
        http: &dyn HttpClient,
        (what, named_by): (&str, &str),
        url: &Url,
    ) -> Result<(), LoginError> {
        // The settings decide first: a client of the host's own may not know them.
        let mut named = self.settings.named_urls();
        if named.any(|named| named.origin() == url.origin()) {
            return Ok(());
        }
        http.check_navigation(url, self.server).map_err(|refused| {
            let (server, metadata) = (self.server, &self.discovered.server);
            let issuer = &metadata.issuer;
            let what = format!(
                "no sign-in to {server}: no browser is sent to the {what} {}, which {named_by}{issuer} \
                 names",
                redacted_url(url)
            );
            // Without its value: what the user sets is allowed, and a hostile server may have named it.
            let setting = if issuer.url().origin() == url.origin() {
                "issuer"
            } else {
                "endpoints"
            };
            LoginError::new(LoginErrorKind::Endpoint, what)
                .with_hint(Hint::setting(setting, None))
                .with_hint(format!(
                    "what a user sets is always allowed: set it only if `{}` is right, for the server \
                     may be hostile",
                    refused.host()
                ))
                .with_source(refused)
        })
    }

    /// The plan after an attempt that showed that the registration can't be used.
    pub(crate) fn plan_again(
        &self,
        scopes: Scopes,
        reregister: Option<ReregistrationReason>,
    ) -> Result<LoginPlan, LoginError> {
        let metadata = &self.discovered.server;
        let configured = CallbackAddress::from_setting(&self.settings.callback)?;
        let candidates = ClientCandidates {
            settings: self.settings,
            metadata,
            previous: self.previous,
            scopes: &scopes,
            device_grant: self.offers_device_grant(),
            callback: &configured,
            reason: self.reason,
            now: self.now,
        };
        let (client, registered_callback) = candidates.choose(reregister)?;
        let callback = match &client {
            PlannedClient::Configured(_) => configured.clone(),
            _ => candidates.registration_callback(),
        };
        Ok(LoginPlan {
            client,
            callback,
            registered_callback,
            token_host: metadata
                .authorization_endpoint
                .as_ref()
                .and_then(|page| self.unconfirmed_token_host(page)),
            prompt: self.prompt(&scopes),
            scopes,
            resource: self.discovered.resource.clone(),
            par: metadata.pushed_authorization_request_endpoint.is_some(),
            device_grant: self.offers_device_grant(),
            dpop: self.demands_bound_tokens(),
        })
    }

    /// Where the result of a sign-in at `page` goes, if the user has to confirm that.
    pub(crate) fn unconfirmed_token_host(&self, page: &Url) -> Option<TokenHost> {
        let record = self.previous_record();
        let confirmed = record.map_or(&[][..], |record| &record.confirmed_hosts);
        TokenHost::unconfirmed(page, &self.discovered.server, self.settings, confirmed)
    }

    /// The `prompt` of a request for `scopes`, where no setting says what it is.
    fn prompt(&self, scopes: &Scopes) -> Option<String> {
        let parameters = &self.settings.authorize_parameters;
        if parameters.iter().any(|(name, _)| name == "prompt") {
            return None;
        }
        let another_account = self.another_account.then_some("select_account");
        let is_consent_needed = scopes::is_offline_access_added(scopes, self.settings)
            && !scopes::needs_no_consent(&self.discovered.server.issuer);
        let words: Vec<_> = another_account
            .into_iter()
            .chain(is_consent_needed.then_some(CONSENT))
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// The further parameters of the authorization request: those of the settings, and `prompt`.
    pub(crate) fn parameters(&self, prompt: Option<&str>) -> Vec<(String, String)> {
        let prompt = prompt.map(|prompt| ("prompt".to_owned(), prompt.to_owned()));
        let set = self.settings.authorize_parameters.iter().cloned();
        // RFC 6749 §3.1: a parameter without a value is as good as none.
        let given = set.filter(|(_, value)| !value.is_empty());
        given.chain(prompt).collect()
    }

    /// Whether the host wants the device grant and the server has it.
    pub(crate) fn offers_device_grant(&self) -> bool {
        let metadata = &self.discovered.server;
        let is_listed =
            metadata.grant_types_supported.is_none() || metadata.supports_grant(DEVICE_CODE);
        self.device_grant && metadata.device_authorization_endpoint.is_some() && is_listed
    }

    /// Whether only bound tokens are accepted: on a `DPoP` challenge without a bearer one beside it
    /// (RFC 9449 §7.1), where the metadata of the resource or of the authorization server or a setting
    /// says so, where an endpoint of the authorization server has demanded a proof before, and where the
    /// previous grant was bound. A list of algorithms (RFC 9449 §5.1) demands nothing.
    fn demands_bound_tokens(&self) -> bool {
        let previous = self.previous_record();
        self.settings.dpop == DpopSetting::Always
            || self.discovered.demands_bound_tokens(self.challenges)
            || self.discovered.server.dpop_bound_access_tokens_required
            || previous.is_some_and(|record| record.metadata.dpop_bound_access_tokens_required)
            || previous
                .and_then(|record| record.grant.as_ref())
                .is_some_and(|grant| grant.scheme == AuthScheme::Dpop)
    }

    /// The stored record, if it is of this authorization server.
    pub(crate) fn previous_record(&self) -> Option<&Record> {
        let issuer = &self.discovered.server.issuer;
        self.previous.filter(|record| record.issuer == *issuer)
    }

    /// The scopes to begin again with, where a request of `plan` is an `invalid_scope`.
    pub(crate) fn scopes_instead(&self, plan: &LoginPlan) -> Option<Scopes> {
        scopes::instead_of_none(&plan.scopes, self.settings, &self.discovered.server)
    }

    /// Whether a login begins again with scopes, where a request of `plan` is an `invalid_scope`.
    pub fn has_scopes_instead(&self, plan: &LoginPlan) -> bool {
        self.scopes_instead(plan).is_some()
    }

    /// The authorization request of a client (RFC 6749 §4.1.1).
    pub(crate) fn authorization_request<'r>(
        &'r self,
        client_id: &'r ClientId,
        redirect_uri: &'r str,
        scopes: &'r Scopes,
        extra: &'r [(String, String)],
    ) -> AuthorizationRequest<'r> {
        AuthorizationRequest {
            metadata: &self.discovered.server,
            client_id,
            redirect_uri,
            resource: self.discovered.resource.as_ref(),
            scopes,
            pkce_waived: self.discovered.pkce_waived(self.settings),
            extra,
        }
    }

    /// Sends the authorization request of a login with this client, in the way a browser would, and reads
    /// what it would show. No grant is requested: the user would have to sign in for it. A client without
    /// a redirect URI of its own is asked for with the one of the settings.
    ///
    /// `None` where the endpoint can't be asked: without an endpoint or S256, and where requests have to
    /// be pushed.
    pub async fn ask_authorization_endpoint(
        &self,
        registration: &Registration,
        http: &dyn HttpClient,
        entropy: &dyn Entropy,
    ) -> Option<AuthorizationEndpointVerdict> {
        let metadata = &self.discovered.server;
        if metadata.require_pushed_authorization_requests {
            return None;
        }
        let callback = CallbackAddress::from_setting(&self.settings.callback).ok()?;
        let planned = callback.likely_redirect_uri();
        let redirect_uri = registration.redirect_uri.as_deref().unwrap_or(&planned);
        let scopes = self.scopes();
        let extra = self.parameters(self.prompt(&scopes).as_deref());
        let id = &registration.client_id;
        let request = self.authorization_request(id, redirect_uri, &scopes, &extra);
        let pending = request.begin(entropy).ok()?;
        Some(authorization_endpoint::ask(http, self.server, &pending).await)
    }

    /// Posts to the token endpoint what the login of `plan` would, with a code that was not issued, and
    /// without authentication: no secret is sent. Tokens that come all the same are dropped.
    ///
    /// `None` where there is no token endpoint.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn ask_token_endpoint(
        &self,
        plan: &LoginPlan,
        http: &dyn HttpClient,
    ) -> Option<Result<TokenEndpointAnswer, HttpError>> {
        let endpoint = self.discovered.server.token_endpoint.as_ref()?;
        token_endpoint::ask(http, self.server, endpoint, plan).await
    }
}

impl LoginPlan {
    /// The redirect URI. Without a port where the login takes a free one.
    pub fn redirect_uri(&self) -> String {
        self.planned_callback().planned_redirect_uri()
    }

    /// Whether the authorization server shall ask for consent again.
    pub fn asks_for_consent(&self) -> bool {
        let prompt = self.prompt.as_deref().unwrap_or_default();
        prompt.split(' ').any(|word| word == CONSENT)
    }

    /// What helps where the page that asks for consent has no way back; none where the login does not ask
    /// for it.
    pub fn consent_hints(&self) -> Vec<Hint> {
        if !self.asks_for_consent() {
            return Vec::new();
        }
        vec![
            Hint::setting("authorize_parameters", Some("prompt=")),
            Hint::text(
                "only if the page for consent has no way back, as where only an administrator consents",
            ),
        ]
    }

    /// The address to listen on.
    pub(crate) fn planned_callback(&self) -> &CallbackAddress {
        self.registered_callback.as_ref().unwrap_or(&self.callback)
    }
}

impl fmt::Display for LoginPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uri, note) = match self.planned_callback().port() {
            Some(_) => (self.redirect_uri(), ""),
            None => (self.redirect_uri(), " on a free port"),
        };
        writeln!(f, "client: {}", self.client)?;
        writeln!(f, "redirect URI: {uri}{note}")?;
        let scopes = if self.scopes.is_empty() {
            "none".to_owned()
        } else {
            self.scopes.to_string()
        };
        writeln!(f, "scopes: {scopes}")?;
        if let Some(prompt) = &self.prompt {
            writeln!(f, "prompt: {prompt}")?;
        }
        match &self.resource {
            Some(resource) => writeln!(f, "resource: {}", resource.as_str())?,
            None => writeln!(f, "resource: none")?,
        }
        let pushed = if self.par { ", pushed first" } else { "" };
        let device = if self.device_grant {
            "; device code"
        } else {
            ""
        };
        writeln!(f, "grants: authorization code{pushed}{device}")?;
        let tokens = if self.dpop {
            "bound to a key (DPoP)"
        } else {
            "bearer"
        };
        write!(f, "tokens: {tokens}")?;
        match &self.token_host {
            Some(token_host) => write!(f, "\nasks first: {token_host}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PlannedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured(registration) => {
                let how = match registration.origin {
                    RegistrationOrigin::MetadataDocument => "its metadata document",
                    _ => "registered by hand",
                };
                let (id, method) = (&registration.client_id, &registration.auth_method);
                write!(f, "`{id}`, {how}, authenticates by {method}")
            }
            Self::Reused(registration) => {
                let id = &registration.client_id;
                write!(f, "`{id}`, registered at an earlier sign-in")
            }
            Self::Register(None) => f.write_str("registered at the sign-in (RFC 7591)"),
            Self::Register(Some(reason)) => {
                write!(f, "registered again at the sign-in (RFC 7591): {reason}")
            }
        }
    }
}
