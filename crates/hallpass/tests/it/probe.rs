//! A login asks the MCP server without a token first.

use std::{sync::Arc, time::Duration};

use hallpass::{
    BoxFuture, Diagnostic as _, Error, Hallpass, Hint, HttpClient, Remedy,
    login::{Interaction, LoginEvent, OpenError},
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
