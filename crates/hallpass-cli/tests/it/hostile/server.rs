//! A server that is everything at once (MCP server, authorization server, device endpoint) and says what
//! a test tells it to, byte for byte.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

pub(super) const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";

/// What the server answers.
pub(super) struct Documents {
    /// `WWW-Authenticate`.
    pub(super) challenge: String,
    /// Status line and body by path.
    pub(super) answers: BTreeMap<&'static str, (String, String)>,
    /// The outcome of each method: an object with `result` or `error`.
    pub(super) methods: BTreeMap<&'static str, Value>,
    /// What is sent before the outcome of `tools/call`. After a request an answer is waited for.
    pub(super) meanwhile: Vec<Value>,
    /// What the user brings back besides `state`.
    pub(super) callback: Vec<(&'static str, String)>,
}

impl Documents {
    fn new(origin: &str) -> Self {
        let metadata = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        });
        let resource = json!({
            "resource": format!("{origin}/mcp"),
            "authorization_servers": [origin],
        });
        let tokens = json!({
            "access_token": "access",
            "refresh_token": "refresh",
            "token_type": "Bearer",
            "expires_in": 3600,
        });
        let ok = |value: Value| ("200 OK".to_owned(), value.to_string());
        let initialized = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}, "resources": {}, "prompts": {}, "logging": {}},
            "serverInfo": {"name": "plain", "version": "1"},
        });
        Self {
            challenge: format!("Bearer resource_metadata=\"{origin}{RESOURCE}\""),
            answers: BTreeMap::from([
                (RESOURCE, ok(resource)),
                (METADATA, ok(metadata)),
                ("/register", ok(json!({ "client_id": "client" }))),
                ("/token", ok(tokens)),
                ("/revoke", ok(json!({}))),
            ]),
            methods: BTreeMap::from([
                ("initialize", json!({ "result": initialized })),
                ("logging/setLevel", json!({ "result": {} })),
                ("tools/list", json!({ "result": {"tools": []} })),
                ("resources/list", json!({ "result": {"resources": []} })),
                (
                    "resources/templates/list",
                    json!({ "result": {"resourceTemplates": []} }),
                ),
                ("prompts/list", json!({ "result": {"prompts": []} })),
                ("tools/call", json!({ "result": {"content": []} })),
            ]),
            meanwhile: Vec::new(),
            callback: vec![("code", "code".to_owned()), ("iss", origin.to_owned())],
        }
    }

    /// Sets members of a document.
    pub(super) fn set(&mut self, path: &'static str, members: Value) {
        let (_, body) = self.answers.get_mut(path).unwrap();
        let mut document: Map<String, Value> = serde_json::from_str(body).unwrap();
        if let Value::Object(members) = members {
            document.extend(members);
        }
        *body = Value::Object(document).to_string();
    }

    /// Sets a whole answer.
    pub(super) fn answer(&mut self, path: &'static str, status: &str, body: &impl ToString) {
        self.answers
            .insert(path, (status.to_owned(), body.to_string()));
    }

    /// Sets what a method results in.
    pub(super) fn result(&mut self, method: &'static str, result: Value) {
        let outcome = Map::from_iter([("result".to_owned(), result)]);
        self.methods.insert(method, Value::Object(outcome));
    }
}

pub(super) struct Server {
    pub(super) origin: String,
    pub(super) documents: Arc<Documents>,
}

impl Server {
    pub(super) async fn start(spoil: fn(&mut Documents, &str)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mut documents = Documents::new(&origin);
        spoil(&mut documents, &origin);
        let documents = Arc::new(documents);
        let (serving, answered) = (Arc::clone(&documents), Arc::new(Notify::new()));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (documents, answered) = (Arc::clone(&serving), Arc::clone(&answered));
                tokio::spawn(async move {
                    // A client that goes away is none of the test's business.
                    let _ = serve(stream, &documents, &answered).await;
                });
            }
        });
        Self { origin, documents }
    }

    pub(super) fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }
}

/// One request on one connection.
async fn serve(
    mut stream: TcpStream,
    documents: &Documents,
    answered: &Notify,
) -> std::io::Result<()> {
    let Some((head, body)) = read(&mut stream).await? else {
        return Ok(());
    };
    let path = head.split([' ', '?']).nth(1).unwrap_or_default();
    if let Some((status, body)) = documents.answers.get(path) {
        return write(&mut stream, status, "Content-Type: application/json", body).await;
    }
    if path != "/mcp" || !head.starts_with("POST ") {
        return write(&mut stream, "404 Not Found", "X: y", "").await;
    }
    if !head.to_ascii_lowercase().contains("\nauthorization:") {
        let challenge = format!("WWW-Authenticate: {}", documents.challenge);
        return write(&mut stream, "401 Unauthorized", &challenge, "").await;
    }
    let message: Value = serde_json::from_str(&body).unwrap_or_default();
    let Some(method) = message["method"].as_str() else {
        answered.notify_one();
        return write(&mut stream, "202 Accepted", "X: y", "").await;
    };
    let Some(id) = message.get("id") else {
        return write(&mut stream, "202 Accepted", "X: y", "").await;
    };
    let unknown = json!({ "error": {"code": -32601, "message": "unknown"} });
    let mut outcome = documents.methods.get(method).unwrap_or(&unknown).clone();
    outcome["jsonrpc"] = "2.0".into();
    outcome["id"] = id.clone();
    if method != "tools/call" || documents.meanwhile.is_empty() {
        let json = "Content-Type: application/json";
        return write(&mut stream, "200 OK", json, &outcome.to_string()).await;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for message in documents.meanwhile.iter().chain([&outcome]) {
        let mut message = message.clone();
        if message["params"].get("progressToken").is_some() {
            let sent: Value = serde_json::from_str(&body).unwrap_or_default();
            message["params"]["progressToken"] = sent["params"]["_meta"]["progressToken"].clone();
        }
        let event = format!("data: {message}\n\n");
        stream.write_all(event.as_bytes()).await?;
        if message.get("id").is_some() && message.get("method").is_some() {
            answered.notified().await;
        }
    }
    stream.shutdown().await
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Option<(String, String)>> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.split_once("content-length:");
            let length = length.and_then(|(_, after)| after.lines().next()?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Ok(Some((head.to_owned(), body.to_owned())));
            }
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
}

async fn write(
    stream: &mut TcpStream,
    status: &str,
    header: &str,
    body: &str,
) -> std::io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
