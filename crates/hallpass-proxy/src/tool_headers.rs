//! Arguments of tools that go into headers too (MCP 2026-07-28, custom headers from tool parameters).

use std::{collections::HashMap, sync::Mutex, sync::PoisonError};

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

/// How many tools may have parameters that go into headers.
const MAX_TOOLS: usize = 4096;

/// How many parameters of one tool may, and how deep in its schema they may be. The calls of a tool with
/// more are refused.
const MAX_HEADERS: usize = 32;
const MAX_DEPTH: usize = 16;

/// How long the name of such a tool may be, and the names of its parameters together.
const MAX_NAME_BYTES: usize = 4096;

/// Which arguments of which tools go into a header too: the `x-mcp-header` of their schemas.
#[derive(Debug, Default)]
pub(crate) struct ToolHeaders(Mutex<HashMap<String, ParameterHeaders>>);

/// The parameters of one tool that have a header, at any depth.
#[derive(Debug, Default)]
struct ParameterHeaders {
    parameters: HashMap<String, Parameter>,
    headers: usize,
    name_bytes: usize,
}

#[derive(Debug)]
struct Parameter {
    header: Option<HeaderName>,
    inner: HashMap<String, Parameter>,
}

impl ToolHeaders {
    /// Learns from the result of `tools/list`.
    pub(crate) fn learn(&self, result: &[u8]) {
        let mut tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_headers = |text: &[u8]| text.windows(MARK.len()).any(|it| it == MARK.as_bytes());
        if tools.is_empty() && !has_headers(result) {
            return;
        }
        each_element(raw_at(result, &["tools"]).unwrap_or_default(), |tool| {
            let tool = tool.as_bytes();
            let Some(name) = text_at(tool, &["name"]).filter(|it| it.len() <= MAX_NAME_BYTES)
            else {
                return;
            };
            let mut found = ParameterHeaders::default();
            if has_headers(tool)
                && let Some(properties) = raw_at(tool, &["inputSchema", "properties"])
            {
                found.parameters = found.read(properties, MAX_DEPTH);
            }
            if found.headers == 0 {
                tools.remove(&name);
            } else if tools.len() < MAX_TOOLS || tools.contains_key(&name) {
                if found.is_too_much() {
                    tracing::warn!("{}", too_many_headers(&name));
                    found.parameters = HashMap::new();
                }
                tools.insert(name, found);
            }
        });
    }

    /// The request with the headers of `call`, a `tools/call`.
    pub(crate) fn add_to(
        &self,
        mut request: Request,
        call: &Part,
    ) -> Result<Request, ProxyRequestError> {
        let tools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (!tools.is_empty())
            .then(|| call.text_at(&["name"]))
            .flatten();
        let Some((tool, name)) = name.and_then(|name| Some((tools.get(&name)?, name))) else {
            return Ok(request);
        };
        if tool.is_too_much() {
            let text = format!("{}; the call was not sent", too_many_headers(&name));
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
}

fn too_many_headers(tool: &str) -> String {
    format!(
        "the tool `{}` wants too many of its parameters in headers (`{MARK}`): {MAX_HEADERS} may be, with \
         {MAX_NAME_BYTES} bytes of names",
        quote(tool)
    )
}

impl ParameterHeaders {
    fn is_too_much(&self) -> bool {
        self.headers > MAX_HEADERS || self.name_bytes > MAX_NAME_BYTES
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
            let header = header.and_then(|header| format!("mcp-param-{header}").parse().ok());
            self.headers += usize::from(header.is_some());
            let inner = match properties {
                Some(inner) if depth > 0 && !self.is_too_much() => self.read(inner, depth - 1),
                _ => HashMap::new(),
            };
            if header.is_some() || !inner.is_empty() {
                self.name_bytes += name.len();
                if !self.is_too_much() {
                    found.insert(name.to_owned(), Parameter { header, inner });
                }
            }
        });
        found
    }
}

/// The values of these parameters in `arguments`, which is read once.
fn find<'a>(
    arguments: &'a str,
    parameters: &'a HashMap<String, Parameter>,
    found: &mut Vec<(&'a HeaderName, &'a str)>,
) {
    each_member(arguments, |name, value| {
        let Some(parameter) = parameters.get(name) else {
            return;
        };
        if let Some(header) = &parameter.header {
            // The last of those with one name is the one that counts.
            found.retain(|(other, _)| *other != header);
            found.push((header, value));
        }
        if !parameter.inner.is_empty() {
            find(value, &parameter.inner, found);
        }
    });
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
        let long = format!(
            r#""{}":{{"x-mcp-header":"A"}}"#,
            "x".repeat(MAX_NAME_BYTES + 1)
        );
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
    fn deep_schema_is_read_to_a_limit() {
        let deep = |depth| {
            let open = r#""a":{"properties":{"#.repeat(depth);
            format!(r#"{open}"a":{{"x-mcp-header":"A"}}{}"#, "}}".repeat(depth))
        };
        let arguments =
            |depth| format!(r#"{}"a":1{}"#, r#""a":{"#.repeat(depth), "}".repeat(depth));
        for (depth, found) in [(MAX_DEPTH, 1), (MAX_DEPTH + 1, 0), (2_000, 0)] {
            let headers = promoted(&deep(depth), &arguments(depth)).unwrap();
            assert_eq!(headers.len(), found, "{depth}");
        }
    }
}
