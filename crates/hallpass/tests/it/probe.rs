//! A login asks the MCP server without a token first.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hallpass::{
    BoxFuture, Diagnostic as _, Error, Hallpass, Hint, HttpClient, Remedy,
    login::{Interaction, LoginEvent, LoginWarning, OpenError},
    mcp::TransportKind,
};
use hallpass_testkit::{ScriptedClient, ScriptedResponse};
use url::Url;

#[tokio::test]
async fn mcp_session_of_the_probe_is_ended() {
    // It wants no token, gives a session, and publishes no metadata.
    let server = Arc::new(ScriptedClient::new().with_fallback(ScriptedResponse::new(404)));
    let open = ScriptedResponse::json(200, "{}").with_header("mcp-session-id", "4711");
    server.on("/mcp", [open]);
    let hallpass = Hallpass::builder("https://mcp.example.com/mcp".parse().unwrap())
        .http_client(Arc::clone(&server) as Arc<dyn HttpClient>)
        .build()
        .unwrap();
    hallpass
        .login()
        .await
        .expect_err("there is no authorization server");
    let requests = server.requests().into_iter().map(|request| {
        let session = request.header("mcp-session-id").unwrap_or_default();
        format!("{request:?} {session}")
    });
    let first: Vec<_> = requests.take(2).collect();
    assert_eq!(first, ["POST /mcp ", "DELETE /mcp 4711"]);
}

/// A user who is never asked.
#[derive(Debug)]
struct NotAsked;

impl Interaction for NotAsked {
    fn open<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async { Err(OpenError::Declined) })
    }

    fn event(&self, _: LoginEvent<'_>) {}
}

/// The error of a login at a server that answers so to everything at its MCP URL, and `elsewhere` to the
/// rest.
async fn refused(answer: ScriptedResponse, elsewhere: u16) -> Error {
    let server = ScriptedClient::new().with_fallback(ScriptedResponse::new(elsewhere));
    server.on("/mcp", [answer]);
    let hallpass = Hallpass::builder("https://mcp.example.com/mcp".parse().unwrap())
        .http_client(Arc::new(server) as Arc<dyn HttpClient>)
        .interactive(Arc::new(NotAsked))
        .build()
        .unwrap();
    hallpass.login().await.unwrap_err()
}

#[tokio::test]
async fn status_of_a_server_without_metadata_is_the_error_of_a_login() {
    let retry = |after: Option<u64>| Hint::Retry {
        after: after.map(Duration::from_secs),
    };
    for (status, elsewhere, remedy, hint) in [
        (403, 404, Remedy::Configure, Hint::setting("headers", None)),
        (403, 403, Remedy::Configure, Hint::setting("headers", None)),
        (429, 404, Remedy::Retry, retry(Some(30))),
        (500, 404, Remedy::Retry, retry(Some(30))),
        (503, 404, Remedy::Retry, retry(Some(30))),
    ] {
        let answer = ScriptedResponse::json(status, r#"{"message":"closed for repairs"}"#)
            .with_header("retry-after", "30");
        let error = refused(answer, elsewhere).await;
        let Error::UnexpectedStatus(cause) = &error else {
            panic!("{status}: {error:?}");
        };
        assert_eq!(cause.status().as_u16(), status);
        assert_eq!(error.remedy(), remedy, "{status}");
        assert_eq!(error.hints()[0], hint, "{status}");
        let words = std::error::Error::source(cause).unwrap().to_string();
        assert!(words.contains("closed for repairs"), "{words}");
    }
    for status in [200, 404, 405] {
        let error = refused(ScriptedResponse::new(status), 404).await;
        assert!(matches!(error, Error::Session(_)), "{status}: {error:?}");
    }
}

/// A user who is told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<LoginWarning>>);

impl Interaction for Told {
    fn open<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async { Err(OpenError::Declined) })
    }

    fn event(&self, event: LoginEvent<'_>) {
        if let LoginEvent::Warning(warning) = event {
            self.0.lock().unwrap().push(warning);
        }
    }
}

/// What the user is told of the status that a URL answers, where its origin publishes metadata.
async fn noted(answer: ScriptedResponse, transport: TransportKind) -> Option<u16> {
    let metadata = r#"{"issuer":"https://mcp.example.com",
        "authorization_endpoint":"https://mcp.example.com/a",
        "token_endpoint":"https://mcp.example.com/t",
        "response_types_supported":["code"],"code_challenge_methods_supported":["S256"]}"#;
    let server = ScriptedClient::new().with_fallback(ScriptedResponse::new(404));
    server.on("/mcp", [answer]);
    server.on(
        "/.well-known/oauth-authorization-server",
        [ScriptedResponse::json(200, metadata)],
    );
    let told = Arc::new(Told::default());
    let hallpass = Hallpass::builder("https://mcp.example.com/mcp".parse().unwrap())
        .http_client(Arc::new(server) as Arc<dyn HttpClient>)
        .interactive(Arc::clone(&told) as Arc<dyn Interaction>)
        .transport_kind(transport)
        .build()
        .unwrap();
    hallpass.login().await.expect_err("no client is registered");
    let told = told.0.lock().unwrap();
    told.iter().find_map(|warning| match warning {
        LoginWarning::UnexpectedStatus { status, .. } => Some(status.as_u16()),
        _ => None,
    })
}

#[tokio::test]
async fn status_that_asks_for_no_sign_in_is_a_warning_of_the_login() {
    let page = || ScriptedResponse::new(200).with_header("content-type", "text/html");
    for status in [403, 404, 429, 500] {
        let note = noted(ScriptedResponse::new(status), TransportKind::Auto).await;
        assert_eq!(note, Some(status));
    }
    let basic = ScriptedResponse::new(401).with_header("www-authenticate", "Basic realm=\"x\"");
    assert_eq!(noted(basic, TransportKind::Auto).await, Some(401));
    assert_eq!(noted(page(), TransportKind::Auto).await, Some(200));

    let bearer = ScriptedResponse::new(401).with_header("www-authenticate", "Bearer");
    for answer in [
        bearer,
        ScriptedResponse::new(401),
        ScriptedResponse::json(200, "{}"),
    ] {
        assert_eq!(noted(answer, TransportKind::Auto).await, None);
    }
    let old = ScriptedResponse::new(404);
    assert_eq!(noted(old, TransportKind::HttpSse).await, None);
}
