//! One sign-in, from discovery to the record.

use hallpass_core::{
    AuthScheme, DpopSetting, Record, Registration, Remedy, Resource, Scopes, ServerMetadata,
    SignIn, SignInReason, State, record::GrantKind,
};
use hallpass_discovery::Discovery;
use hallpass_oauth::{IdentityAssertion, IdentityAssertionRequest, TokenErrorClass, TokenRequest};
use hallpass_session::{DpopSigner, Endpoint, OAuthClient, Retry, TokenClient, TokenRequestError};
use url::Url;

use crate::{
    Assertion, AssertionError, IdentityProvider, ServiceError, ServiceErrorKind, ServiceGrant,
    ServiceLogin, client,
};

/// What is fixed for a whole sign-in.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub(crate) host: &'a ServiceLogin,
    ask: SignIn<'a>,
    metadata: ServerMetadata,
    resource: Option<Resource>,
    scopes: Scopes,
    /// Whether the server takes nothing but tokens that are bound to a key.
    bound: bool,
}

/// What is shown to the authorization server.
#[derive(Debug)]
enum Shown {
    Itself,
    Assertion(Assertion),
    Identity(IdentityAssertion),
}

impl Shown {
    fn kind(&self) -> GrantKind {
        match self {
            Self::Itself => GrantKind::ClientCredentials,
            Self::Assertion(_) | Self::Identity(_) => GrantKind::JwtBearer,
        }
    }
}

impl<'a> Login<'a> {
    /// Finds the authorization server.
    pub(crate) async fn begin(
        host: &'a ServiceLogin,
        ask: SignIn<'a>,
    ) -> Result<Self, ServiceError> {
        if let Some(login) = Self::again(host, ask) {
            return Ok(login);
        }
        let server = &ask.key.server;
        let discovery = Discovery {
            http: &*host.http,
            clock: &*host.clock,
            settings: ask.settings,
        };
        let found = discovery.run(server, ask.challenges).await;
        let found = found.map_err(|error| {
            let what = format!("no sign-in to {server}: its authorization server was not found");
            let hint = error.hint().map(str::to_owned);
            ServiceError::new(ServiceErrorKind::Discovery, error.remedy(), what)
                .with_hint(hint)
                .with_source(error)
        })?;
        let scopes = found.scopes(ask.challenges, ask.settings).union(ask.scopes);
        let before = ask.previous.and_then(|record| record.grant.as_ref());
        let bound = ask.settings.dpop == DpopSetting::Always
            || found.demands_bound_tokens(ask.challenges)
            || before.is_some_and(|grant| grant.scheme == AuthScheme::Dpop);
        Ok(Self {
            host,
            ask,
            scopes: to_ask_for(scopes, ask),
            resource: found.resource,
            metadata: found.server,
            bound,
        })
    }

    /// The sign-in for a grant that has only ended: nothing was refused, so the record still says
    /// where to ask and for what.
    fn again(host: &'a ServiceLogin, ask: SignIn<'a>) -> Option<Self> {
        let record = ask.previous?;
        let grant = record.grant.as_ref()?;
        let ended = ask.reason == SignInReason::Ended
            && ask.challenges.is_empty()
            && record.settings == ask.settings.fingerprint();
        ended.then(|| Self {
            host,
            ask,
            metadata: record.metadata.clone(),
            resource: grant.resource.clone(),
            scopes: grant.requested_scopes.union(ask.scopes),
            bound: grant.scheme == AuthScheme::Dpop,
        })
    }

    pub(crate) async fn run(&self) -> Result<Record, ServiceError> {
        let key = self.host.machine.key.as_deref();
        let registration = client::choose(
            self.ask.settings,
            &self.metadata,
            self.ask.previous,
            self.ask.reason,
            key,
        )?;
        let Some(endpoint) = &self.metadata.token_endpoint else {
            let what = format!(
                "the metadata of {} names no token endpoint",
                self.metadata.issuer
            );
            let kind = ServiceErrorKind::Request;
            return Err(ServiceError::new(kind, Remedy::Report, what));
        };
        let before = self
            .record_before()
            .and_then(|record| record.grant.as_ref());
        let dpop = if self.bound {
            let stored = before.and_then(|grant| grant.dpop_key.as_ref());
            let signer = DpopSigner::for_new_grant(&self.metadata, stored).map_err(|error| {
                let what = "the tokens can't be bound to a key";
                ServiceError::new(ServiceErrorKind::Request, error.remedy(), what)
                    .with_source(error)
            })?;
            Some(signer)
        } else {
            None
        };
        let shown = self.show().await?;
        let endpoint = Endpoint {
            url: endpoint,
            client: OAuthClient::new(&registration).with_key(key, &self.metadata.issuer),
            dpop: dpop.as_ref(),
            retry: Retry::WhileUserWaits,
        };
        let request = self.token_request(&shown);
        let tokens = self.token_client().request_token(&endpoint, &request).await;
        let tokens = tokens.map_err(|error| {
            if let (TokenRequestError::Answer(error), Shown::Assertion(assertion)) =
                (&error, &shown)
                && error.class() == TokenErrorClass::Definitive
            {
                self.host.note_refused(assertion);
            }
            let what = format!("{} gave the machine no token", self.metadata.issuer);
            ServiceError::token_request(ServiceErrorKind::Refused, what, error)
        })?;
        let now = self.host.clock.now();
        let mut grant = tokens.into_grant(shown.kind(), &self.scopes, self.resource.as_ref(), now);
        // The machine asks anew instead (RFC 6749 §4.4.3, RFC 7521 §4.1).
        grant.refresh_token = None;
        grant.dpop_key = dpop.map(|signer| signer.stored_key().clone());
        let mut record = self.record(registration);
        record.grant = Some(grant);
        record.state = State::SignedIn;
        Ok(record)
    }

