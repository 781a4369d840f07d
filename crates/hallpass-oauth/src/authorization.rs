//! The authorization request (RFC 6749 §4.1.1) with PKCE (RFC 7636) and one `resource` (RFC 8707).

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::{
    ClientId, Diagnostic, Entropy, Hint, Issuer, Remedy, Resource, Scopes, ServerMetadata,
    is_loopback, quote,
};
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier};
use url::Url;
use zeroize::Zeroizing;

use crate::{callback::PendingAuthorization, form::Form};

/// A request to an authorization server, through the user's browser.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizationRequest<'a> {
    /// The server's metadata.
    pub metadata: &'a ServerMetadata,
    /// The client.
    pub client_id: &'a ClientId,
    /// Where the browser returns to, exactly as it was registered.
    pub redirect_uri: &'a str,
    /// What the token is to be good for; `None` leaves the parameter out.
    pub resource: Option<&'a Resource>,
    /// The scopes to ask for; none leaves the parameter out.
    pub scopes: &'a Scopes,
    /// Go on although the server does not list S256. The challenge is sent all the same.
    pub pkce_waived: bool,
    /// Further parameters for an odd server: `audience`, `prompt`, `access_type`. They replace
    /// parameters of the endpoint's own query, and can't name any that this crate sets.
    pub extra: &'a [(String, String)],
}

impl AuthorizationRequest<'_> {
    /// Whether the request can be made, judged before anything is sent or registered for it.
    ///
    /// # Errors
    ///
    /// When the server has no authorization endpoint that a browser may be sent to, does not list
    /// S256 (and that is not waived), or `extra` names a parameter that is not the caller's to set.
    pub fn check(&self) -> Result<(), AuthorizationRequestError> {
        self.endpoint().map(drop)
    }

    /// Where the browser is sent.
    fn endpoint(&self) -> Result<&Url, AuthorizationRequestError> {
        let refuse = |reason| {
            Err(AuthorizationRequestError {
                issuer: Box::new(self.metadata.issuer.clone()),
                reason,
            })
        };
        let Some(endpoint) = &self.metadata.authorization_endpoint else {
            return refuse(Reason::NoEndpoint(self.metadata.endpoint_settings()));
        };
        // A browser is sent there: nothing but https, or http to this machine (RFC 6749 §3.1).
        if endpoint.scheme() != "https" && !(endpoint.scheme() == "http" && is_loopback(endpoint)) {
            return refuse(Reason::InsecureEndpoint);
        }
        // MCP authorization: a client must refuse to go on when PKCE is not advertised.
        if !self.pkce_waived && !self.metadata.supports_s256() {
            return refuse(Reason::NoPkce);
        }
        for (position, (name, _)) in self.extra.iter().enumerate() {
            if RESERVED.contains(&name.as_str()) {
                return refuse(Reason::Reserved(name.clone()));
            }
            // RFC 6749 §3.1: no parameter more than once.
            if self.extra[..position]
                .iter()
                .any(|(other, _)| other == name)
            {
                return refuse(Reason::Repeated(name.clone()));
            }
        }
        Ok(endpoint)
    }

    /// Draws `state` and the PKCE verifier, and builds the URL.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn begin(
        self,
        entropy: &dyn Entropy,
    ) -> Result<PendingAuthorization, AuthorizationRequestError> {
        let endpoint = self.endpoint()?;
        let state = CsrfToken::new(random(entropy));
        let verifier = PkceCodeVerifier::new(random(entropy));
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let mut form = Form::default()
            .with("response_type", "code")
            .with("client_id", self.client_id.as_str())
            .with("redirect_uri", self.redirect_uri)
            .with("state", state.secret())
            .with("code_challenge", challenge.as_str())
            .with("code_challenge_method", "S256")
            .with_scopes(self.scopes)
            .with_resource(self.resource);
        for (name, value) in self.extra {
            form = form.with(name, value);
        }

        Ok(PendingAuthorization {
            url: with_parameters(endpoint, &form),
            endpoint: endpoint.clone(),
            form,
            redirect_uri: self.redirect_uri.to_owned(),
            resource: self.resource.cloned(),
            issuer: self.metadata.issuer.clone(),
            iss_advertised: self.metadata.authorization_response_iss_parameter_supported,
            state,
            verifier,
        })
    }
}

/// The parameters that are this crate's to set, or that would replace those: a request object
/// (RFC 9101) overrides them all, another response mode sends the answer elsewhere.
const RESERVED: &[&str] = &[
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "redirect_uri",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// `endpoint` with the parameters of `form` in place of those of the same name, or of a reserved one, in its own
/// query. What else is in that query stays as it is, byte for byte (RFC 6749 §3.1).
pub(crate) fn with_parameters(endpoint: &Url, form: &Form) -> Url {
    let kept = form.rest_of_query(endpoint, RESERVED);
    let mut query = form_urlencoded::Serializer::new(kept);
    query.extend_pairs(form.iter());
    let mut url = endpoint.clone();
    url.set_fragment(None);
    url.set_query(Some(&query.finish()));
    url
}

/// 256 bits as 43 characters, which is what RFC 7636 §4.1 recommends for a verifier.
fn random(entropy: &dyn Entropy) -> String {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(&mut *bytes);
    URL_SAFE_NO_PAD.encode(*bytes)
}

/// An authorization request that can't be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequestError {
    issuer: Box<Issuer>,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    /// With the other endpoints as settings.
    NoEndpoint(Hint),
    InsecureEndpoint,
    NoPkce,
    Reserved(String),
    Repeated(String),
}

impl AuthorizationRequestError {
    /// The authorization server.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether the server's silence about PKCE is the reason.
    pub fn is_missing_pkce(&self) -> bool {
        self.reason == Reason::NoPkce
    }
}

impl Diagnostic for AuthorizationRequestError {
    /// Only a setting, here or at the server, can help.
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        let hint = match &self.reason {
            Reason::NoEndpoint(endpoints) => {
                return vec![
                    endpoints.clone(),
                    Hint::text("or use a grant that needs no browser"),
                ];
            }
            Reason::NoPkce => {
                return vec![
                    Hint::setting("pkce", Some("assume-s256")),
                    Hint::text("only if the server does support S256 and does not say so"),
                ];
            }
            Reason::Reserved(name) => match name.as_str() {
                "resource" => Hint::setting("resource", None),
                "scope" => Hint::setting("scopes", None),
                "client_id" | "client_secret" => Hint::setting("client", None),
                _ => Hint::text("leave it out"),
            },
            Reason::InsecureEndpoint | Reason::Repeated(_) => return Vec::new(),
        };
        vec![hint]
    }
}

impl fmt::Display for AuthorizationRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = &self.issuer;
        match &self.reason {
            Reason::NoEndpoint(_) => {
                write!(
                    f,
                    "the authorization server `{issuer}` has no authorization endpoint"
                )
            }
            Reason::InsecureEndpoint => write!(
                f,
                "the authorization endpoint of `{issuer}` is not an https URL (RFC 6749 §3.1)"
            ),
            Reason::NoPkce => write!(
                f,
                "the authorization server `{issuer}` does not list PKCE with S256, which MCP demands"
            ),
            Reason::Reserved(name) => write!(
                f,
                "the authorization parameter `{}` can't be set by hand",
                quote(name)
            ),
            Reason::Repeated(name) => write!(
                f,
                "the authorization parameter `{}` is given twice",
                quote(name)
            ),
        }
    }
}

impl std::error::Error for AuthorizationRequestError {}
