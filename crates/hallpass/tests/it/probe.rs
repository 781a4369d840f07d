//! A login asks the MCP server without a token first.

use std::sync::Arc;

use hallpass::{Hallpass, HttpClient};
use hallpass_testkit::{ScriptedClient, ScriptedResponse};

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
