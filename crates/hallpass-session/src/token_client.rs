//! The client of an authorization server's endpoints. Every request of Hallpass to them is sent here; where a
//! host keeps rmcp's own manager, `hallpass-rmcp-bridge` sends that manager's requests.
//!
//! The grants are values of `hallpass-oauth`; this adds what sending them takes. A request to the
//! token endpoint gets the client's authentication and, for tokens that are bound to a key, a `DPoP`
//! proof (RFC 9449 §5). It is sent once more with the server's nonce after `use_dpop_nonce`
//! (RFC 9449 §8), and, where the caller waits for that, again after a server that was not ready
//! (`Retry-After`). Each request is built and signed for itself, and each answer is read once.

use std::{
    error::Error,
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use hallpass_core::{
    AuthScheme, Clock, Diagnostic, DpopKey, Entropy, Hint, HttpClient, HttpError, Issuer,
    Registration, Remedy, ServerMetadata, ServerUrl, Timestamp, http::RequestOptions,
    record::RegistrationManagement,
};
use hallpass_oauth::{
    ClientAuthentication, ClientKey, ProofKey, RegistrationError, RevocationAuthMethods,
    RevocationRequest, SigningError, TokenError, TokenErrorClass, TokenRequest, TokenResponse,
    dpop_nonce, revocation_from_http, unregister, unregistered_from_http,
};
use http::{Request, Response};
use url::Url;

/// Sends requests to the endpoints of an authorization server: token, revocation, pushed
/// authorization, device, registration. It follows no redirect.
#[derive(Debug, Clone, Copy)]
pub struct TokenClient<'a> {
    /// Sends the requests.
    pub http: &'a dyn HttpClient,
    /// The time, for assertions and proofs, and for waits.
    pub clock: &'a dyn Clock,
    /// Randomness, for assertions and proofs.
    pub entropy: &'a dyn Entropy,
    /// The MCP server that the requests are made for. The HTTP client's address policy depends on it.
    pub server: &'a ServerUrl,
}

/// A client with what it authenticates with.
#[derive(Debug, Clone, Copy)]
pub struct OAuthClient<'a> {
    registration: &'a Registration,
    key: Option<(&'a ClientKey, &'a Issuer)>,
}

impl<'a> OAuthClient<'a> {
    /// A client that authenticates with its secret or not at all. One that is registered for
    /// `private_key_jwt` sends its identifier alone.
    pub fn new(registration: &'a Registration) -> Self {
        Self {
            registration,
            key: None,
        }
    }

    /// Adds the key of a client that authenticates by `private_key_jwt`. `audience` is the
    /// authorization server that its assertions are for (RFC 7523 §3).
    #[must_use]
    pub fn with_key(mut self, key: Option<&'a ClientKey>, audience: &'a Issuer) -> Self {
        self.key = key.map(|key| (key, audience));
        self
    }

    /// The authentication of one request: an assertion is good for one.
    fn authenticate(
        &self,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<ClientAuthentication<'a>, SigningError> {
        let registration = self.registration;
        match self.key {
            Some((key, audience)) => {
                ClientAuthentication::authenticate(registration, Some(key), audience, now, entropy)
            }
            None => Ok(ClientAuthentication::from_registration(registration)),
        }
    }
}

/// What a request to an endpoint of the authorization server needs besides its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'a> {
    /// Where the request goes.
    pub url: &'a Url,
    /// The client that sends it.
    pub client: OAuthClient<'a>,
    /// Signs the proofs for tokens that are to be bound to a key.
    pub dpop: Option<&'a DpopSigner>,
    /// Whether to send the request again to a server that was not ready.
    pub retry: Retry,
}

/// What to do about a server that has not processed a request (408, 425, 429, 503).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Return the error: the caller decides when to try again.
    Never,
    /// Wait as the server says and send the request again, as
    /// [`TokenError::retry_delay`] limits it: a user waits for the tokens.
    WhileUserWaits,
}

