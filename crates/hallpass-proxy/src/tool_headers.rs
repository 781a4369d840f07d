//! Arguments of tools that go into headers too (MCP 2026-07-28, custom headers from tool parameters).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hallpass_core::{Remedy, quote};
use hallpass_mcp::{
    Request,
    jsonrpc::{Part, each_element, each_member, raw_at, text_at},
};
use http::{HeaderName, HeaderValue};

use crate::request_error::ProxyRequestError;

/// What in a schema names the header of a parameter.
const MARK: &str = "x-mcp-header";

/// How many parameters of one tool may have a header, how deep in its schema they may be, and how many
/// bytes they may take. The calls of a tool with more are refused.
const MAX_HEADERS: usize = 32;
const MAX_DEPTH: usize = 16;
const MAX_TOOL_BYTES: usize = 16 * 1024;

/// How many bytes the tools with such parameters may take together. The calls of those that there is no
/// room for are sent without the headers.
const MAX_BYTES: usize = 1024 * 1024;

/// What a tool or a parameter takes besides its names.
const ENTRY_BYTES: usize = 128;

/// Which arguments of which tools go into a header too: the `x-mcp-header` of their schemas.
#[derive(Debug, Default)]
pub(crate) struct ToolHeaders(Mutex<Tools>);

#[derive(Debug, Default)]
struct Tools {
    known: HashMap<String, ParameterHeaders>,
    bytes: usize,
    /// Whether the log says that there is no room for all.
    is_full_logged: bool,
}

/// The parameters of one tool that have a header, at any depth.
#[derive(Debug, Default)]
struct ParameterHeaders {
    parameters: HashMap<String, Parameter>,
    headers: usize,
    bytes: usize,
    is_too_deep: bool,
}

#[derive(Debug)]
struct Parameter {
    header: Option<HeaderName>,
    inner: HashMap<String, Parameter>,
}

impl ToolHeaders {
    /// Learns from the result of `tools/list`.
    pub(crate) fn learn(&self, result: &[u8]) {
        let mut tools = self.tools();
        if tools.known.is_empty() && !has_mark(result) {
            return;
        }
        each_element(raw_at(result, &["tools"]).unwrap_or_default(), |tool| {
            let tool = tool.as_bytes();
            if let Some(name) = text_at(tool, &["name"]) {
                tools.learn(name, tool);
            }
        });
    }

    /// The request with the headers of `call`, a `tools/call`.
    pub(crate) fn add_to(
        &self,
        mut request: Request,
        call: &Part,
    ) -> Result<Request, ProxyRequestError> {
        let tools = self.tools();
        let name = (!tools.known.is_empty())
            .then(|| call.text_at(&["name"]))
            .flatten();
        let Some((tool, name)) = name.and_then(|name| Some((tools.known.get(&name)?, name))) else {
            return Ok(request);
        };
        if tool.is_too_much() {
            let text = format!("{}; the call was not sent", too_much(&name));
            return Err(ProxyRequestError::new(Remedy::Report, text));
        }
        let mut headers = Vec::new();
        if let Some(arguments) = call.raw_at(&["arguments"]) {
            find(arguments, &tool.parameters, &mut headers);
        }
        for (header, value) in headers {
            if let Some(value) = primitive(value).as_deref().and_then(encoded) {
                request = request.header(header.clone(), value);
            }
        }
        Ok(request)
    }

    fn tools(&self) -> MutexGuard<'_, Tools> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tools {
    /// Learns from one element of the list, in the place of what was known of the tool.
    fn learn(&mut self, name: String, tool: &[u8]) {
        let mut found = ParameterHeaders::default();
        if has_mark(tool)
            && let Some(properties) = raw_at(tool, &["inputSchema", "properties"])
        {
            found.parameters = found.read(properties, MAX_DEPTH);
        }
        let before = self.known.remove(&name);
        self.bytes -= before.as_ref().map_or(0, |before| before.size(&name));
        if found.headers == 0 && !found.is_too_deep {
            return;
        }
        if found.is_too_much() {
            found.parameters = HashMap::new();
            if !before.is_some_and(|before| before.is_too_much()) {
                tracing::warn!("{}; its calls are refused", too_much(&name));
            }
        }
        let size = found.size(&name);
        if size <= MAX_BYTES.saturating_sub(self.bytes) {
            self.bytes += size;
            self.known.insert(name, found);
        } else if !std::mem::replace(&mut self.is_full_logged, true) {
            tracing::warn!(
                "the tools that want parameters in headers (`{MARK}`) take more than {MAX_BYTES} bytes; the \
                 calls of some are sent without these headers, as of `{}`",
                quote(&name)
            );
        }
    }
}