    /// Gets what is to be shown to the authorization server.
    async fn show(&self) -> Result<Shown, ServiceError> {
        Ok(match &self.host.machine.grant {
            ServiceGrant::ClientCredentials => Shown::Itself,
            ServiceGrant::JwtBearer(source) => {
                let assertion = source.read().await.map_err(no_assertion)?;
                if self.host.was_refused(&assertion) {
                    let what = format!(
                        "{} has refused the machine's assertion, which is still the same",
                        self.metadata.issuer
                    );
                    let kind = ServiceErrorKind::Refused;
                    return Err(ServiceError::new(kind, Remedy::Configure, what));
                }
                Shown::Assertion(assertion)
            }
            ServiceGrant::IdentityAssertion(provider) => {
                Shown::Identity(self.exchange(provider).await?)
            }
        })
    }

    fn token_request(&self, shown: &Shown) -> TokenRequest {
        let (scopes, resource) = (&self.scopes, self.resource.as_ref());
        match shown {
            Shown::Itself => TokenRequest::client_credentials(scopes, resource),
            Shown::Assertion(assertion) => {
                TokenRequest::jwt_bearer(assertion.expose(), scopes, resource)
            }
            Shown::Identity(assertion) => assertion.redeem(scopes, resource),
        }
    }

    /// Has the identity provider turn the ID token into an assertion for this authorization server
    /// (RFC 8693 §2.1).
    async fn exchange(
        &self,
        provider: &IdentityProvider,
    ) -> Result<IdentityAssertion, ServiceError> {
        let id_token = provider.id_token.read().await.map_err(no_assertion)?;
        let registration = client::registered_by_hand(&provider.client, None, None)?;
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
            |answer| IdentityAssertion::from_http(answer, self.host.clock.now()),
        );
        exchanged.await.map_err(|error| {
            let host = host_of(endpoint);
            let what = match &error {
                TokenRequestError::Answer(_) => format!("{host} gave no identity assertion"),
                _ => format!("no identity assertion from {host}"),
            };
            ServiceError::token_request(ServiceErrorKind::Exchange, what, error)
        })
    }

    fn token_client(&self) -> TokenClient<'_> {
        TokenClient {
            http: &*self.host.http,
            clock: &*self.host.clock,
            entropy: &*self.host.entropy,
            server: &self.ask.key.server,
        }
    }

    /// The credential's record for this authorization server.
    fn record_before(&self) -> Option<&Record> {
        let issuer = &self.metadata.issuer;
        self.ask.previous.filter(|record| record.issuer == *issuer)
    }

    /// A record to be filled: the one before, or an empty one.
    fn record(&self, registration: Registration) -> Record {
        let metadata = self.metadata.clone();
        let settings = self.ask.settings.fingerprint();
        let mut record = match self.record_before() {
            Some(before) => {
                let mut record = before.clone();
                record.metadata = metadata;
                record.settings = settings;
                record
            }
            None => Record::new(self.ask.key.clone(), metadata, settings),
        };
        record.registration = Some(registration);
        record.fence = None;
        record
    }
}

/// `offline_access` asks for a refresh token, which a machine has no use for; a person's own list is
/// taken as it is.
fn to_ask_for(scopes: Scopes, ask: SignIn<'_>) -> Scopes {
    if ask.settings.scopes.is_some() {
        return scopes;
    }
    scopes
        .iter()
        .filter(|scope| *scope != "offline_access")
        .collect()
}

fn no_assertion(error: AssertionError) -> ServiceError {
    let what = "the machine has no assertion to show";
    ServiceError::new(ServiceErrorKind::Assertion, error.remedy(), what).with_source(error)
}

/// An endpoint as errors show it.
fn host_of(endpoint: &Url) -> &str {
    endpoint.host_str().unwrap_or("the identity provider")
}
