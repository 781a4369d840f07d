//! What an MCP server offers: tools, resources and prompts.

use serde_json::{Value, json};

use super::{Row, TOKEN, hostile, run, schema};

fn tool(name: &str) -> Value {
    json!({
        "name": name,
        "title": hostile("TOOL-TITLE"),
        "description": hostile("DESCRIPTION"),
        "inputSchema": schema(),
        "outputSchema": schema(),
        "annotations": {"title": hostile("ANNOTATION"), "readOnlyHint": true},
    })
}

pub(super) const TABLE: &[Row] = &[
    Row {
        name: "tools",
        spoil: |it, _| {
            let tools = [tool(&hostile("TOOL")), tool("plain")];
            it.result("tools/list", json!({ "tools": tools }));
        },
        runs: &[
            run(
                &["tools", "URL", TOKEN[0], TOKEN[1]],
                0,
                &[
                    "TOOL",
                    "DESCRIPTION",
                    "PROPERTY",
                    "ABOUT",
                    "DEFAULT",
                    "CHOICE",
                    "VALUE",
                    "ENUM",
                    "OTHER",
                ],
            ),
            run(
                &["tools", "URL", "plain", TOKEN[0], TOKEN[1]],
                0,
                &[
                    "TOOL-TITLE",
                    "DESCRIPTION",
                    "PROPERTY",
                    "ABOUT",
                    "VALUE",
                    "Gives",
                ],
            ),
            run(
                &["tools", "URL", "toll", TOKEN[0], TOKEN[1]],
                2,
                &["TOOL", "plain"],
            ),
            run(
                &["call", "URL", "plain", TOKEN[0], TOKEN[1]],
                2,
                &["PROPERTY"],
            ),
            run(
                &["call", "URL", "plain", "x=1", TOKEN[0], TOKEN[1]],
                2,
                &["PROPERTY", "CHOICE"],
            ),
            run(&["--json", "tools", "URL", TOKEN[0], TOKEN[1]], 0, &[]),
        ],
    },
    Row {
        name: "resources",
        spoil: |it, _| {
            let entry = |key: &str| {
                json!({
                    key: hostile("URI"),
                    "name": hostile("NAME"),
                    "title": hostile("TITLE"),
                    "description": hostile("DESCRIPTION"),
                    "mimeType": hostile("MIME"),
                })
            };
            it.result("resources/list", json!({ "resources": [entry("uri")] }));
            let templates = json!({ "resourceTemplates": [entry("uriTemplate")] });
            it.result("resources/templates/list", templates);
            let contents = json!([
                {"uri": hostile("URI"), "text": hostile("TEXT")},
                {"uri": hostile("URI"), "blob": "", "mimeType": hostile("BLOB")},
            ]);
            it.result("resources/read", json!({ "contents": contents }));
        },
        runs: &[
            run(
                &["resources", "URL", TOKEN[0], TOKEN[1]],
                0,
                &["URI", "NAME", "DESCRIPTION", "MIME", "Templates"],
            ),
            run(
                &["resources", "URL", "x:y", TOKEN[0], TOKEN[1]],
                0,
                &["TEXT", "BLOB"],
            )
            .lines(),
        ],
    },
    Row {
        name: "prompts",
        spoil: |it, _| {
            let arguments = json!([{
                "name": hostile("ARGUMENT"),
                "title": hostile("ARGUMENT-TITLE"),
                "description": hostile("ARGUMENT-ABOUT"),
                "required": true,
            }]);
            let prompt = |name: &str, arguments: &Value| {
                json!({
                    "name": name,
                    "title": hostile("TITLE"),
                    "description": hostile("DESCRIPTION"),
                    "arguments": arguments,
                })
            };
            let prompts = [
                prompt(&hostile("PROMPT"), &arguments),
                prompt("strict", &arguments),
                prompt("plain", &json!([])),
            ];
            it.result("prompts/list", json!({ "prompts": prompts }));
            it.result(
                "prompts/get",
                json!({
                    "description": hostile("GOT"),
                    "messages": [{"role": "user", "content": {"type": "text", "text": hostile("TEXT")}}],
                }),
            );
        },
        runs: &[
            run(
                &["prompts", "URL", TOKEN[0], TOKEN[1]],
                0,
                &[
                    "PROMPT",
                    "TITLE",
                    "DESCRIPTION",
                    "ARGUMENT",
                    "ARGUMENT-ABOUT",
                ],
            ),
            run(
                &["prompts", "URL", "plain", TOKEN[0], TOKEN[1]],
                0,
                &["TEXT"],
            )
            .lines(),
            run(
                &["prompts", "URL", "strict", TOKEN[0], TOKEN[1]],
                2,
                &["ARGUMENT"],
            ),
            run(
                &["prompts", "URL", "none", TOKEN[0], TOKEN[1]],
                2,
                &["PROMPT"],
            ),
        ],
    },
];