fn has_mark(text: &[u8]) -> bool {
    text.windows(MARK.len()).any(|it| it == MARK.as_bytes())
}

fn too_much(tool: &str) -> String {
    format!(
        "the tool `{}` wants too many of its parameters in headers (`{MARK}`), or too deep ones: {MAX_HEADERS} \
         may be, in {MAX_DEPTH} objects, with {MAX_TOOL_BYTES} bytes of names",
        quote(tool)
    )
}

impl ParameterHeaders {
    fn is_too_much(&self) -> bool {
        self.headers > MAX_HEADERS || self.bytes > MAX_TOOL_BYTES || self.is_too_deep
    }

    /// What it takes to know them as those of the tool with this name.
    fn size(&self, name: &str) -> usize {
        // Of a tool with too many the name is kept.
        let bytes = if self.is_too_much() { 0 } else { self.bytes };
        ENTRY_BYTES + name.len() + bytes
    }

    /// Those of these properties that have a header, or lead to one through `properties` alone.
    fn read(&mut self, properties: &str, depth: usize) -> HashMap<String, Parameter> {
        let mut found = HashMap::new();
        each_member(properties, |name, schema| {
            let (mut header, mut properties) = (None, None);
            each_member(schema, |member, value| match member {
                MARK => header = serde_json::from_str::<String>(value).ok(),
                "properties" => properties = Some(value),
                _ => {}
            });
            let header: Option<HeaderName> =
                header.and_then(|header| format!("mcp-param-{header}").parse().ok());
            self.headers += usize::from(header.is_some());
            let inner = match properties {
                Some(inner) if depth == 0 => {
                    self.is_too_deep |= has_mark(inner.as_bytes());
                    HashMap::new()
                }
                Some(inner) if !self.is_too_much() => self.read(inner, depth - 1),
                _ => HashMap::new(),
            };
            if header.is_some() || !inner.is_empty() {
                let header_len = header.as_ref().map_or(0, |it| it.as_str().len());
                self.bytes += ENTRY_BYTES + name.len() + header_len;
                if !self.is_too_much() {
                    found.insert(name.to_owned(), Parameter { header, inner });
                }
            }
        });
        found
    }
}

/// The values of these parameters in `arguments`, which is read once. Of two members with one name the last
/// counts, as for the readers of the body.
fn find<'a>(
    arguments: &'a str,
    parameters: &'a HashMap<String, Parameter>,
    found: &mut Vec<(&'a HeaderName, &'a str)>,
) {
    let mut members: Vec<(&Parameter, &str)> = Vec::new();
    each_member(arguments, |name, value| {
        if let Some(parameter) = parameters.get(name) {
            members.retain(|(other, _)| !std::ptr::eq(*other, parameter));
            members.push((parameter, value));
        }
    });
    for (parameter, value) in members {
        if let Some(header) = &parameter.header {
            found.retain(|(other, _)| *other != header);
            found.push((header, value));
        }
        if !parameter.inner.is_empty() {
            find(value, &parameter.inner, found);
        }
    }
}

/// A text, a number or a truth value as it stands in a header.
fn primitive(raw: &str) -> Option<String> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(raw.to_owned()),
    }
}

