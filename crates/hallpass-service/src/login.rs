//! One sign-in of a service, from discovery to the record.

use hallpass_core::{
    AuthScheme, DpopSetting, Hint, Record, Registration, Remedy, Resource, Scopes, ServerMetadata,
    SignIn, SignInReason, State, record::GrantKind,
};
use hallpass_oauth::{
    IdentityAssertion, IdentityAssertionRequest, TokenErrorClass, TokenRequest, pre_registration,
};
use hallpass_session::{
    DpopOnDemand, DpopSigner, Endpoint, OAuthClient, Retry, TokenClient, TokenRequestError,
};
use url::Url;

use crate::{
    Assertion, AssertionError, IdentityProvider, ServiceError, ServiceErrorKind, ServiceGrant,
    ServiceLogin, client, error::token_request_error,
};

/// What is fixed for a whole sign-in.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub(crate) host: &'a ServiceLogin,
    request: SignIn<'a>,
    metadata: ServerMetadata,
    resource: Option<Resource>,
    scopes: Scopes,
    /// Whether the server accepts only tokens that are bound to a key.
    dpop: bool,
}

/// The grant that is sent to the authorization server.
#[derive(Debug)]
enum PreparedGrant {
    ClientCredentials,
    JwtBearer(Assertion),
    IdentityAssertion(IdentityAssertion),
}

impl PreparedGrant {
    fn kind(&self) -> GrantKind {
        match self {
            Self::ClientCredentials => GrantKind::ClientCredentials,
            Self::JwtBearer(_) | Self::IdentityAssertion(_) => GrantKind::JwtBearer,
        }
    }
}

impl<'a> Login<'a> {
    /// Finds the authorization server.
    pub(crate) async fn start(
        host: &'a ServiceLogin,
        request: SignIn<'a>,
    ) -> Result<Self, ServiceError> {
        if let Some(login) = Self::renewal(host, request) {
            return Ok(login);
        }
        let server = &request.key.server;
        let discovery = host.ports.discovery(request.settings);
        let found = discovery.run(server, request.challenges).await;
        let found = found.map_err(|error| {
            let what = format!("no sign-in to {server}: its authorization server was not found");
            ServiceError::new(ServiceErrorKind::Discovery, what).with_cause(error)
        })?;
        let scopes = found
            .scopes(request.challenges, request.settings)
            .union(request.scopes);
        let previous = request.previous.and_then(|record| record.grant.as_ref());
        let dpop = request.settings.dpop == DpopSetting::Always
            || found.demands_bound_tokens(request.challenges)
            || found.server.dpop_bound_access_tokens_required
            || previous.is_some_and(|grant| grant.scheme == AuthScheme::Dpop);
        Ok(Self {
            host,
            request,
            scopes: requested_scopes(scopes, request),
            resource: found.resource,
            metadata: found.server,
            dpop,
        })
    }

    /// The sign-in for a grant that has only expired: nothing was refused, so the record still has the
    /// endpoint and the parameters.
    fn renewal(host: &'a ServiceLogin, request: SignIn<'a>) -> Option<Self> {
        let record = request.previous?;
        let grant = record.grant.as_ref()?;
        let is_expired = request.reason == SignInReason::Ended
            && request.challenges.is_empty()
            && record.settings == request.settings.fingerprint();
        is_expired.then(|| Self {
            host,
            request,
            metadata: record.metadata.clone(),
            resource: grant.resource.clone(),
            scopes: grant.requested_scopes.union(request.scopes),
            dpop: grant.scheme == AuthScheme::Dpop,
        })
    }

