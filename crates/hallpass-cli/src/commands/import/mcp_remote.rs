//! The command line of mcp-remote: a program on this machine that stands for a remote server.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value};

use super::remote::Remote;

/// Where its callback arrives unless it is told otherwise.
pub(super) const CALLBACK_HOST: &str = "localhost";
pub(super) const CALLBACK_PATH: &str = "/oauth/callback";

/// What it takes with a value and we take or leave by name.
const WITH_VALUE: &[&str] = &[
    "--auth-timeout",
    "--body-timeout",
    "--callback-path",
    "--connect-timeout",
    "--header",
    "--header-file",
    "--headers-timeout",
    "--host",
    "--ignore-tool",
    "--resource",
    "--static-oauth-client-info",
    "--static-oauth-client-metadata",
    "--transport",
];

/// What changes nothing about the server: the log, and a proxy that is taken from the environment.
const WITHOUT_MEANING: &[&str] = &["--debug", "--enable-proxy", "--silent"];

/// Whether one of the words is mcp-remote; the words after it.
pub(super) fn arguments<'a>(words: &[&'a str]) -> Option<Vec<&'a str>> {
    let at = words.iter().position(|word| is_mcp_remote(word))?;
    Some(words[at + 1..].to_vec())
}

/// Whether mcp-remote is run somehow: by a shell, or in a container.
pub(super) fn is_mentioned(words: &[&str]) -> bool {
    words.iter().any(|word| word.contains("mcp-remote"))
}

/// `mcp-remote`, `mcp-remote@latest`, a path to it or into its package.
fn is_mcp_remote(word: &str) -> bool {
    let names = |part: &str| {
        let name = part.split('@').next().unwrap_or(part);
        ["mcp-remote", "mcp-remote.cmd", "mcp-remote.js"].contains(&name)
    };
    if word.contains(char::is_whitespace) || word.contains("://") {
        return false;
    }
    let parts: Vec<&str> = word.split(['/', '\\']).collect();
    match parts.as_slice() {
        [.., last] if names(last) => true,
        [.., package, "dist", "proxy.js"] => names(package),
        _ => false,
    }
}

/// Reads the words after it. The error says why no server comes of them.
pub(super) fn read(words: &[&str], environment: &Map<String, Value>) -> Result<Remote, String> {
    let line = Line::parse(words);
    let Some(url) = line.positional.first() else {
        return Err("the command line of mcp-remote has no URL".to_owned());
    };
    if line.last("--transport") == Some("sse-only") {
        return Err("it is reached by HTTP+SSE, which hallpass does not speak".to_owned());
    }
    let mut remote = Remote::new(url);
    let headers = line.headers();
    for (name, value) in &headers {
        remote.header(name, value);
    }
    if headers.len() < line.all("--header").count() {
        remote.leave("a header", "it does not have the form `Name: value`");
    }
    let resource = line.last("--resource").map_or("", str::trim);
    if line.has("--disable-resource-parameter") || line.options.contains(&("--resource", "")) {
        remote.options.resource = Some("none".to_owned());
    } else if !resource.is_empty() {
        remote.options.resource = Some(resource.to_owned());
    }
    callback(&line, &mut remote);
    registered(&line, &mut remote);
    rest(&line, &mut remote);
    surroundings(environment, &mut remote);
    let resource = match remote.options.resource.as_deref() {
        Some("none") | None => "",
        Some(resource) => resource,
    };
    remote.kept_as = Some(kept_as(url, resource, &headers));
    Ok(remote)
}

/// A fixed port is one that the redirect URI of a registered client names, so its host and its path
/// count as well.
fn callback(line: &Line<'_>, remote: &mut Remote) {
    let Some(port) = line.positional.get(1) else {
        return;
    };
    let Some(port) = port.parse().ok().filter(|&port: &u16| port != 0) else {
        remote.leave("the callback port", "it is not a port number");
        return;
    };
    let host = line.last("--host").unwrap_or(CALLBACK_HOST);
    if !["localhost", "127.0.0.1", "[::1]"].contains(&host) {
        remote.leave("the callback", "its host is not this machine");
        return;
    }
    remote.options.callback_port = Some(port);
    remote.options.callback_host = Some(host.to_owned());
    let path = line.last("--callback-path").unwrap_or(CALLBACK_PATH);
    remote.options.callback_path = Some(path.to_owned());
}

