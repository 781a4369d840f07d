//! A session on top of another client.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use futures_util::{StreamExt, stream, stream::BoxStream};
use hallpass_core::Remedy;
use hallpass_rmcp::{AuthorizedClient, Error};
use http::{HeaderName, HeaderValue};
use rmcp::{
    model::ClientJsonRpcMessage,
    transport::streamable_http_client::{
        AuthRequiredError, InsufficientScopeError, SseError, StreamableHttpClient,
        StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};
use serde_json::json;
use sse_stream::Sse;

use crate::{
    answers::run,
    script::{SERVER, World},
};

/// What the other client says.
#[derive(Debug, Clone, Copy)]
enum Say {
    Fine,
    AuthRequired(&'static str),
    InsufficientScope(&'static str),
    Gone,
}

type RmcpError = StreamableHttpError<std::fmt::Error>;

/// The other client: says one thing after another, the last one for ever.
#[derive(Debug, Clone)]
struct Other {
    says: Arc<Mutex<VecDeque<Say>>>,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Other {
    fn answer(&self, token: Option<String>) -> Result<(), RmcpError> {
        let token = token.unwrap_or_else(|| "-".to_owned());
        self.tokens.lock().unwrap().push(token);
        let mut says = self.says.lock().unwrap();
        let say = match says.len() {
            1 => says[0],
            _ => says.pop_front().unwrap(),
        };
        Err(match say {
            Say::Fine => return Ok(()),
            Say::AuthRequired(text) => {
                StreamableHttpError::AuthRequired(AuthRequiredError::new(text.to_owned()))
            }
            Say::InsufficientScope(text) => StreamableHttpError::InsufficientScope(
                InsufficientScopeError::new(text.to_owned(), None),
            ),
            Say::Gone => StreamableHttpError::SessionExpired,
        })
    }
}

impl StreamableHttpClient for Other {
    type Error = std::fmt::Error;

    async fn post_message(
        &self,
        _: Arc<str>,
        _: ClientJsonRpcMessage,
        _: Option<Arc<str>>,
        token: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, RmcpError> {
        self.answer(token)?;
        Ok(StreamableHttpPostResponse::Accepted)
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        _: Arc<str>,
        token: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), RmcpError> {
        self.answer(token)
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        token: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, RmcpError> {
        self.answer(token)?;
        Ok(stream::empty().boxed())
    }
}

#[derive(Debug, Clone, Copy)]
enum Method {
    Post,
    Get,
    Delete,
}

/// Sends one request; says which tokens were sent, and the end.
fn sent(signed_in: bool, method: Method, says: &[Say]) -> (Vec<String>, Result<(), RmcpError>) {
    run(async {
        let world = if signed_in {
            World::signed_in([]).await
        } else {
            World::new([])
        };
        let other = Other {
            says: Arc::new(Mutex::new(says.iter().copied().collect())),
            tokens: Arc::default(),
        };
        let client = AuthorizedClient::new(other.clone(), world.client.session().clone());
        let uri = Arc::from(SERVER);
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let message = serde_json::from_value(message).unwrap();
        let none = HashMap::new();
        let end = match method {
            Method::Post => {
                let limits = StreamableHttpResponseLimits::default();
                let posted = client
                    .post_message_with_response_limits(uri, message, None, None, none, limits);
                posted.await.map(drop)
            }
            Method::Get => {
                let stream =
                    client.get_stream_with_max_sse_event_size(uri, None, None, None, none, 9);
                stream.await.map(drop)
            }
            Method::Delete => client.delete_session(uri, Arc::from("s"), None, none).await,
        };
        let tokens = other.tokens.lock().unwrap().clone();
        (tokens, end)
    })
}

const SCOPE: &str = "Bearer error=\"insufficient_scope\", scope=\"w\"";

#[test]
fn challenges_are_answered_and_the_request_repeated() {
    let check = |signed_in, says: &[Say], tokens: &[&str]| {
        let (sent, end) = sent(signed_in, Method::Post, says);
        assert_eq!(sent, tokens);
        end.unwrap();
    };
    check(false, &[Say::Fine], &["-"]);
    check(true, &[Say::Fine], &["t1"]);
    let refusal = Say::AuthRequired("Bearer");
    check(false, &[refusal, Say::Fine], &["-", "t1"]);
    check(false, &[Say::AuthRequired(""), Say::Fine], &["-", "t1"]);
    let scope = Say::InsufficientScope(SCOPE);
    check(true, &[scope, Say::Fine], &["t1", "t2"]);
    check(false, &[refusal, scope, Say::Fine], &["-", "t1", "t2"]);
}

#[test]
fn every_end_is_one_that_rmcp_stops_at() {
    for method in [Method::Post, Method::Get, Method::Delete] {
        let (tokens, end) = sent(false, method, &[Say::AuthRequired("Bearer")]);
        assert!(
            matches!(end, Err(StreamableHttpError::AuthRequired(_))),
            "{end:?}"
        );
        assert!(tokens.len() <= 2, "{tokens:?}");
        let (tokens, end) = sent(true, method, &[Say::InsufficientScope(SCOPE)]);
        assert!(
            matches!(end, Err(StreamableHttpError::InsufficientScope(_))),
            "{end:?}"
        );
        assert!(tokens.len() <= 2, "{tokens:?}");
    }
    let insatiable = [
        "Bearer error=insufficient_scope, scope=a",
        "Bearer error=insufficient_scope, scope=b",
        "Bearer error=insufficient_scope, scope=c",
    ]
    .map(Say::InsufficientScope);
    let (tokens, end) = sent(true, Method::Post, &insatiable);
    assert_eq!(tokens, ["t1", "t2", "t3"]);
    assert!(end.is_err());
}

/// The client knows no proofs, and a bound token is none for `Bearer` (RFC 9449 §7.1).
#[test]
fn a_bound_token_is_not_sent_and_is_an_end() {
    run(async {
        let world = World::bound([]).await;
        let other = Other {
            says: Arc::new(Mutex::new([Say::Fine].into())),
            tokens: Arc::default(),
        };
        let client = AuthorizedClient::new(other.clone(), world.client.session().clone());
        let stream = client.get_stream(Arc::from(SERVER), None, None, None, HashMap::new());
        let end = stream.await.map(drop);
        assert!(
            matches!(end, Err(StreamableHttpError::AuthRequired(_))),
            "{end:?}"
        );
        assert!(other.tokens.lock().unwrap().is_empty());
    });
}

#[test]
fn other_errors_pass() {
    let (tokens, end) = sent(true, Method::Post, &[Say::Gone]);
    assert_eq!(tokens, ["t1"]);
    assert!(matches!(end, Err(StreamableHttpError::SessionExpired)));
    // rmcp's own client calls each challenged 403 a matter of scope.
    let forbidden = Say::InsufficientScope("Bearer error=\"invalid_token\"");
    let (tokens, end) = sent(true, Method::Post, &[forbidden]);
    assert_eq!(tokens, ["t1"]);
    assert!(matches!(
        end,
        Err(StreamableHttpError::InsufficientScope(_))
    ));
}

#[test]
fn only_for_the_sessions_server() {
    run(async {
        let world = World::signed_in([]).await;
        let other = Other {
            says: Arc::new(Mutex::new([Say::Fine].into())),
            tokens: Arc::default(),
        };
        let client = AuthorizedClient::new(other.clone(), world.client.session().clone());
        let uri = Arc::from("https://other.example/mcp");
        let stream = client.get_stream(uri, None, None, None, HashMap::new());
        let Err(error) = stream.await else {
            panic!("a token went to another server");
        };
        let found = Error::find_in_chain(&error).unwrap();
        assert!(matches!(found, Error::OtherServer(_)), "{found:?}");
        assert_eq!(found.remedy(), Remedy::Configure);
        assert!(other.tokens.lock().unwrap().is_empty());
    });
}
