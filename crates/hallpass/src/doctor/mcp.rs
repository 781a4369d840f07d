//! MCP itself: the handshake, the tools, the end.

use hallpass_mcp_http::{Authorization, Content, Endpoint, Response};
use serde_json::Value;

use super::{
    Code, Finding, Step, endpoint,
    lifecycle::{self, Lifecycle},
};

/// The largest message that is read.
const CAP: usize = 4 << 20;

/// How many characters of a server's own words are shown.
const MOST_WORDS: usize = 200;

/// Goes on from the server's account of itself, the answer to `initialize` or what took its place:
/// lists the tools, and ends the session.
pub(super) async fn talk(
    step: &mut Step,
    response: Response,
    server: &Endpoint,
    authorization: &dyn Authorization,
) {
    let session = response.session_id().map(str::to_owned);
    let mut account = match read(response).await {
        Ok(account) => account,
        Err(finding) => return step.found(finding),
    };
    if account.get("error").is_some()
        && let Some(other) = lifecycle::discover(server, authorization).await
        && let Ok(other) = read(other).await
        && other.get("result").is_some()
    {
        account = other;
    }
    let Some(account) = result(step, "initialize", &account) else {
        return;
    };
    let lifecycle = Lifecycle::of(account, session);
    describe(step, account, &lifecycle);
    if let Some(Ok(told)) = lifecycle.notification("notifications/initialized") {
        // What it says to a notification changes nothing.
        let _ = server.send(&told, authorization).await;
    }
    let offers_tools = account
        .get("capabilities")
        .is_some_and(|capabilities| capabilities.get("tools").is_some());
    if offers_tools && let Ok(request) = lifecycle.request("tools/list") {
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
    if let Some(Ok(end)) = lifecycle.end() {
        let _ = server.send(&end, authorization).await;
    }
}

/// What a server says that it is.
fn describe(step: &mut Step, account: &Value, lifecycle: &Lifecycle) {
    let version = lifecycle.version().unwrap_or("not said");
    let version: String = version.chars().take(MOST_WORDS).collect();
    step.fact(
        "protocol version",
        match lifecycle {
            Lifecycle::Handshake { .. } => version,
            Lifecycle::Stateless => format!("{version}, without a handshake"),
        },
    );
    let info = account.get("serverInfo").or_else(|| {
        let meta = account.get("_meta")?;
        meta.get("io.modelcontextprotocol/serverInfo")
    });
    let of = |name: &str| text(info.and_then(|info| info.get(name)));
    if let Some(name) = of("name") {
        let version = of("version").unwrap_or_default();
        step.fact("server", format!("{name} {version}").trim_end());
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
    Some(text.chars().take(MOST_WORDS).collect())
}