impl TokenClient<'_> {
    /// Sends one grant and reads the tokens. A bearer token in answer to a proof is an error, and so
    /// is a bound token where none was asked for.
    ///
    /// # Errors
    ///
    /// A [`TokenRequestError`] when there are no usable tokens.
    pub async fn request_token(
        &self,
        endpoint: &Endpoint<'_>,
        grant: &TokenRequest,
    ) -> Result<TokenResponse, TokenRequestError> {
        let build =
            |client: &ClientAuthentication<'_>| grant.clone().into_http(endpoint.url, client);
        let scheme = endpoint.scheme();
        let read = |response: &Response<Bytes>| TokenResponse::from_http(response, scheme);
        self.send(endpoint, build, read).await
    }

    /// Sends what `build` makes, and reads the answer with `read`. `build` is called for each try.
    ///
    /// # Errors
    ///
    /// A [`TokenRequestError`]: there was no answer, `read` refused it, or nothing was sent because
    /// the request could not be signed.
    pub async fn send<T>(
        &self,
        endpoint: &Endpoint<'_>,
        build: impl Fn(&ClientAuthentication<'_>) -> Request<Bytes> + Send,
        read: impl Fn(&Response<Bytes>) -> Result<T, TokenError> + Send,
    ) -> Result<T, TokenRequestError> {
        let mut repeats = 0;
        let mut has_nonce = false;
        loop {
            let client = endpoint
                .client
                .authenticate(self.clock.now(), self.entropy)?;
            let mut request = build(&client);
            if let Some(dpop) = endpoint.dpop {
                dpop.prove(&mut request, endpoint.url, self.clock.now(), self.entropy)?;
            }
            let response = self.fetch(request).await?;
            if let Some(dpop) = endpoint.dpop {
                dpop.learn_nonce(&response);
            }
            let error = match read(&response) {
                Ok(answer) => return Ok(answer),
                Err(error) if endpoint.dpop.is_some() => error.after_proof(),
                Err(error) => error,
            };
            // The server has refused the proof and not looked at the grant. Once: a second demand is a
            // refusal. A server error is none, whatever its body says.
            let is_nonce_challenge =
                error.class() == TokenErrorClass::Refused && error.dpop_nonce_challenge().is_some();
            if endpoint.dpop.is_some() && !has_nonce && is_nonce_challenge {
                has_nonce = true;
                continue;
            }
            let wait = match endpoint.retry {
                Retry::Never => None,
                Retry::WhileUserWaits => error.retry_delay(repeats, self.clock.now()),
            };
            let Some(wait) = wait else {
                return Err(error.into());
            };
            tracing::debug!(%error, "the authorization server is asked again");
            repeats += 1;
            self.clock.sleep(wait).await;
        }
    }

    /// Sends one request as it is, once: for endpoints that take no authentication of the client.
    ///
    /// # Errors
    ///
    /// When there is no answer. Every status is an answer.
    pub async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let options = RequestOptions::authorization_server(self.server);
        self.http.fetch(request, options).await
    }

    /// Revokes one token (RFC 7009) at `url`, the `revocation_endpoint` of `metadata`.
    ///
    /// The client authenticates as [`RevocationAuthMethods`] says. A secret that the server refuses in
    /// one form is sent in the other, once.
    ///
    /// # Errors
    ///
    /// A [`TokenRequestError`]: the token may still be valid. Its text has the server's words.
    pub async fn revoke(
        &self,
        metadata: &ServerMetadata,
        url: &Url,
        client: &OAuthClient<'_>,
        token: RevocationRequest<'_>,
    ) -> Result<(), TokenRequestError> {
        let methods =
            RevocationAuthMethods::new(metadata, client.registration, client.key.is_some());
        let mut registration = client.registration.clone();
        let build = |client: &ClientAuthentication<'_>| token.into_http(url, client);

        registration.auth_method.clone_from(&methods.first);
        let endpoint = client.revocation_endpoint(&registration, url);
        let error = match self.send(&endpoint, build, revocation_from_http).await {
            Err(TokenRequestError::Answer(error)) => error,
            other => return other,
        };
        let Some(fallback) = methods.fallback_after(&error) else {
            return Err(error.into());
        };
        tracing::debug!(%error, method = %fallback, "the token is revoked with the secret in the other form");
        registration.auth_method.clone_from(fallback);
        let endpoint = client.revocation_endpoint(&registration, url);
        self.send(&endpoint, build, revocation_from_http).await
    }

    /// Deletes a registration that this client made (RFC 7592 §2.3).
    ///
    /// # Errors
    ///
    /// A [`RegistrationDeletionError`]: the registration may still be there.
    pub async fn delete_registration(
        &self,
        management: &RegistrationManagement,
    ) -> Result<(), RegistrationDeletionError> {
        let response = self.fetch(unregister(management)).await?;
        Ok(unregistered_from_http(&response)?)
    }
}

