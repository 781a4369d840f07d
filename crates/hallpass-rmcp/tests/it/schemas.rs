//! A tool's schemas come to the host as the server wrote them, whatever vocabulary they use.

use std::{collections::HashMap, sync::Arc};

use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage, ServerResult},
    transport::streamable_http_client::{StreamableHttpClient, StreamableHttpPostResponse},
};
use serde_json::{Value, json};

use crate::{
    answers::run,
    scripted_server::{Fixture, SERVER, json as answer},
};

/// What JSON Schema 2020-12 has beyond types and properties.
fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://mcp.example.com/schemas/send",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "address",
                "type": "object",
                "properties": { "street": { "type": "string" }, "zip": { "$ref": "#/$defs/zip" } }
            },
            "zip": { "type": "string", "pattern": "^[0-9]{5}$" }
        },
        "properties": {
            "to": { "$ref": "#address" },
            "items": { "prefixItems": [{ "type": "string" }], "items": false },
            "kind": { "const": "parcel", "x-of-its-own": { "deep": [1, 2.5, null] } }
        },
        "allOf": [{ "anyOf": [{ "required": ["to"] }, { "not": { "required": ["items"] } }] }],
        "if": { "properties": { "kind": { "const": "parcel" } } },
        "then": { "required": ["to"] },
        "else": { "dependentRequired": { "items": ["to"] } },
        "unevaluatedProperties": false,
        "additionalProperties": false
    })
}

#[test]
fn every_schema_keyword_is_kept() {
    let tool = json!({ "name": "send", "inputSchema": schema(), "outputSchema": schema() });
    let sent = json!({ "jsonrpc": "2.0", "id": 7, "result": { "tools": [tool] } });
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let list: ClientJsonRpcMessage = serde_json::from_value(list).unwrap();
    let got = run(async {
        let fixture = Fixture::signed_in([answer(200, &sent.to_string())]).await;
        let url = Arc::from(SERVER);
        let post = fixture
            .client
            .post_message(url, list, None, None, HashMap::new());
        post.await.unwrap()
    });
    let StreamableHttpPostResponse::Json(ServerJsonRpcMessage::Response(response), _) = got else {
        panic!("{got:?}");
    };
    let ServerResult::ListToolsResult(result) = response.result else {
        panic!("{:?}", response.result);
    };
    let tool = &result.tools[0];
    assert_eq!(Value::Object((*tool.input_schema).clone()), schema());
    let output = tool.output_schema.as_ref().unwrap();
    assert_eq!(Value::Object((**output).clone()), schema());
}
