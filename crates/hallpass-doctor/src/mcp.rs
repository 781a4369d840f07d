//! MCP itself: what the server is, the tools, the end.

use hallpass_mcp::{Authorization, Endpoint};
use serde_json::Value;

use crate::{
    Code, Finding, Step, endpoint,
    lifecycle::{LIST_TOOLS, Lifecycle},
    opening::sse_only,
    reply::{self, MAX_WORDS, Reply, text},
};

/// Goes on from the server's account of itself: lists the tools, and ends the session.
pub(crate) async fn talk(
    step: &mut Step,
    account: &Value,
    mut lifecycle: Lifecycle,
    server: &Endpoint,
    authorization: &dyn Authorization,
) {
    describe(step, account, &lifecycle, server);
    if let Some(Ok(notification)) = lifecycle.notification("notifications/initialized") {
        // What it says to a notification changes nothing.
        let _ = server.send(&notification, authorization).await;
    }
    let offers_tools = account
        .get("capabilities")
        .is_some_and(|capabilities| capabilities.get("tools").is_some());
    if offers_tools && let Ok(request) = lifecycle.request(LIST_TOOLS) {
        match server.send(&request, authorization).await {
            Ok(response) if response.status().is_success() => {
                match lifecycle.read(response, LIST_TOOLS).await {
                    Ok(Reply::Result(list)) => tools(step, &list),
                    Ok(Reply::Error(error)) => step.push_finding(reply::refused(format!(
                        "`tools/list` was answered with {error}"
                    ))),
                    Err(finding) => step.push_finding(finding),
                }
            }
            Ok(response) => {
                let has_token = response.has_token();
                let (status, headers) = (response.status(), response.headers());
                step.push_finding(endpoint::unexpected(status, headers, has_token));
            }
            Err(error) => step.push_finding(Finding::from_error(Code::McpUnreadable, &error)),
        }
    } else {
        step.push_fact("tools", "none offered");
    }
    if let Some(Ok(end)) = lifecycle.end() {
        let _ = server.send(&end, authorization).await;
    }
}

/// What a server says that it is.
fn describe(step: &mut Step, account: &Value, lifecycle: &Lifecycle, server: &Endpoint) {
    let version = lifecycle.version().unwrap_or("not said");
    let version: String = version.chars().take(MAX_WORDS).collect();
    step.push_fact(
        "protocol version",
        match lifecycle {
            Lifecycle::Handshake { .. } => version,
            Lifecycle::Stateless => format!("{version}, without a handshake"),
            Lifecycle::HttpSse { .. } => format!("{version}, over HTTP+SSE"),
        },
    );
    if matches!(lifecycle, Lifecycle::HttpSse { .. }) {
        step.push_finding(
            sse_only(server)
                .text("it works; ask the server's operator for streamable HTTP, mostly at /mcp"),
        );
    }
    let info = account.get("serverInfo").or_else(|| {
        let meta = account.get("_meta")?;
        meta.get("io.modelcontextprotocol/serverInfo")
    });
    let of = |name: &str| text(info.and_then(|info| info.get(name)));
    if let Some(name) = of("name") {
        let version = of("version").unwrap_or_default();
        step.push_fact("server", format!("{name} {version}").trim_end());
    }
}

fn tools(step: &mut Step, list: &Value) {
    let tools = list.get("tools").and_then(Value::as_array);
    let more = if list.get("nextCursor").is_some() {
        " on the first page"
    } else {
        ""
    };
    match tools {
        Some(tools) => step.push_fact("tools", format!("{}{more}", tools.len())),
        None => step.push_finding(Finding::new(
            Code::McpUnreadable,
            "the answer to `tools/list` has no `tools`",
        )),
    }
}
