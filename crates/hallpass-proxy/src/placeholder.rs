//! What the host is told in the server's place, while that can't be asked.
//!
//! Pure functions from what is known to messages.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json, value::RawValue};

use hallpass_mcp::{
    jsonrpc::{Id, raw_at, text_at},
    protocol_version::{NEWEST_WITH_HANDSHAKE, STATELESS},
};

/// A part of a server that has a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    Tools,
    Resources,
    Prompts,
}

impl ListKind {
    pub(crate) const ALL: [Self; 3] = [Self::Tools, Self::Resources, Self::Prompts];

    fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Prompts => "prompts",
        }
    }

    /// Whose list `method` asks for, and the name of the list.
    pub(crate) fn for_method(method: &str) -> Option<(Self, &'static str)> {
        Some(match method {
            "tools/list" => (Self::Tools, "tools"),
            "resources/list" => (Self::Resources, "resources"),
            "resources/templates/list" => (Self::Resources, "resourceTemplates"),
            "prompts/list" => (Self::Prompts, "prompts"),
            _ => return None,
        })
    }

    /// Whether the result of an opening offers it.
    fn is_offered_in(self, result: &[u8]) -> bool {
        raw_at(result, &["capabilities", self.capability()])
            .is_some_and(|offered| offered != "null")
    }

    /// The lists that a server with this answer to its opening has.
    pub(crate) fn offered_in(result: &[u8]) -> Vec<Self> {
        let offered = Self::ALL.into_iter();
        offered.filter(|kind| kind.is_offered_in(result)).collect()
    }

    /// The notification that the list is another one now, on `subscription` where there are such.
    pub(crate) fn list_changed(self, subscription: Option<&Id>) -> Bytes {
        let name = self.capability();
        match subscription {
            None => {
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/{name}/list_changed"}}"#)
            }
            Some(id) => format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/{name}/list_changed","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
            ),
        }
        .into()
    }
}

/// The result of an opening: what `remembered` says, with lists that may change; else all three
/// lists. `words` come first in the instructions.
pub(crate) fn opening(
    method: &str,
    asked: Option<&str>,
    remembered: Option<&[u8]>,
    words: &str,
) -> Bytes {
    let kept: BTreeMap<String, Box<RawValue>> = remembered
        .and_then(|remembered| serde_json::from_slice(remembered).ok())
        .unwrap_or_default();
    let mut result: BTreeMap<&str, Value> = BTreeMap::new();
    result.insert("capabilities", capabilities(remembered));
    let before = remembered.and_then(|remembered| text_at(remembered, &["instructions"]));
    let instructions = match before {
        Some(before) => format!("{words}\n\n{before}"),
        None => words.to_owned(),
    };
    result.insert("instructions", instructions.into());
    if method == "initialize" {
        let version = asked.filter(|version| *version < STATELESS);
        result.insert(
            "protocolVersion",
            version.unwrap_or(NEWEST_WITH_HANDSHAKE).into(),
        );
        let info = json!({ "name": "hallpass", "version": env!("CARGO_PKG_VERSION") });
        result.insert("serverInfo", info);
    } else {
        result.insert("supportedVersions", json!([asked.unwrap_or(STATELESS)]));
        result.insert("resultType", "complete".into());
        result.insert("cacheScope", "private".into());
    }
    // Nothing of it may be kept by the host for longer than it holds.
    if method != "initialize" {
        result.insert("ttlMs", 0.into());
    }
    let written = ["capabilities", "instructions", "ttlMs"];
    let kept = kept
        .iter()
        .filter(|(name, _)| !written.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.get().to_owned()));
    let mut members: BTreeMap<&str, String> = result
        .iter()
        .map(|(name, value)| (*name, value.to_string()))
        .collect();
    members.extend(kept);
    object(&members).into()
}

fn object(members: &BTreeMap<&str, String>) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(*name)))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn capabilities(remembered: Option<&[u8]>) -> Value {
    let remembered = remembered.and_then(|remembered| {
        let raw = raw_at(remembered, &["capabilities"])?;
        serde_json::from_str::<serde_json::Map<String, Value>>(raw).ok()
    });
    let Some(mut capabilities) = remembered else {
        let changes = json!({ "listChanged": true });
        return json!({ "tools": changes, "resources": changes, "prompts": changes });
    };
    for kind in ListKind::ALL {
        if let Some(Value::Object(offered)) = capabilities.get_mut(kind.capability()) {
            offered.insert("listChanged".to_owned(), true.into());
        }
    }
    capabilities.into()
}

/// The result of `method`, if it asks for a list, as long as there is nothing in it.
pub(crate) fn empty_list(method: &str, stateless: bool) -> Option<Bytes> {
    let (_, name) = ListKind::for_method(method)?;
    Some(Bytes::from(if stateless {
        format!(r#"{{"resultType":"complete","ttlMs":0,"cacheScope":"private","{name}":[]}}"#)
    } else {
        format!(r#"{{"{name}":[]}}"#)
    }))
}

/// The response with this result.
pub(crate) fn response(id: &Id, result: &[u8]) -> Bytes {
    let result = String::from_utf8_lossy(result);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into()
}

/// The codes of JSON-RPC 2.0 §5.1.
pub(crate) const PARSE_ERROR: i32 = -32700;
pub(crate) const INVALID_REQUEST: i32 = -32600;

/// The response to what is no message.
pub(crate) fn invalid(id: Option<&Id>, code: i32, what: &str) -> Bytes {
    let id = id.map_or_else(|| "null".to_owned(), ToString::to_string);
    let error = json!({ "code": code, "message": what });
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into()
}

#[cfg(test)]
mod tests;
