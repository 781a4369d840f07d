//! One server of a host's file: a remote one, or why it is none.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    mcp_remote,
    remote::{Remote, TOKEN_IS_WRITTEN_OUT},
    text::{self, Text},
};

/// Reads a server. The hosts' words for the same differ, and none contradicts another, so one reader
/// knows them all. The error says why nothing comes of it.
pub(super) fn read(server: &Value) -> Result<Remote, String> {
    let Value::Object(server) = server else {
        return Err("it does not describe a server".to_owned());
    };
    let is_off = server.get("disabled") == Some(&Value::Bool(true))
        || server.get("enabled") == Some(&Value::Bool(false));
    if is_off {
        return Err("it is disabled".to_owned());
    }
    match (
        server.get("url").and_then(Value::as_str),
        server.get("command"),
    ) {
        (Some(url), _) => at_url(url, server),
        (None, Some(command)) => program(command, server),
        (None, None) if server.contains_key("settings") => {
            Err("an extension provides it, and its URL is not in the file".to_owned())
        }
        (None, None) => Err("it has neither a URL nor a command".to_owned()),
    }
}

/// A program on this machine, which may stand for a remote server.
fn program(command: &Value, server: &Map<String, Value>) -> Result<Remote, String> {
    // Zed knows a table of all three as well.
    let table = command.as_object();
    let member = |name: &str| server.get(name).or_else(|| table?.get(name));
    let command = command.as_str().or_else(|| table?.get("path")?.as_str());
    let arguments = member("args").and_then(Value::as_array);
    let arguments = arguments.into_iter().flatten().filter_map(Value::as_str);
    let words: Vec<&str> = command.into_iter().chain(arguments).collect();
    let environment = member("env").and_then(Value::as_object);
    match mcp_remote::arguments(&words) {
        Some(words) => {
            let nothing = Map::new();
            let mut remote = mcp_remote::read(&words, environment.unwrap_or(&nothing))?;
            let known = [
                "args", "command", "disabled", "enabled", "env", "source", "type",
            ];
            leave_the_rest(server, &known, &mut remote);
            Ok(remote)
        }
        None if is_hallpass(&words) => Err("it is hallpass that serves it there".to_owned()),
        None if mcp_remote::is_mentioned(&words) => Err(
            "it runs mcp-remote in a way that is not understood: `hallpass add NAME URL` does it"
                .to_owned(),
        ),
        None => Err("it is a program on this machine, no remote server".to_owned()),
    }
}

fn is_hallpass(words: &[&str]) -> bool {
    let name = words.first().map(|word| word.rsplit(['/', '\\']).next());
    matches!(name.flatten(), Some("hallpass" | "hallpass.exe"))
}

fn at_url(url: &str, server: &Map<String, Value>) -> Result<Remote, String> {
    if server.get("type").and_then(Value::as_str) == Some("sse") {
        return Err("it is reached by HTTP+SSE, which hallpass does not speak".to_owned());
    }
    if url.contains("${") {
        return Err("its URL has a variable in it: `hallpass add NAME URL` does it".to_owned());
    }
    let mut remote = Remote::new(url);
    // The user may have run mcp-remote for this URL before.
    remote.kept_as = Some(mcp_remote::kept_as(url, "", &BTreeMap::new()));
    let texts = |name: &str| {
        let members = server.get(name).and_then(Value::as_object);
        let members = members.into_iter().flatten();
        members.filter_map(|(name, value)| Some((name, value.as_str()?)))
    };
    for (name, value) in texts("headers").chain(texts("http_headers")) {
        remote.header(name, value);
    }
    for (name, variable) in texts("env_http_headers") {
        remote.header(name, &format!("${{{variable}}}"));
    }
    if let Some(variable) = server.get("bearer_token_env_var").and_then(Value::as_str) {
        if text::is_name(variable) {
            remote.token_env(variable);
        } else {
            remote.leave("`bearer_token_env_var`", "it names no variable");
        }
    }
    if server.contains_key("bearer_token") {
        remote.leave("`bearer_token`", TOKEN_IS_WRITTEN_OUT);
    }
    scopes(server.get("scopes"), &mut remote);
    if let Some(resource) = server.get("oauth_resource").and_then(Value::as_str) {
        remote.options.resource = Some(resource.to_owned());
    }
    for name in ["oauth", "auth"] {
        if let Some(oauth) = server.get(name).and_then(Value::as_object) {
            sign_in(name, oauth, &mut remote);
        }
    }
    if server.contains_key("headersHelper") {
        remote.leave(
            "`headersHelper`",
            "where it prints an access token, add `token-command = \"COMMAND\"` to the server",
        );
    }
    let known = [
        "auth",
        "bearer_token",
        "bearer_token_env_var",
        "disabled",
        "enabled",
        "env_http_headers",
        "headers",
        "headersHelper",
        "http_headers",
        "oauth",
        "oauth_resource",
        "scopes",
        "source",
        "type",
        "url",
    ];
    leave_the_rest(server, &known, &mut remote);
    Ok(remote)
}

/// How a user signs in: the client, its callback, the scopes.
fn sign_in(member: &str, oauth: &Map<String, Value>, remote: &mut Remote) {
    let mut others = Vec::new();
    for (name, value) in oauth {
        match (name.as_str(), value.as_str()) {
            ("clientId" | "client_id" | "CLIENT_ID", Some(id)) => remote.client_id(id),
            ("clientSecret" | "client_secret" | "CLIENT_SECRET", _) => remote.client_secret(),
            ("callbackPort", _) => match value.as_u64().and_then(|port| u16::try_from(port).ok()) {
                Some(port) if port != 0 => {
                    remote.options.callback_port = Some(port);
                    remote.options.callback_host = Some("localhost".to_owned());
                }
                _ => remote.leave("the callback port", "it is not a port number"),
            },
            ("authServerMetadataUrl", Some(url)) => {
                remote.options.server_metadata_url = Some(url.to_owned());
            }
            ("scope" | "scopes", _) => scopes(Some(value), remote),
            _ => others.push(format!("`{member}.{name}`")),
        }
    }
    if !others.is_empty() {
        remote.leave(others.join(", "), "hallpass has no such setting");
    }
}

/// Scopes as a list, or as one text.
fn scopes(value: Option<&Value>, remote: &mut Remote) {
    let scopes = match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Array(list)) => {
            let texts = list.iter().filter_map(Value::as_str);
            texts.collect::<Vec<_>>().join(" ")
        }
        _ => return,
    };
    if scopes.is_empty() {
        return;
    }
    match text::read(&scopes) {
        Text::Literal => remote.options.scope = Some(scopes),
        _ => remote.leave("the scopes", "they hold a variable"),
    }
}

/// Says what there is besides. Of a member only its name is shown.
fn leave_the_rest(server: &Map<String, Value>, known: &[&str], remote: &mut Remote) {
    let others = server.keys().filter(|key| !known.contains(&key.as_str()));
    let others: Vec<String> = others.map(|key| format!("`{key}`")).collect();
    if !others.is_empty() {
        remote.leave(others.join(", "), "hallpass has no such setting");
    }
}

#[cfg(test)]
mod tests;