/// A client that was registered by hand, and the scopes.
fn registered(line: &Line<'_>, remote: &mut Remote) {
    if let Some(text) = line.last("--static-oauth-client-info") {
        match serde_json::from_str::<Value>(text) {
            Ok(client) => {
                if let Some(id) = client["client_id"].as_str() {
                    remote.client_id(id);
                }
                if !client["client_secret"].is_null() {
                    remote.client_secret();
                }
            }
            Err(_) => remote.leave(
                "the client that was registered by hand",
                "it stands in a file: add its `client-id`, and `client-secret-env` or \
                 `client-secret-file`",
            ),
        }
    }
    if let Some(text) = line.last("--static-oauth-client-metadata") {
        let metadata = serde_json::from_str::<Value>(text).unwrap_or_default();
        match metadata["scope"].as_str() {
            Some(scope) if !scope.trim().is_empty() => {
                remote.options.scope = Some(scope.trim().to_owned());
            }
            _ => remote.leave(
                "`--static-oauth-client-metadata`",
                "of a client's metadata hallpass sets the scope alone (`scope`)",
            ),
        }
    }
}

fn rest(line: &Line<'_>, remote: &mut Remote) {
    if line.has("--header-file") {
        remote.leave(
            "`--header-file`",
            "name each header of it with its value in an environment variable: `header = \
             [\"NAME: ${VARIABLE}\"]`",
        );
    }
    let known = [
        "--callback-path",
        "--disable-resource-parameter",
        "--header",
        "--header-file",
        "--host",
        "--resource",
        "--static-oauth-client-info",
        "--static-oauth-client-metadata",
        "--transport",
    ];
    let mut others: Vec<String> = Vec::new();
    for (option, _) in &line.options {
        let shown = shown(option);
        let is_passed_over = known.contains(option) || WITHOUT_MEANING.contains(option);
        if !is_passed_over && !others.contains(&shown) {
            others.push(shown);
        }
    }
    if !others.is_empty() {
        remote.leave(others.join(", "), "hallpass has no such option");
    }
}

/// An option by its name; what has no such form may hold a secret.
fn shown(option: &str) -> String {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    let letters = name.strip_prefix("--").unwrap_or_default();
    let is_name = letters.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if is_name && !letters.is_empty() && letters.len() < 40 {
        format!("`{name}`")
    } else {
        "an option".to_owned()
    }
}

/// The environment that the host gives it.
fn surroundings(environment: &Map<String, Value>, remote: &mut Remote) {
    for (name, value) in environment {
        let is_used = remote
            .options
            .header
            .iter()
            .any(|header| header.contains(&format!("${{{name}}}")))
            || remote.options.token_env.as_deref() == Some(name);
        if is_used {
            remote.leave(
                format!("the value of `{name}`"),
                "it is written out: set the variable where hallpass runs",
            );
        } else if let ("NODE_EXTRA_CA_CERTS", Some(file)) = (name.as_str(), value.as_str()) {
            let file = PathBuf::from(file);
            if file.is_absolute() {
                remote.options.ca_certificate = Some(file);
            } else {
                remote.leave("`NODE_EXTRA_CA_CERTS`", "it is no absolute path");
            }
        } else {
            remote.leave(
                format!("`env.{name}`"),
                "set the variable where hallpass runs, if it needs it",
            );
        }
    }
}

/// What it calls the credentials of a server: MD5 of the URL as it was typed, and of the resource and
/// the headers, where there are any.
pub(super) fn kept_as(url: &str, resource: &str, headers: &BTreeMap<String, String>) -> String {
    let mut text = url.to_owned();
    if !resource.is_empty() {
        text = format!("{text}|{resource}");
    }
    if !headers.is_empty() {
        // A map of texts is JSON always.
        text = format!(
            "{text}|{}",
            serde_json::to_string(headers).unwrap_or_default()
        );
    }
    format!("{:x}", md5::compute(text))
}

/// A command line, taken apart.
#[derive(Debug, Default)]
struct Line<'a> {
    positional: Vec<&'a str>,
    /// Each option with its value, which is empty for a switch.
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Line<'a> {
    fn parse(words: &[&'a str]) -> Self {
        let mut line = Self::default();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let joined = word.split_once('=');
            if WITH_VALUE.contains(&word) {
                line.options.push((word, words.next().unwrap_or_default()));
            } else if let Some((option, value)) = joined
                && WITH_VALUE.contains(&option)
            {
                line.options.push((option, value));
            } else if word.starts_with('-') {
                line.options.push((word, ""));
            } else {
                line.positional.push(word);
            }
        }
        line
    }

    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == option)
    }

    fn all(&self, option: &str) -> impl Iterator<Item = &'a str> {
        let all = self.options.iter().filter(move |(name, _)| *name == option);
        all.map(|(_, value)| *value)
    }

    fn last(&self, option: &str) -> Option<&'a str> {
        self.all(option).last()
    }

    /// The headers by name, as they were typed.
    fn headers(&self) -> BTreeMap<String, String> {
        let is_name = |name: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            !name.is_empty() && name.chars().all(fits)
        };
        let pairs = self.all("--header").filter_map(|header| {
            let (name, value) = header.split_once(':')?;
            is_name(name).then(|| (name.to_owned(), value.trim_start().to_owned()))
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests;
