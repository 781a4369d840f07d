//! What an MCP server says of itself, answers to a call, and refuses.

use serde_json::json;

use super::{IN_A_HEADER, Row, TOKEN, hostile, run};

pub(super) const TABLE: &[Row] = &[
    Row {
        name: "initialize",
        spoil: |it, _| {
            it.result(
                "initialize",
                json!({
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {
                        "name": hostile("NAME"),
                        "title": hostile("TITLE"),
                        "version": hostile("VERSION"),
                    },
                    "instructions": hostile("INSTRUCTIONS"),
                }),
            );
        },
        runs: &[
            run(
                &["-vv", "tools", "URL", TOKEN[0], TOKEN[1]],
                0,
                &["no tools", "NAME"],
            ),
            run(
                &["doctor", "URL", TOKEN[0], TOKEN[1]],
                0,
                &["NAME", "VERSION"],
            ),
        ],
    },
    Row {
        name: "a version of the protocol",
        spoil: |it, _| {
            it.result(
                "initialize",
                json!({
                    "protocolVersion": hostile("PROTOCOL"),
                    "capabilities": {},
                    "serverInfo": {"name": "plain", "version": "1"},
                }),
            );
        },
        runs: &[
            run(&["tools", "URL", TOKEN[0], TOKEN[1]], 0, &[]),
            run(&["doctor", "URL", TOKEN[0], TOKEN[1]], 0, &["PROTOCOL"]),
        ],
    },
    Row {
        name: "an error of initialize",
        spoil: |it, _| {
            let error = json!({
                "code": -32000,
                "message": hostile("MESSAGE"),
                "data": {hostile("KEY"): hostile("DATA")},
            });
            it.methods.insert("initialize", json!({ "error": error }));
        },
        runs: &[
            run(&["tools", "URL", TOKEN[0], TOKEN[1]], 1, &["MESSAGE"]),
            run(&["doctor", "URL", TOKEN[0], TOKEN[1]], 1, &["MESSAGE"]),
        ],
    },
    Row {
        name: "what a tool answers",
        spoil: |it, _| {
            it.result(
                "tools/list",
                json!({ "tools": [{"name": "t", "inputSchema": {}}] }),
            );
            it.result(
                "tools/call",
                json!({
                    "content": [
                        {"type": "text", "text": hostile("TEXT")},
                        {"type": "image", "data": "", "mimeType": hostile("MIME")},
                        {"type": "image", "data": "\u{1b}", "mimeType": hostile("NO-BASE64")},
                        {"type": "resource_link", "uri": hostile("LINK"), "name": hostile("LINK-NAME"), "mimeType": hostile("LINK-MIME")},
                        {"type": "resource", "resource": {"uri": hostile("URI"), "text": hostile("RESOURCE"), "mimeType": hostile("M")}},
                    ],
                }),
            );
            it.meanwhile = vec![
                json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {
                    "level": "info", "logger": hostile("LOGGER"), "data": hostile("LOG"),
                }}),
                json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {
                    "level": "info", "data": {hostile("LOG-KEY"): hostile("LOG-VALUE")},
                }}),
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {
                    "progressToken": "", "progress": 1, "message": hostile("PROGRESS"),
                }}),
            ];
        },
        runs: &[run(
            &["-v", "call", "URL", "t", TOKEN[0], TOKEN[1]],
            0,
            &[
                "TEXT",
                "MIME",
                "NO-BASE64",
                "LINK",
                "LINK-NAME",
                "LINK-MIME",
                "RESOURCE",
                "LOGGER",
                "LOG",
                "LOG-KEY",
                "LOG-VALUE",
                "PROGRESS",
            ],
        )
        .lines()],
    },
    Row {
        name: "an answer in structure, and an error",
        spoil: |it, _| {
            let structured = json!({hostile("KEY"): hostile("VALUE")});
            let result = json!({"content": [], "structuredContent": structured, "isError": true});
            it.result("tools/call", result);
        },
        runs: &[run(
            &["call", "URL", "t", "--no-validate", TOKEN[0], TOKEN[1]],
            4,
            &["KEY", "VALUE"],
        )],
    },
    Row {
        name: "an error of a call",
        spoil: |it, _| {
            let error = json!({
                "code": -32000,
                "message": hostile("MESSAGE"),
                "data": hostile("DATA"),
            });
            it.methods.insert("tools/call", json!({ "error": error }));
        },
        runs: &[run(
            &["call", "URL", "t", "--no-validate", TOKEN[0], TOKEN[1]],
            1,
            &["MESSAGE"],
        )],
    },
    Row {
        name: "an error of HTTP",
        spoil: |it, _| {
            it.answer(
                "/mcp",
                &format!("500 (REASON){IN_A_HEADER}"),
                &hostile("BODY"),
            );
        },
        runs: &[
            run(&["tools", "URL", TOKEN[0], TOKEN[1]], 5, &["500"]),
            run(&["doctor", "URL", TOKEN[0], TOKEN[1]], 5, &["500"]),
        ],
    },
];