    pub(crate) async fn run(&self) -> Result<Record, ServiceError> {
        let key = self.host.client.key.as_deref();
        let registration = client::choose(
            self.request.settings,
            &self.metadata,
            self.request.previous,
            self.request.reason,
            key,
        )?;
        self.check_issuer_is_named(&registration)?;
        let Some(endpoint) = &self.metadata.token_endpoint else {
            let what = format!(
                "the metadata of {} names no token endpoint",
                self.metadata.issuer
            );
            return Err(ServiceError::new(ServiceErrorKind::Request, what));
        };
        let previous = self
            .request
            .previous_record(&self.metadata.issuer)
            .and_then(|record| record.grant.as_ref());
        let dpop = if self.dpop {
            let stored = previous.and_then(|grant| grant.dpop_key.as_ref());
            let signer = DpopSigner::for_new_grant(&self.metadata, stored).map_err(|error| {
                let what = "the tokens can't be bound to a key";
                ServiceError::new(ServiceErrorKind::Request, what).with_cause(error)
            })?;
            Some(signer)
        } else {
            None
        };
        let dpop = DpopOnDemand::new(&self.metadata, dpop);
        let prepared = self.prepare_grant().await?;
        let endpoint = Endpoint {
            url: endpoint,
            client: OAuthClient::new(&registration).with_key(key, &self.metadata.issuer),
            dpop: dpop.signer(),
            retry: Retry::WhileUserWaits,
        };
        let request = self.token_request(&prepared);
        let client = self.token_client();
        let mut tokens = client.request_token(&endpoint, &request).await;
        if let Some(signer) = dpop.demanded_by(&endpoint, &tokens) {
            let endpoint = Endpoint {
                dpop: Some(signer),
                ..endpoint
            };
            tokens = client.request_token(&endpoint, &request).await;
        }
        let tokens = tokens.map_err(|error| {
            if let (TokenRequestError::Answer(error), PreparedGrant::JwtBearer(assertion)) =
                (&error, &prepared)
                && error.class() == TokenErrorClass::Definitive
            {
                self.host.remember_refused(assertion);
            }
            let what = format!("{} gave the service no token", self.metadata.issuer);
            token_request_error(ServiceErrorKind::Refused, what, error)
        })?;
        let now = self.host.ports.clock.now();
        let mut grant =
            tokens.into_grant(prepared.kind(), &self.scopes, self.resource.as_ref(), now);
        // The service sends its grant again instead (RFC 6749 §4.4.3, RFC 7521 §4.1).
        grant.refresh_token = None;
        let signer = dpop.into_signer();
        grant.dpop_key = signer.map(|signer| signer.stored_key().clone());
        let mut record = self.record(registration);
        record.grant = Some(grant);
        record.state = State::SignedIn;
        Ok(record)
    }

    /// Refuses to send what could be used at another authorization server than this one, where the user
    /// has not named it: the metadata of an MCP server can name any.
    ///
    /// That is the client's secret, and each assertion of another party: Hallpass does not read for whom
    /// such an assertion is. An assertion that the client signs itself (`private_key_jwt`) is always for
    /// the issuer that it is sent to (RFC 7523 §3), so no other server accepts it. The ID token of a
    /// user goes to the configured identity provider alone.
    fn check_issuer_is_named(&self, registration: &Registration) -> Result<(), ServiceError> {
        let what = match &self.host.client.grant {
            ServiceGrant::JwtBearer(_) | ServiceGrant::IdentityAssertion(_) => "an assertion",
            ServiceGrant::ClientCredentials if registration.auth_method.needs_secret() => {
                "the client's secret"
            }
            ServiceGrant::ClientCredentials => return Ok(()),
        };
        let issuer = &self.metadata.issuer;
        if self.request.settings.names_issuer(&self.metadata) {
            return Ok(());
        }
        let server = &self.request.key.server;
        let what = format!(
            "{what} is sent to no authorization server that {server} alone names: its metadata names \
             {issuer}"
        );
        let kind = ServiceErrorKind::IssuerNotNamed;
        Err(ServiceError::new(kind, what)
            .with_hint(Hint::setting("issuer", Some(issuer.as_str())))
            .with_hint(
                "only if that is the authorization server of the client or the assertion: a hostile MCP \
                 server names its own",
            ))
    }