/// A text as it may stand in a header: as it is, or in Base64 where it can't.
pub(crate) fn encoded(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7E))
        && text.trim_matches([' ', '\t']) == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    if plain {
        HeaderValue::from_str(text).ok()
    } else {
        HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(text))).ok()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_mcp::jsonrpc::Message;

    use super::*;

    /// The headers of a call of `t`, whose schema has these properties.
    fn promoted(properties: &str, arguments: &str) -> Result<Vec<(String, String)>, String> {
        let tools = ToolHeaders::default();
        let list = format!(
            r#"{{"tools":[{{"name":"t","inputSchema":{{"properties":{{{properties}}}}}}}]}}"#
        );
        tools.learn(list.as_bytes());
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{{{arguments}}}}}}}"#
        );
        let call = Message::parse(call.into()).unwrap();
        let request = tools.add_to(Request::post(""), call.single().unwrap());
        let request = request.map_err(|error| error.describe())?;
        let headers = request.headers().iter();
        let mut headers: Vec<_> = headers
            .filter_map(|(name, value)| {
                let name = name.as_str().strip_prefix("mcp-param-")?;
                Some((name.to_owned(), value.to_str().unwrap().to_owned()))
            })
            .collect();
        headers.sort();
        Ok(headers)
    }

    /// So many properties with a header, and an argument for each.
    fn many(count: usize) -> (String, String) {
        let property = |n| format!(r#""p{n}":{{"x-mcp-header":"P{n}"}}"#);
        let argument = |n| format!(r#""p{n}":"{n}""#);
        let all = |one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<Vec<_>>().join(",");
        (all(&property), all(&argument))
    }

    #[test]
    fn call_of_a_tool_with_too_many_headers_is_refused() {
        let (properties, arguments) = many(MAX_HEADERS);
        assert_eq!(
            promoted(&properties, &arguments).unwrap().len(),
            MAX_HEADERS
        );
        for count in [MAX_HEADERS + 1, 20_000] {
            let (properties, arguments) = many(count);
            let error = promoted(&properties, &arguments).unwrap_err();
            assert!(
                error.contains("too many of its parameters in headers"),
                "{error}"
            );
        }
        let long = format!(r#""{}":{{"x-mcp-header":"A"}}"#, "x".repeat(MAX_TOOL_BYTES));
        assert!(promoted(&long, "").is_err());
    }

    #[test]
    fn headers_are_found_among_many_arguments() {
        let properties = r#""a":{"properties":{"b":{"x-mcp-header":"B","properties":{"c":{"x-mcp-header":"C"}}}}},"\u0064":{"x-mcp-header":"D"}"#;
        let (_, others) = many(10_000);
        let arguments = format!(r#"{others},"a":{{"b":{{"c":true}}}},"d":1,{others},"d":2"#);
        assert_eq!(
            promoted(properties, &arguments).unwrap(),
            [("c", "true"), ("d", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn names_of_headers_count_as_well() {
        let property = |n, len| format!(r#""p{n}":{{"x-mcp-header":"P{n}{}"}}"#, "x".repeat(len));
        let all = |len| {
            (0..10)
                .map(|n| property(n, len))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert!(promoted(&all(100), "").is_ok());
        assert!(promoted(&all(2000), "").is_err());
    }

    #[test]
    fn last_of_two_members_with_one_name_counts_whole() {
        let properties = r#""a":{"properties":{"b":{"x-mcp-header":"B"}}}"#;
        for (arguments, expected) in [
            (r#""a":{"b":1},"a":{"b":2}"#, Some("2")),
            (r#""a":{"b":1},"\u0061":{}"#, None),
            (r#""a":{"b":1},"a":2"#, None),
            (r#""a":{"b":1,"b":{}}"#, None),
        ] {
            let headers = promoted(properties, arguments).unwrap();
            let value = headers.first().map(|(_, value)| value.as_str());
            assert_eq!(value, expected, "{arguments}");
        }
    }

    #[test]
    fn call_of_a_tool_with_a_deep_header_is_refused() {
        let deep = |depth| {
            let open = r#""a":{"properties":{"#.repeat(depth);
            format!(r#"{open}"a":{{"x-mcp-header":"A"}}{}"#, "}}".repeat(depth))
        };
        let arguments =
            |depth| format!(r#"{}"a":1{}"#, r#""a":{"#.repeat(depth), "}".repeat(depth));
        let headers = promoted(&deep(MAX_DEPTH), &arguments(MAX_DEPTH));
        assert_eq!(headers.unwrap().len(), 1);
        for depth in [MAX_DEPTH + 1, 2_000] {
            let error = promoted(&deep(depth), &arguments(depth)).unwrap_err();
            assert!(error.contains("headers"), "{depth}: {error}");
        }
    }

    #[test]
    fn tools_with_headers_take_a_limited_room_together() {
        let tools = ToolHeaders::default();
        let tool = |n: usize| {
            let long = "x".repeat(8 * 1024);
            let properties =
                format!(r#""a":{{"x-mcp-header":"A"}},"{long}":{{"x-mcp-header":"B"}}"#);
            format!(r#"{{"name":"t{n}","inputSchema":{{"properties":{{{properties}}}}}}}"#)
        };
        let list: Vec<_> = (0..1000).map(tool).collect();
        let list = format!(r#"{{"tools":[{}]}}"#, list.join(","));
        let headers = |name: &str| {
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{"a":1}}}}}}"#
            );
            let call = Message::parse(call.into()).unwrap();
            let request = tools.add_to(Request::post(""), call.single().unwrap());
            request.unwrap().headers().contains_key("mcp-param-a")
        };
        for _ in 0..3 {
            tools.learn(list.as_bytes());
            let bytes = tools.tools().bytes;
            assert!((MAX_BYTES - 10_000..=MAX_BYTES).contains(&bytes), "{bytes}");
            assert!(headers("t0") && headers("t100") && !headers("t999"));
        }
        // Those that want no headers any more make room.
        let none: Vec<_> = (0..1000).map(|n| format!(r#"{{"name":"t{n}"}}"#)).collect();
        tools.learn(format!(r#"{{"tools":[{}]}}"#, none.join(",")).as_bytes());
        assert_eq!(tools.tools().bytes, 0);
    }
}
