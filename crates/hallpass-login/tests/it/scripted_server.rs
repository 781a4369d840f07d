//! An MCP server and an authorization server with scripted answers, for what the strict doubles don't
//! have.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hallpass_core::{
    AuthScheme, BoxFuture, Challenge, CredentialKey, Record, Scopes, ServerSettings, ServerUrl,
    SignIn, SignInReason, http::HttpErrorKind,
};
use hallpass_login::{BrowserLogin, Interaction, LoginError, LoginEvent, OpenError, TokenHost};
use hallpass_testkit::{FakeClock, FixedEntropy, ScriptedClient, ScriptedResponse, SentRequest};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use crate::fixture::SavedRecords;

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const SERVER: &str = "https://mcp.example/mcp";

/// The answers, by path, in their order; the last one stays. A request to another path is interrupted.
#[derive(Debug, Default)]
pub(crate) struct ScriptedServer {
    pub(crate) http: Arc<ScriptedClient>,
    pub(crate) events: Mutex<Vec<String>>,
    pub(crate) declines: bool,
    /// The host's own choice of scopes.
    pub(crate) asks_for: Option<&'static str>,
    pub(crate) another_account: bool,
    /// How long the host lets the user take; `None`: as usual.
    pub(crate) timeout: Option<Duration>,
    /// What the user answers where the result goes to another host; `None`: no user is there.
    pub(crate) confirms: Option<bool>,
    /// How long the user thinks about that.
    pub(crate) thinks_for: Duration,
    /// Whether a request without scopes comes back as an `invalid_scope`.
    pub(crate) demands_scopes: bool,
    /// The `iss` of the callback.
    pub(crate) iss: Option<&'static str>,
    /// The `resource_metadata` of the challenge.
    pub(crate) challenged_metadata: Option<&'static str>,
    pub(crate) settings: ServerSettings,
    /// By how many seconds the wall clock is set once the user has the device code.
    pub(crate) sets_clock_by: i64,
    /// A sleep of a minute at most ends at once.
    pub(crate) clock: FakeClock,
}

pub(crate) fn answer(status: u16, body: &Value) -> ScriptedResponse {
    ScriptedResponse::json(status, body)
}

pub(crate) fn error(status: u16, code: &str) -> ScriptedResponse {
    ScriptedResponse::oauth_error(status, code)
}

impl ScriptedServer {
    /// Both metadata documents, a registration and tokens; `more` goes over the authorization
    /// server's metadata.
    pub(crate) fn new(more: &Value) -> Self {
        let interrupted = ScriptedResponse::error(HttpErrorKind::Interrupted);
        let server = Self {
            http: Arc::new(ScriptedClient::new().with_fallback(interrupted)),
            clock: FakeClock::default().with_instant_sleeps(Duration::from_secs(60)),
            ..Self::default()
        };
        let resource = json!({ "resource": SERVER, "authorization_servers": [ISSUER] });
        server.on(
            "/.well-known/oauth-protected-resource/mcp",
            [answer(200, &resource)],
        );
        let mut metadata = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": "https://as.example/token",
            "registration_endpoint": "https://as.example/register",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        });
        for (name, value) in more.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        server.on(
            "/.well-known/oauth-authorization-server",
            [answer(200, &metadata)],
        );
        server.on(
            "/register",
            [answer(201, &json!({ "client_id": "the-client" }))],
        );
        server.on("/token", [answer(200, &tokens("Bearer"))]);
        server
    }

    /// Writes down what a path answers.
    pub(crate) fn on<const N: usize>(&self, path: &str, answers: [ScriptedResponse; N]) {
        self.http.replace(path, answers);
    }

    /// What was sent to a path.
    pub(crate) fn sent(&self, path: &str) -> Vec<SentRequest> {
        self.http.requests_to(path)
    }

    pub(crate) fn heard(&self, event: &str) -> bool {
        let events = self.events.lock().unwrap();
        events.iter().any(|heard| heard.starts_with(event))
    }

    /// A login of a host that offers the device grant, after a challenge of this scheme.
    pub(crate) async fn login(
        self: &Arc<Self>,
        scheme: AuthScheme,
        previous: Option<&Record>,
    ) -> Result<Record, LoginError> {
        let login = BrowserLogin::builder(
            self.http.clone(),
            Arc::new(self.clock.clone()),
            Arc::new(FixedEntropy::new(1)),
            self.clone(),
        )
        .device_grant(true)
        .timeout(self.timeout.unwrap_or(BrowserLogin::TIMEOUT))
        .another_account(self.another_account)
        .build();
        let key = CredentialKey::new(ServerUrl::parse(SERVER).unwrap());
        let (scopes, saved) = (Scopes::none(), SavedRecords::default());
        let mut challenge = Challenge::new(scheme);
        challenge.resource_metadata = self.challenged_metadata.map(str::to_owned);
        let challenges = [challenge];
        let mut request = SignIn::new(
            &key,
            &self.settings,
            SignInReason::Requested,
            &scopes,
            &saved,
        );
        request.challenges = &challenges;
        request.previous = previous;
        login.run(request).await
    }

    /// Sends the callback that a server would send after an immediate consent.
    async fn call_back(&self, url: &Url) {
        let pushed = self.sent("/par").pop();
        let of = |name: &str| match url.query_pairs().find(|(key, _)| key == name) {
            Some((_, value)) => value.into_owned(),
            None => pushed.as_ref().unwrap().parameter(name).unwrap(),
        };
        let callback = Url::parse(&of("redirect_uri")).unwrap();
        let state = of("state");
        let (port, path) = (callback.port().unwrap(), callback.path());
        let has_scopes = url.query_pairs().any(|(name, _)| name == "scope")
            || pushed.is_some_and(|pushed| !pushed.parameters("scope").is_empty());
        let outcome = if self.demands_scopes && !has_scopes {
            "error=invalid_scope"
        } else {
            "code=the-code"
        };
        let iss = self
            .iss
            .map_or_else(String::new, |iss| format!("&iss={iss}"));
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!(
            "GET {path}?{outcome}&state={state}{iss} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

pub(crate) fn tokens(scheme: &str) -> Value {
    json!({
        "access_token": "canary-access-token",
        "refresh_token": "canary-refresh-token",
        "token_type": scheme,
        "expires_in": 3600,
    })
}

impl Interaction for ScriptedServer {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async move {
            if self.declines {
                return Err(OpenError::Declined);
            }
            self.call_back(url).await;
            Ok(())
        })
    }

    fn event(&self, event: LoginEvent<'_>) {
        if let LoginEvent::DeviceCode(_) = event {
            self.clock.set_by(self.sets_clock_by);
        }
        self.events.lock().unwrap().push(format!("{event:?}"));
    }

    fn confirm_token_host<'a>(&'a self, token_host: &'a TokenHost) -> BoxFuture<'a, Option<bool>> {
        let mut events = self.events.lock().unwrap();
        events.push(format!("asked: {token_host}"));
        Box::pin(async {
            self.clock.advance(self.thinks_for);
            if self.thinks_for >= BrowserLogin::TIMEOUT {
                std::future::pending::<()>().await;
            }
            self.confirms
        })
    }

    fn choose_scopes(&self, found: Scopes) -> Scopes {
        self.asks_for.map_or(found, Scopes::from_server)
    }
}