impl Endpoint<'_> {
    /// The type of token that a request asks for.
    pub fn scheme(&self) -> AuthScheme {
        match self.dpop {
            Some(_) => AuthScheme::Dpop,
            None => AuthScheme::Bearer,
        }
    }
}

impl<'a> OAuthClient<'a> {
    /// The same client at the revocation endpoint, with the method of `registration`.
    fn revocation_endpoint<'r>(&self, registration: &'r Registration, url: &'r Url) -> Endpoint<'r>
    where
        'a: 'r,
    {
        Endpoint {
            url,
            client: OAuthClient {
                registration,
                key: self.key,
            },
            dpop: None,
            retry: Retry::Never,
        }
    }
}

/// The key that tokens are bound to (RFC 9449), with the authorization server's last nonce.
pub struct DpopSigner {
    stored: DpopKey,
    key: ProofKey,
    nonce: Mutex<Option<String>>,
}

impl DpopSigner {
    /// The key for a new grant: `previous` where it can be used, so that the server sees the same
    /// client, else a new key.
    ///
    /// # Errors
    ///
    /// When the server lists algorithms of proofs without ES256, and when no key can be made.
    pub fn for_new_grant(
        metadata: &ServerMetadata,
        previous: Option<&DpopKey>,
    ) -> Result<Self, DpopSignerError> {
        if !ProofKey::is_accepted_by(metadata) {
            return Err(DpopSignerError::NotAccepted(metadata.issuer.clone()));
        }
        if let Some(signer) = previous.and_then(Self::open) {
            return Ok(signer);
        }
        let stored = ProofKey::generate().map_err(DpopSignerError::NoKey)?;
        Self::open(&stored).ok_or(DpopSignerError::NoKey(SigningError))
    }

    /// The key of a stored grant. `None` when it is not a P-256 key: the tokens are lost with it.
    pub fn open(stored: &DpopKey) -> Option<Self> {
        Some(Self {
            stored: stored.clone(),
            key: ProofKey::open(stored).ok()?,
            nonce: Mutex::default(),
        })
    }

    /// Starts with a nonce that the server gave before.
    #[must_use]
    pub fn with_nonce(mut self, nonce: Option<String>) -> Self {
        self.nonce = Mutex::new(nonce);
        self
    }

    /// The key, to be stored with the grant.
    pub fn stored_key(&self) -> &DpopKey {
        &self.stored
    }

    /// The server's last nonce, for the next request (RFC 9449 §8.2).
    pub fn nonce(&self) -> Option<String> {
        self.nonce
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn learn_nonce(&self, response: &Response<Bytes>) {
        if let Some(nonce) = dpop_nonce(response.headers()) {
            self.set_nonce(nonce);
        }
    }

    fn set_nonce(&self, nonce: String) {
        *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
    }

    fn prove(
        &self,
        request: &mut Request<Bytes>,
        url: &Url,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(), SigningError> {
        self.key
            .prove(request, url, self.nonce().as_deref(), now, entropy)
    }
}

impl fmt::Debug for DpopSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DpopSigner").field(&self.key).finish()
    }
}

