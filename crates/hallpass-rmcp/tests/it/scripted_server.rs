//! A client whose MCP server answers from a script.

use std::sync::{Arc, atomic::Ordering};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::{
    CredentialKey, ServerSettings, ServerUrl,
    http::{HttpErrorKind, RequestTarget},
};
use hallpass_rmcp::Client;
use hallpass_session::{Session, SignInRequest};
use hallpass_store::MemoryStore;
use hallpass_testkit::{FakeClock, RequestPattern, ScriptedClient, ScriptedResponse, SentRequest};
use http::Method;

use crate::authorizer::Dispenser;

pub(crate) const SERVER: &str = "https://mcp.example.com/mcp";

/// How a body breaks off.
pub(crate) const BREAK: HttpErrorKind = HttpErrorKind::Interrupted;

/// An answer, and the method that it answers; `None`: each.
#[derive(Debug, Clone)]
pub(crate) struct Answer(Option<Method>, ScriptedResponse);

impl From<ScriptedResponse> for Answer {
    fn from(response: ScriptedResponse) -> Self {
        Self(None, response)
    }
}

/// The answer to requests with this method.
pub(crate) fn to(method: Method, response: ScriptedResponse) -> Answer {
    Answer(Some(method), response)
}

pub(crate) fn answer(status: u16) -> ScriptedResponse {
    ScriptedResponse::new(status)
}

/// The answer to the request with the id 1.
pub(crate) fn answered() -> ScriptedResponse {
    json(200, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
}

pub(crate) fn json(status: u16, body: &str) -> ScriptedResponse {
    ScriptedResponse::json(status, body)
}

pub(crate) fn events(body: &str) -> ScriptedResponse {
    ScriptedResponse::events(body.to_owned())
}

pub(crate) fn challenge(status: u16, challenge: &str) -> ScriptedResponse {
    answer(status).with_header("www-authenticate", challenge)
}

/// A client, its script and what grants it tokens.
pub(crate) struct Fixture {
    pub(crate) client: Client,
    pub(crate) clock: FakeClock,
    pub(crate) http: Arc<ScriptedClient>,
    pub(crate) dispenser: Arc<Dispenser>,
}

impl Fixture {
    /// The user is not signed in. The last answer that fits a request stays; other requests than those
    /// of MCP have no connection.
    pub(crate) fn new(answers: impl IntoIterator<Item = impl Into<Answer>>) -> Self {
        let http = Arc::new(ScriptedClient::new());
        for answer in answers {
            let Answer(method, response) = answer.into();
            let mut pattern = RequestPattern::target(RequestTarget::Mcp);
            if let Some(method) = method {
                pattern = pattern.with_method(method);
            }
            http.on(pattern, [response]);
        }
        let dispenser = Arc::new(Dispenser::default());
        let key = CredentialKey::new(ServerUrl::parse(SERVER).unwrap());
        let store = Arc::new(MemoryStore::new());
        let clock = FakeClock::default();
        let session = Session::builder(key, ServerSettings::default(), store, http.clone())
            .authorizer(dispenser.clone())
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        Self {
            client: Client::new(session, http.clone()),
            clock,
            http,
            dispenser,
        }
    }

    /// The user is signed in, with the token `t1`.
    pub(crate) async fn signed_in(answers: impl IntoIterator<Item = impl Into<Answer>>) -> Self {
        let fixture = Self::new(answers);
        let request = SignInRequest::default();
        fixture.client.session().sign_in(request).await.unwrap();
        fixture
    }

    /// The user is signed in, with the token `t1`, which is bound to a key.
    pub(crate) async fn bound(answers: impl IntoIterator<Item = impl Into<Answer>>) -> Self {
        let fixture = Self::new(answers);
        fixture.dispenser.binds.store(true, Ordering::SeqCst);
        let request = SignInRequest::default();
        fixture.client.session().sign_in(request).await.unwrap();
        fixture
    }

    /// How many tokens were granted.
    pub(crate) fn granted(&self) -> usize {
        self.dispenser.granted.load(Ordering::SeqCst)
    }

    /// The claims of each proof that was sent.
    pub(crate) fn proofs(&self) -> Vec<serde_json::Value> {
        let requests = self.requests();
        let proofs = requests.iter().filter_map(|sent| sent.header("dpop"));
        let claims = proofs.map(|proof| {
            let claims = proof.split('.').nth(1).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
        });
        claims.collect()
    }

    /// The MCP requests that were sent.
    fn requests(&self) -> Vec<SentRequest> {
        let mut requests = self.http.requests();
        requests.retain(|sent| sent.options.target == RequestTarget::Mcp);
        requests
    }

    /// Each request that the server saw: the method and what authorized it.
    pub(crate) fn seen(&self) -> Vec<String> {
        let line = |sent: &SentRequest| {
            let authorization = sent.header("authorization").unwrap_or("-");
            format!("{} {authorization}", sent.request.method())
        };
        self.requests().iter().map(line).collect()
    }

    /// The method of each message that was posted, and its session.
    pub(crate) fn posted(&self) -> Vec<String> {
        let requests = self.requests();
        let posts = requests
            .iter()
            .filter(|it| it.request.method() == Method::POST);
        posts
            .map(|sent| {
                let message: serde_json::Value =
                    serde_json::from_slice(sent.request.body()).unwrap();
                let method = message["method"].as_str().unwrap_or("-");
                format!("{method} {}", sent.header("mcp-session-id").unwrap_or("-"))
            })
            .collect()
    }

    /// The last request's header.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        self.requests().last()?.header(name).map(str::to_owned)
    }
}
