//! What an MCP server asks a user.

use serde_json::json;

use super::{Row, TOKEN, hostile, run, schema};

pub(super) const TABLE: &[Row] = &[
    Row {
        name: "a form",
        spoil: |it, _| {
            it.meanwhile = vec![json!({
                "jsonrpc": "2.0", "id": "e", "method": "elicitation/create",
                "params": {"message": hostile("QUESTION"), "requestedSchema": schema()},
            })];
        },
        runs: &[
            run(
                &[
                    "call",
                    "URL",
                    "t",
                    "--no-validate",
                    TOKEN[0],
                    TOKEN[1],
                    "--non-interactive",
                ],
                0,
                &["QUESTION"],
            ),
            run(
                &["call", "URL", "t", "--no-validate", TOKEN[0], TOKEN[1]],
                0,
                &[
                    "QUESTION",
                    "TITLE",
                    "ABOUT",
                    "DEFAULT",
                    "VALUE",
                    "VALUE-TITLE",
                    "ONE",
                    "\"(PROPERTY)\\u009b2J",
                ],
            )
            .types(&[
                ("]0;t", "x"),
                ("CHOICE", "plain"),
                ("ENUM", ""),
                ("send this? ", "yes"),
            ]),
        ],
    },
    Row {
        name: "a page to visit",
        spoil: |it, _| {
            it.meanwhile = vec![json!({
                "jsonrpc": "2.0", "id": "e", "method": "elicitation/create",
                "params": {
                    "mode": "url",
                    "message": hostile("QUESTION"),
                    "elicitationId": hostile("ID"),
                    "url": format!("https://sign.example/{}", hostile("PAGE")),
                },
            })];
        },
        runs: &[
            run(
                &[
                    "call",
                    "URL",
                    "t",
                    "--no-validate",
                    TOKEN[0],
                    TOKEN[1],
                    "--non-interactive",
                ],
                0,
                &["QUESTION", "(PAGE)%"],
            ),
            run(
                &["call", "URL", "t", "--no-validate", TOKEN[0], TOKEN[1]],
                0,
                &["QUESTION", "(PAGE)%"],
            )
            .types(&[("go on? ", "no")]),
        ],
    },
    Row {
        name: "a question that can't be answered",
        spoil: |it, _| {
            it.meanwhile = vec![json!({
                "jsonrpc": "2.0", "id": "e", "method": hostile("METHOD"),
                "params": {"x": hostile("PARAMETER")},
            })];
        },
        runs: &[run(
            &[
                "-vv",
                "call",
                "URL",
                "t",
                "--no-validate",
                TOKEN[0],
                TOKEN[1],
            ],
            0,
            &[],
        )],
    },
];
