//! A client that sends what a test tells it to, right or wrong.

use std::io;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, McpServer, McpServerOptions, Person,
};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use url::{Url, form_urlencoded};

pub(crate) const VERIFIER: &str = "a-verifier-of-forty-three-characters-0123456789";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:1/callback";

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self, member: &str) -> String {
        let value = self.json();
        value[member].as_str().unwrap_or_default().to_owned()
    }

    /// `200`, or `400 invalid_grant`.
    pub(crate) fn outcome(&self) -> String {
        format!("{} {}", self.status, self.text("error"))
            .trim_end()
            .to_owned()
    }
}

pub(crate) async fn try_send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let url = Url::parse(url).unwrap();
    let host = url.host_str().unwrap().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port().unwrap())).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(&url[url::Position::BeforePath..])
        .header(
            "host",
            &url[url::Position::BeforeHost..url::Position::AfterPort],
        );
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let (head, body) = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?
        .into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    drop(sender);
    connection.abort();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

pub(crate) async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    try_send(method, url, headers, body).await.unwrap()
}

pub(crate) async fn get(url: &str) -> Answer {
    send("GET", url, &[], "").await
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

pub(crate) async fn post_form(
    url: &str,
    headers: &[(&str, &str)],
    pairs: &[(&str, &str)],
) -> Answer {
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend_from_slice(headers);
    send("POST", url, &all, &form(pairs)).await
}

pub(crate) async fn post_json(url: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    send("POST", url, &headers, &body.to_string()).await
}

/// An authorization server, an MCP server behind it, and a public client that is registered.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    pub(crate) client_id: String,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let issuer = AuthorizationServer::start(AuthorizationServerOptions::default())
            .await
            .unwrap();
        Self::with(issuer).await
    }

    pub(crate) async fn with(issuer: AuthorizationServer) -> Self {
        let server = McpServer::start(McpServerOptions::protected_by(&issuer))
            .await
            .unwrap();
        let client_id = register(&issuer).await;
        Self {
            issuer,
            server,
            client_id,
        }
    }

    pub(crate) fn at(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.issuer.issuer())
    }

    /// The pairs of a good authorization request.
    pub(crate) fn request(&self) -> Vec<(String, String)> {
        let resource = self.server.resource();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        [
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", CALLBACK),
            ("state", "a-state-of-the-client"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", &resource),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    pub(crate) fn authorization_url(&self, pairs: &[(String, String)]) -> Url {
        Url::parse_with_params(&self.at("/authorize"), pairs).unwrap()
    }

    /// The callback that a request comes to.
    pub(crate) async fn callback(&self, pairs: &[(String, String)]) -> Url {
        let person = Person::new().copying_callback();
        let visit = person.visit(&self.authorization_url(pairs)).await.unwrap();
        visit.callback.unwrap()
    }

    /// A fresh code.
    pub(crate) async fn code(&self) -> String {
        let callback = self.callback(&self.request()).await;
        parameter(&callback, "code").unwrap()
    }

    /// Redeems a code, with some pairs put in the place of the good ones; an empty value leaves the
    /// pair out.
    pub(crate) async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let resource = self.server.resource();
        let good = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", &self.client_id),
            ("code_verifier", VERIFIER),
            ("resource", &resource),
        ];
        post_form(&self.at("/token"), &[], &changed(&good, changes)).await
    }

    pub(crate) async fn refresh(&self, token: &str, changes: &[(&str, &str)]) -> Answer {
        let resource = self.server.resource();
        let good = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &self.client_id),
            ("resource", &resource),
        ];
        post_form(&self.at("/token"), &[], &changed(&good, changes)).await
    }

    /// The tokens of a correct login.
    pub(crate) async fn tokens(&self) -> Answer {
        let tokens = self.redeem(&self.code().await, &[]).await;
        assert_eq!(tokens.outcome(), "200", "{tokens:?}");
        tokens
    }

    /// The status that `initialize` with a token is answered with.
    pub(crate) async fn initialize(&self, token: &str) -> u16 {
        initialize(&self.server.url(), token).await.status
    }
}

pub(crate) fn changed<'a>(
    good: &[(&'a str, &'a str)],
    changes: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<_> = good
        .iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name))
        .copied()
        .collect();
    pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    pairs
}

pub(crate) async fn register(issuer: &AuthorizationServer) -> String {
    let registered = post_json(
        &format!("{}/register", issuer.issuer()),
        &json!({
            "client_name": "a test",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }),
    )
    .await;
    assert_eq!(registered.status, 201, "{registered:?}");
    registered.text("client_id")
}

pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

pub(crate) async fn initialize(url: &str, token: &str) -> Answer {
    let message = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "a test", "version": "1" },
        },
    });
    mcp(url, token, None, &message).await
}

pub(crate) async fn mcp(url: &str, token: &str, session: Option<&str>, message: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    if let Some(session) = session {
        headers.push(("mcp-session-id", session));
        headers.push(("mcp-protocol-version", "2025-06-18"));
    }
    send("POST", url, &headers, &message.to_string()).await
}
