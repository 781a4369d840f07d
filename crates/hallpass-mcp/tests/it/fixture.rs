//! An endpoint whose server answers from a script.

use std::sync::Arc;

use hallpass_core::{
    ServerUrl,
    http::{HttpErrorKind, RequestTarget},
};
use hallpass_mcp::Endpoint;
use hallpass_testkit::{RequestPattern, ScriptedClient, ScriptedResponse, SentRequest};

pub(crate) const SERVER: &str = "https://mcp.example.com/mcp";

/// How a body breaks off.
pub(crate) const BREAK: HttpErrorKind = HttpErrorKind::Interrupted;

pub(crate) fn answer(status: u16) -> ScriptedResponse {
    ScriptedResponse::new(status)
}

/// A client that gives each of `answers` to one MCP request.
pub(crate) fn scripted(answers: impl IntoIterator<Item = ScriptedResponse>) -> Arc<ScriptedClient> {
    let client = ScriptedClient::new().strict();
    client.on(RequestPattern::target(RequestTarget::Mcp), answers);
    Arc::new(client)
}

/// The MCP requests that were sent.
pub(crate) fn sent(client: &ScriptedClient) -> Vec<SentRequest> {
    let mut sent = client.requests();
    sent.retain(|sent| sent.options.target == RequestTarget::Mcp);
    sent
}

/// An endpoint that is answered from `answers`, and its client.
pub(crate) fn endpoint(
    answers: impl IntoIterator<Item = ScriptedResponse>,
) -> (Endpoint, Arc<ScriptedClient>) {
    let client = scripted(answers);
    let server = ServerUrl::parse(SERVER).unwrap();
    (Endpoint::new(client.clone(), &server), client)
}
