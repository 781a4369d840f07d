//! A client whose MCP server answers from a script.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, atomic::Ordering},
    task::{Context, Poll},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use hallpass_core::{
    BoxFuture, CredentialKey, HttpClient, HttpError, ServerSettings, ServerUrl,
    http::{Body, Chunks, HttpErrorKind, RequestOptions, RequestTarget},
};
use hallpass_rmcp::Client;
use hallpass_session::{Session, SignInRequest};
use hallpass_store::MemoryStore;
use hallpass_testkit::FakeClock;
use url::Url;

use crate::authorizer::Dispenser;

pub(crate) const SERVER: &str = "https://mcp.example.com/mcp";

/// Answers MCP requests in turn, the last answer that fits for ever; every other request has no
/// connection.
#[derive(Debug, Default)]
pub(crate) struct ScriptedServer {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<http::Request<Bytes>>>,
}

/// A status, headers and the chunks of the body; a chunk that is `None` breaks the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    status: u16,
    /// The method it is an answer to; `None`: to each.
    to: Option<http::Method>,
    headers: Vec<(&'static str, String)>,
    chunks: VecDeque<Option<Bytes>>,
}

pub(crate) fn answer(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

/// The answer to the request with the id 1.
pub(crate) fn answered() -> Answer {
    json(200, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
}

pub(crate) fn json(status: u16, body: &str) -> Answer {
    answer(status)
        .header("content-type", "application/json")
        .chunk(body)
}

pub(crate) fn events(body: &str) -> Answer {
    answer(200)
        .header("content-type", "text/event-stream")
        .chunk(body)
}

pub(crate) fn challenge(status: u16, challenge: &str) -> Answer {
    answer(status).header("www-authenticate", challenge)
}

impl Answer {
    pub(crate) fn to(mut self, method: http::Method) -> Self {
        self.to = Some(method);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn chunk(mut self, chunk: &str) -> Self {
        self.chunks
            .push_back(Some(Bytes::copy_from_slice(chunk.as_bytes())));
        self
    }

    pub(crate) fn breaks(mut self) -> Self {
        self.chunks.push_back(None);
        self
    }
}

impl Chunks for Answer {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        let next = self.chunks.pop_front();
        Poll::Ready(next.map(|chunk| chunk.ok_or_else(|| error(HttpErrorKind::Interrupted))))
    }
}

fn error(kind: HttpErrorKind) -> HttpError {
    HttpError::new(kind, RequestTarget::Mcp, &Url::parse(SERVER).unwrap())
}

impl HttpClient for ScriptedServer {
    fn open(
        &self,
        request: http::Request<Bytes>,
        policy: RequestOptions,
    ) -> BoxFuture<'_, Result<http::Response<Body>, HttpError>> {
        Box::pin(async move {
            if policy.target != RequestTarget::Mcp {
                return Err(error(HttpErrorKind::Connect));
            }
            let method = request.method().clone();
            self.seen.lock().unwrap().push(request);
            let mut answers = self.answers.lock().unwrap();
            let fits = |answer: &Answer| answer.to.as_ref().is_none_or(|to| *to == method);
            let mut fitting = (0..answers.len()).filter(|&index| fits(&answers[index]));
            let answer = match (fitting.next(), fitting.next()) {
                (None, _) => return Err(error(HttpErrorKind::Connect)),
                (Some(last), None) => answers[last].clone(),
                (Some(first), Some(_)) => answers.remove(first).unwrap(),
            };
            let mut response = http::Response::builder().status(answer.status);
            for (name, value) in &answer.headers {
                response = response.header(*name, value);
            }
            Ok(response.body(Body::new(answer)).unwrap())
        })
    }
}

/// A client, its script and what grants it tokens.
pub(crate) struct Fixture {
    pub(crate) client: Client,
    pub(crate) clock: FakeClock,
    pub(crate) script: Arc<ScriptedServer>,
    pub(crate) dispenser: Arc<Dispenser>,
}

impl Fixture {
    /// Nobody is signed in.
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Arc::new(ScriptedServer {
            answers: Mutex::new(answers.into_iter().collect()),
            seen: Mutex::default(),
        });
        let dispenser = Arc::new(Dispenser::default());
        let key = CredentialKey::new(ServerUrl::parse(SERVER).unwrap());
        let store = Arc::new(MemoryStore::new());
        let clock = FakeClock::default();
        let session = Session::builder(key, ServerSettings::default(), store, script.clone())
            .authorizer(dispenser.clone())
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        Self {
            client: Client::new(session, script.clone()),
            clock,
            script,
            dispenser,
        }
    }

    /// Somebody is signed in, with the token `t1`.
    pub(crate) async fn signed_in(answers: impl IntoIterator<Item = Answer>) -> Self {
        let fixture = Self::new(answers);
        let request = SignInRequest::default();
        fixture.client.session().sign_in(request).await.unwrap();
        fixture
    }

    /// Somebody is signed in, with the token `t1`, which is bound to a key.
    pub(crate) async fn bound(answers: impl IntoIterator<Item = Answer>) -> Self {
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
        let seen = self.script.seen.lock().unwrap();
        let proofs = seen
            .iter()
            .filter_map(|request| request.headers().get("dpop"));
        let claims = proofs.map(|proof| {
            let claims = proof.to_str().unwrap().split('.').nth(1).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
        });
        claims.collect()
    }

    /// Each request that the server saw: the method and what authorised it.
    pub(crate) fn seen(&self) -> Vec<String> {
        let seen = self.script.seen.lock().unwrap();
        seen.iter()
            .map(|request| {
                let authorization = request.headers().get("authorization");
                let authorization = authorization.map_or("-", |value| value.to_str().unwrap());
                format!("{} {authorization}", request.method())
            })
            .collect()
    }

    /// The last request's header.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        let seen = self.script.seen.lock().unwrap();
        let value = seen.last()?.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }
}
