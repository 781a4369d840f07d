//! `hallpass demo --serve`: servers to try the other commands on.

use hallpass_testkit::{AuthorizationServer, McpServer, McpServerOptions, PublishedResource};
use serde_json::json;

use crate::{exit::CommandError, program::Program};

/// What the broken server calls itself.
const ELSEWHERE: &str = "https://mcp.example.net/mcp";

/// Serves until the program is told to stop, which is how this is meant to end.
pub(super) async fn run(
    issuer: &AuthorizationServer,
    program: &Program,
) -> Result<(), CommandError> {
    let mut options = McpServerOptions::protected_by(issuer);
    options.everything = true;
    let server = McpServer::start(options).await?;
    let mut options = McpServerOptions::protected_by(issuer);
    options.protection.resource = PublishedResource::Exactly(ELSEWHERE.to_owned());
    let broken = McpServer::start(options).await?;
    let (url, broken_url) = (server.url(), broken.url());
    let text = format!(
        "An MCP server that requires a sign-in runs on this machine until you press Ctrl-C:\n\
         \u{20} {url}\n\
         In another terminal:\n\
         \u{20} hallpass add demo {url}\n\
         \u{20} hallpass login demo\n\
         \u{20} hallpass tools demo\n\
         \u{20} hallpass call demo add a=2 b=3\n\
         \u{20} hallpass remove demo\n\
         A second server has a fault. Find it:\n\
         \u{20} hallpass doctor {broken_url}"
    );
    let data = json!({
        "server": url,
        "broken_server": broken_url,
        "authorization_server": issuer.issuer(),
    });
    program.output.result(&text, &data);
    program.stopping().await;
    Ok(())
}