    /// Gets the grant to send.
    async fn prepare_grant(&self) -> Result<PreparedGrant, ServiceError> {
        Ok(match &self.host.client.grant {
            ServiceGrant::ClientCredentials => PreparedGrant::ClientCredentials,
            ServiceGrant::JwtBearer(source) => {
                let assertion = source.read().await.map_err(no_assertion)?;
                if self.host.was_refused(&assertion) {
                    let what = format!(
                        "{} has refused this assertion before: it is not sent again",
                        self.metadata.issuer
                    );
                    let kind = ServiceErrorKind::Refused;
                    return Err(ServiceError::new(kind, what).with_remedy(Remedy::Configure));
                }
                PreparedGrant::JwtBearer(assertion)
            }
            ServiceGrant::IdentityAssertion(provider) => {
                PreparedGrant::IdentityAssertion(self.exchange(provider).await?)
            }
        })
    }

    fn token_request(&self, prepared: &PreparedGrant) -> TokenRequest {
        let (scopes, resource) = (&self.scopes, self.resource.as_ref());
        match prepared {
            PreparedGrant::ClientCredentials => TokenRequest::client_credentials(scopes, resource),
            PreparedGrant::JwtBearer(assertion) => {
                TokenRequest::jwt_bearer(assertion.expose(), scopes, resource)
            }
            PreparedGrant::IdentityAssertion(assertion) => assertion.redeem(scopes, resource),
        }
    }

    /// Exchanges the ID token at the identity provider for an assertion for this authorization server
    /// (RFC 8693 §2.1).
    async fn exchange(
        &self,
        provider: &IdentityProvider,
    ) -> Result<IdentityAssertion, ServiceError> {
        let id_token = provider.id_token.read().await.map_err(no_assertion)?;
        let registration = pre_registration(&provider.client, None, false)
            .map_err(|error| client::unusable(&error))?;
        let endpoint = &provider.token_endpoint;
        let request = IdentityAssertionRequest {
            id_token: id_token.expose(),
            audience: &self.metadata.issuer,
            resource: self.resource.as_ref(),
            scopes: &self.scopes,
        };
        let token_endpoint = Endpoint {
            url: endpoint,
            client: OAuthClient::new(&registration),
            dpop: None,
            retry: Retry::WhileUserWaits,
        };
        let client = self.token_client();
        let exchanged = client.send(
            &token_endpoint,
            |client| request.into_http(endpoint, client),
            |answer| IdentityAssertion::from_http(answer, self.host.ports.clock.now()),
        );
        exchanged.await.map_err(|error| {
            let host = host_of(endpoint);
            let what = match &error {
                TokenRequestError::Answer(_) => format!("{host} gave no identity assertion"),
                _ => format!("no identity assertion from {host}"),
            };
            token_request_error(ServiceErrorKind::Exchange, what, error)
        })
    }

    fn token_client(&self) -> TokenClient<'_> {
        self.host.ports.token_client(&self.request.key.server)
    }

    /// The record of this sign-in, still without its grant.
    fn record(&self, registration: Registration) -> Record {
        let mut record = self.request.record(self.metadata.clone());
        record.registration = Some(registration);
        record.pending_refresh = None;
        record
    }
}

/// `offline_access` asks for a refresh token, which a service does not need. The user's own list is taken
/// as it is.
fn requested_scopes(scopes: Scopes, request: SignIn<'_>) -> Scopes {
    if request.settings.scopes.is_some() {
        return scopes;
    }
    scopes
        .iter()
        .filter(|scope| *scope != "offline_access")
        .collect()
}

fn no_assertion(error: AssertionError) -> ServiceError {
    let what = "there is no assertion to send";
    ServiceError::new(ServiceErrorKind::Assertion, what).with_cause(error)
}

/// An endpoint as errors show it.
fn host_of(endpoint: &Url) -> &str {
    endpoint.host_str().unwrap_or("the identity provider")
}
