//! MCP itself: the handshake, the tools, the end.

use hallpass_mcp_http::{Authorization, Content, Endpoint, Request, Response};
use serde_json::Value;

use super::{Code, Finding, Step, endpoint};

/// The largest message that is read.
const CAP: usize = 4 << 20;

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// Goes on from the answer to `initialize`: lists the tools, and ends the session.
pub(super) async fn talk(
    step: &mut Step,
    response: Response,
    server: &Endpoint,
    authorization: &dyn Authorization,
) {
    let session = response.session_id().map(str::to_owned);
    let hello = match read(response).await {
        Ok(hello) => hello,
        Err(finding) => return step.found(finding),
    };
    let Some(result) = result(step, "initialize", &hello) else {
        return;
    };
    let version = text(result.get("protocolVersion"));
    let info = result.get("serverInfo");
    let name = text(info.and_then(|info| info.get("name")));
    step.fact("protocol version", version.as_deref().unwrap_or("not said"));
    if let Some(name) = name {
        let version = text(info.and_then(|info| info.get("version"))).unwrap_or_default();
        step.fact("server", format!("{name} {version}").trim_end());
    }
    let within = |request: Request| {
        let request = match &session {
            Some(id) => request.session(id),
            None => Ok(request),
        };
        match &version {
            Some(version) => request.and_then(|request| request.protocol_version(version)),
            None => request,
        }
    };
    if let Ok(request) = within(Request::post(INITIALIZED)) {
        // What it says to a notification changes nothing.
        let _ = server.send(&request, authorization).await;
    }
    let offers_tools = result
        .get("capabilities")
        .is_some_and(|capabilities| capabilities.get("tools").is_some());
    if offers_tools && let Ok(request) = within(Request::post(TOOLS)) {
        match server.send(&request, authorization).await {
            Ok(response) if response.status().is_success() => match read(response).await {
                Ok(list) => tools(step, &list),
                Err(finding) => step.found(finding),
            },
            Ok(response) => {
                step.found(endpoint::unexpected(response.status(), response.headers()));
            }
            Err(error) => step.found(Finding::of_error(Code::McpUnreadable, &error)),
        }
    } else {
        step.fact("tools", "none offered");
    }
    if session.is_some()
        && let Ok(request) = within(Request::delete())
    {
        let _ = server.send(&request, authorization).await;
    }
}

fn tools(step: &mut Step, list: &Value) {
    let Some(result) = result(step, "tools/list", list) else {
        return;
    };
    let tools = result.get("tools").and_then(Value::as_array);
    let more = if result.get("nextCursor").is_some() {
        " on the first page"
    } else {
        ""
    };
    match tools {
        Some(tools) => step.fact("tools", format!("{}{more}", tools.len())),
        None => step.found(Finding::new(
            Code::McpUnreadable,
            "the answer to `tools/list` has no `tools`",
        )),
    }
}

/// The result of an answer; an error is a finding.
fn result<'a>(step: &mut Step, method: &str, answer: &'a Value) -> Option<&'a Value> {
    if let Some(result) = answer.get("result") {
        return Some(result);
    }
    let finding = match answer.get("error") {
        Some(error) => {
            let code = error
                .get("code")
                .and_then(Value::as_i64)
                .unwrap_or_default();
            let message = text(error.get("message")).unwrap_or_default();
            let what = format!("`{method}` was answered with the error {code}: {message}");
            Finding::new(Code::McpError, what)
        }
        None => Finding::new(
            Code::McpUnreadable,
            format!("the answer to `{method}` is JSON, and no JSON-RPC response"),
        ),
    };
    step.found(finding.words("tell whoever runs the server"));
    None
}

/// The message that answers a request, from JSON or from a stream of events.
async fn read(response: Response) -> Result<Value, Finding> {
    let unreadable = |what: String| {
        Finding::new(Code::McpUnreadable, what).words("tell whoever runs the server")
    };
    match response.content() {
        Content::Json => {
            let body = response.read(CAP).await;
            let body = body.map_err(|error| Finding::of_error(Code::McpUnreadable, &error))?;
            serde_json::from_slice(&body).map_err(|_| {
                unreadable(format!(
                    "an answer of {} bytes is no JSON, though it says so",
                    body.len()
                ))
            })
        }
        Content::Events => {
            let mut events = response.events(CAP);
            while let Some(event) = events.next().await {
                let event =
                    event.map_err(|error| Finding::of_error(Code::McpUnreadable, &error))?;
                let message: Option<Value> =
                    event.data.and_then(|data| serde_json::from_str(&data).ok());
                let answers = |message: &Value| {
                    message.get("result").is_some() || message.get("error").is_some()
                };
                if let Some(message) = message.filter(answers) {
                    return Ok(message);
                }
            }
            Err(unreadable(
                "the event stream ended without the answer".to_owned(),
            ))
        }
        _ => Err(endpoint::no_answer_of_mcp(response).await),
    }
}

/// A server's own words, short.
fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    Some(text.chars().take(200).collect())
}