/// The key of a login or a service, made where the settings or the resource demand it, or once an
/// endpoint of the authorization server demands a proof of a request without one.
#[derive(Debug)]
pub struct DpopOnDemand<'a> {
    metadata: &'a ServerMetadata,
    signer: OnceLock<DpopSigner>,
}

impl<'a> DpopOnDemand<'a> {
    /// Starts with `signer` where proofs are demanded already.
    pub fn new(metadata: &'a ServerMetadata, signer: Option<DpopSigner>) -> Self {
        let made = OnceLock::new();
        if let Some(signer) = signer {
            made.get_or_init(|| signer);
        }
        Self {
            metadata,
            signer: made,
        }
    }

    /// What signs proofs, if they are demanded.
    pub fn signer(&self) -> Option<&DpopSigner> {
        self.signer.get()
    }

    /// What signs the proof of the same request, where `result` is the refusal of a request to
    /// `endpoint` that had none (RFC 9449 §5, §8). The server has not looked at the grant. `None` where
    /// the result stands, and where no key can be made for this server.
    pub fn demanded_by<T>(
        &self,
        endpoint: &Endpoint<'_>,
        result: &Result<T, TokenRequestError>,
    ) -> Option<&DpopSigner> {
        let Err(TokenRequestError::Answer(error)) = result else {
            return None;
        };
        if endpoint.dpop.is_some() || !error.demands_proof() {
            return None;
        }
        let signer = if let Some(signer) = self.signer.get() {
            signer
        } else {
            let made = DpopSigner::for_new_grant(self.metadata, None).ok()?;
            self.signer.get_or_init(|| made)
        };
        if let Some(nonce) = error.dpop_nonce() {
            signer.set_nonce(nonce.to_owned());
        }
        tracing::debug!(%error, "the request is sent again with a proof");
        Some(signer)
    }

    /// The key, if one was made.
    pub fn into_signer(self) -> Option<DpopSigner> {
        self.signer.into_inner()
    }
}

/// Why a request to the authorization server failed.
///
/// Its text and its source are those of the error within.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum TokenRequestError {
    /// There is no answer. [`HttpError::may_have_been_sent`] says whether the server may have acted.
    Http(#[from] HttpError),
    /// The answer is an error, or can't be used.
    Answer(#[from] TokenError),
    /// The request could not be signed. Nothing was sent.
    Signing(#[from] SigningError),
}

impl Diagnostic for TokenRequestError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Http(error) => error.remedy(),
            Self::Answer(error) => error.remedy(),
            Self::Signing(_) => Remedy::Retry,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Answer(error) => error.hints(),
            Self::Http(_) | Self::Signing(_) => Vec::new(),
        }
    }
}

impl TokenRequestError {
    /// The error within, as the source of another error.
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        match self {
            Self::Http(error) => error.into(),
            Self::Answer(error) => error.into(),
            Self::Signing(error) => error.into(),
        }
    }
}

/// A registration that was not deleted.
///
/// Its text and its source are those of the error within.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum RegistrationDeletionError {
    /// There is no answer.
    Http(#[from] HttpError),
    /// The server did not delete the registration.
    Refused(#[from] RegistrationError),
}

impl Diagnostic for RegistrationDeletionError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Http(error) => error.remedy(),
            Self::Refused(error) => error.remedy(),
        }
    }
}

/// Tokens can't be bound to a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DpopSignerError {
    /// This authorization server accepts no proofs that are signed with ES256.
    #[error("{0} accepts no DPoP proofs that are signed with ES256")]
    NotAccepted(Issuer),
    /// No key could be made.
    #[error("no key for DPoP proofs could be made")]
    NoKey(#[source] SigningError),
}

impl Diagnostic for DpopSignerError {
    fn remedy(&self) -> Remedy {
        match self {
            Self::NotAccepted(_) => Remedy::Report,
            Self::NoKey(_) => Remedy::Retry,
        }
    }
}
