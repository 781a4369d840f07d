//! Two authorizers: one that goes the whole way at a real server, and one that just has tokens.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use hallpass_core::{
    AccessToken, AuthScheme, AuthorizeError, Authorizer, BoxFuture, ClientId, Clock, Grant,
    HttpClient, Issuer, Record, Registration, Remedy, ServerMetadata, SignIn, SignInReason, State,
    Timestamp,
    http::RequestOptions,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_discovery::Discovery;
use hallpass_oauth::{AuthorizationRequest, ClientAuthentication, ProofKey, TokenResponse};
use hallpass_session::OsEntropy;
use hallpass_testkit::{FakeClock, Person, StaticClient};

const CLIENT: &str = "test-client";
const CALLBACK: &str = "http://127.0.0.1:1/callback";

/// The code grant of a user who always agrees.
#[derive(Debug)]
pub(crate) struct CodeGrant {
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) clock: FakeClock,
    /// Why it was called, each time.
    pub(crate) asked: Mutex<Vec<SignInReason>>,
}

impl CodeGrant {
    pub(crate) fn new(http: Arc<dyn HttpClient>, clock: FakeClock) -> Self {
        Self {
            http,
            clock,
            asked: Mutex::default(),
        }
    }

    /// The client that the authorization server has to know.
    pub(crate) fn client() -> StaticClient {
        StaticClient {
            id: CLIENT.to_owned(),
            secret: None,
            auth_method: hallpass_core::TokenEndpointAuthMethod::None,
            redirect_uris: vec![CALLBACK.to_owned()],
        }
    }

    pub(crate) fn reasons(&self) -> Vec<SignInReason> {
        self.asked.lock().unwrap().clone()
    }

    async fn record(&self, request: SignIn<'_>) -> Result<Record, Box<dyn std::error::Error>> {
        let discovery = Discovery {
            http: &*self.http,
            clock: &self.clock,
            settings: request.settings,
        };
        let found = discovery
            .run(&request.key.server, request.challenges)
            .await?;
        let scopes = found
            .scopes(request.challenges, request.settings)
            .union(request.scopes);
        let registration =
            Registration::new(RegistrationOrigin::PreRegistered, ClientId::new(CLIENT));
        let pending = AuthorizationRequest {
            metadata: &found.server,
            client_id: &registration.client_id,
            redirect_uri: CALLBACK,
            resource: found.resource.as_ref(),
            scopes: &scopes,
            pkce_waived: false,
            extra: &[],
        }
        .begin(&OsEntropy)?;
        let person = Person::new().copying_callback();
        let callback = person.visit(pending.url()).await?.callback;
        let callback = callback.ok_or("no callback")?;
        let code = pending.receive(callback.query().unwrap_or_default())?;
        let endpoint = found.server.token_endpoint.clone().ok_or("no endpoint")?;
        let token_request = pending.redeem(code).into_http(
            &endpoint,
            &ClientAuthentication::from_registration(&registration),
        );
        let answer = self
            .http
            .fetch(
                token_request,
                RequestOptions::authorization_server(&request.key.server),
            )
            .await?;
        let grant = TokenResponse::from_http(&answer, AuthScheme::Bearer)?.into_grant(
            GrantKind::AuthorizationCode,
            &scopes,
            found.resource.as_ref(),
            self.clock.now(),
        );
        let mut record = Record::new(
            request.key.clone(),
            found.server,
            request.settings.fingerprint(),
        );
        record.registration = Some(registration);
        record.grant = Some(grant);
        record.state = State::SignedIn;
        Ok(record)
    }
}

impl Authorizer for CodeGrant {
    fn authorize<'a>(
        &'a self,
        request: SignIn<'a>,
    ) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(request.reason);
            let record = self.record(request).await;
            record.map_err(|error| AuthorizeError::new(Remedy::Report, error.to_string()))
        })
    }
}

/// Grants the tokens `t1`, `t2`… without asking anybody.
#[derive(Debug, Default)]
pub(crate) struct Dispenser {
    pub(crate) granted: AtomicUsize,
    /// Whether the tokens are bound to a key.
    pub(crate) binds: AtomicBool,
}

impl Authorizer for Dispenser {
    fn authorize<'a>(
        &'a self,
        request: SignIn<'a>,
    ) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        Box::pin(async move {
            let number = self.granted.fetch_add(1, Ordering::SeqCst) + 1;
            let issuer = Issuer::parse("https://as.example.com").unwrap();
            let metadata = ServerMetadata::new(issuer);
            let mut record = Record::new(
                request.key.clone(),
                metadata,
                request.settings.fingerprint(),
            );
            let mut grant = Grant::new(
                GrantKind::AuthorizationCode,
                AccessToken::new(format!("t{number}")),
                Timestamp::from_unix_seconds(0),
            );
            grant.requested_scopes = request.scopes.clone();
            if self.binds.load(Ordering::SeqCst) {
                grant.scheme = AuthScheme::Dpop;
                grant.dpop_key = Some(ProofKey::generate().unwrap());
            }
            record.grant = Some(grant);
            record.state = State::SignedIn;
            Ok(record)
        })
    }
}
