//! A network of one MCP server, one authorization server and one identity provider whose answers a
//! test writes down.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::{
    AuthScheme, Challenge, ClientId, ClientSecret, CredentialKey, Issuer, PreRegisteredClient,
    Record, RegistrationSink, Scopes, ServerSettings, ServerUrl, SignIn, SignInReason, StoreFuture,
    http::HttpErrorKind,
};
use hallpass_oauth::{ClientKey, ProofKey};
use hallpass_service::{ServiceClient, ServiceError, ServiceGrant, ServiceLogin};
use hallpass_testkit::{FakeClock, FixedEntropy, ScriptedClient, ScriptedResponse, SentRequest};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const SERVER: &str = "https://mcp.example/mcp";
pub(crate) const PROVIDER: &str = "https://idp.example/exchange";

/// A new P-256 key.
pub(crate) fn key() -> ClientKey {
    let document = ProofKey::generate().unwrap();
    let document = document.expose();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----
{document}
-----END PRIVATE KEY-----"
    );
    ClientKey::from_pem(&pem).unwrap()
}

/// The parameters of a request's form, as `name=value`.
pub(crate) fn form(sent: &SentRequest) -> Vec<String> {
    let pairs = sent.form().into_iter();
    pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// The claims of a JWT.
pub(crate) fn claims(jwt: &str) -> Value {
    let claims = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// The answers, by path, in their order; the last one stays. A request to another path is interrupted.
#[derive(Debug)]
pub(crate) struct ScriptedServer {
    http: Arc<ScriptedClient>,
}

pub(crate) fn answer(status: u16, body: &Value) -> ScriptedResponse {
    ScriptedResponse::json(status, body)
}

pub(crate) fn error(status: u16, code: &str) -> ScriptedResponse {
    ScriptedResponse::oauth_error(status, code)
}

pub(crate) fn token(scheme: &str) -> Value {
    json!({ "access_token": "canary-access", "token_type": scheme, "expires_in": 300 })
}

impl ScriptedServer {
    /// Both metadata documents, tokens and an identity assertion; `more` goes over the
    /// authorization server's metadata.
    pub(crate) fn new(more: &Value) -> Arc<Self> {
        let interrupted = ScriptedResponse::error(HttpErrorKind::Interrupted);
        let http = ScriptedClient::new().with_fallback(interrupted);
        let server = Self {
            http: Arc::new(http),
        };
        let resource = json!({
            "resource": SERVER,
            "authorization_servers": [ISSUER],
            "scopes_supported": ["read", "offline_access"],
        });
        server.on(
            "/.well-known/oauth-protected-resource/mcp",
            [answer(200, &resource)],
        );
        let mut metadata =
            json!({ "issuer": ISSUER, "token_endpoint": "https://as.example/token" });
        for (name, value) in more.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        server.on(
            "/.well-known/oauth-authorization-server",
            [answer(200, &metadata)],
        );
        server.on("/token", [answer(200, &token("Bearer"))]);
        let issued = json!({
            "access_token": "canary-id-jag",
            "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "token_type": "N_A",
        });
        server.on("/exchange", [answer(200, &issued)]);
        Arc::new(server)
    }

    /// Writes down what a path answers.
    pub(crate) fn on<const N: usize>(&self, path: &str, answers: [ScriptedResponse; N]) {
        self.http.replace(path, answers);
    }

    /// What was sent to a path.
    pub(crate) fn sent(&self, path: &str) -> Vec<SentRequest> {
        self.http.requests_to(path)
    }

    /// Every path that was asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        let sent = self.http.requests();
        sent.iter().map(|sent| sent.path().to_owned()).collect()
    }

    pub(crate) fn login(self: &Arc<Self>, client: ServiceClient) -> ServiceLogin {
        ServiceLogin::new(
            self.http.clone(),
            Arc::new(FakeClock::default().with_instant_sleeps(Duration::MAX)),
            Arc::new(FixedEntropy::new(1)),
            client,
        )
    }
}

/// One sign-in, as a session asks for it.
#[derive(Debug)]
pub(crate) struct SignInCase<'a> {
    pub(crate) settings: ServerSettings,
    pub(crate) reason: SignInReason,
    pub(crate) challenges: Vec<Challenge>,
    pub(crate) scopes: Scopes,
    pub(crate) previous: Option<&'a Record>,
}

impl Default for SignInCase<'_> {
    /// The first one, after a bearer challenge, of a client with a secret.
    fn default() -> Self {
        Self {
            settings: with_client(Some("canary-secret")),
            reason: SignInReason::First,
            challenges: vec![Challenge::new(AuthScheme::Bearer)],
            scopes: Scopes::none(),
            previous: None,
        }
    }
}

impl SignInCase<'_> {
    pub(crate) async fn run(&self, login: &ServiceLogin) -> Result<Record, ServiceError> {
        let key = CredentialKey::new(ServerUrl::parse(SERVER).unwrap());
        let mut request = SignIn::new(
            &key,
            &self.settings,
            self.reason,
            &self.scopes,
            &NoRegistrationSink,
        );
        request.challenges = &self.challenges;
        request.previous = self.previous;
        login.run(request).await
    }
}

pub(crate) fn itself() -> ServiceClient {
    ServiceClient::new(ServiceGrant::ClientCredentials)
}

pub(crate) fn client(id: &str, secret: Option<&str>) -> PreRegisteredClient {
    PreRegisteredClient::new(ClientId::new(id)).with_secret(secret.map(ClientSecret::new))
}

/// The settings of a client of [`ISSUER`].
pub(crate) fn with_client(secret: Option<&str>) -> ServerSettings {
    let mut settings = ServerSettings::default().with_issuer(Issuer::parse(ISSUER).ok());
    settings.client.pre_registered = Some(client("service", secret));
    settings
}

/// A service registers nothing, so nothing is saved.
#[derive(Debug)]
struct NoRegistrationSink;

impl RegistrationSink for NoRegistrationSink {
    fn save<'a>(&'a self, _: &'a Record) -> StoreFuture<'a, ()> {
        panic!("a service saves nothing during a sign-in")
    }
}
