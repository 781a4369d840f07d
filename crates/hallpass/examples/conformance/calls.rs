//! What a host does with a server besides signing in: which tools it calls with what, and how it
//! answers the server's questions.

use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        CallToolRequestParams, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
        JsonObject, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

/// The calls of a tool that a configuration asks for, else one of each.
pub(crate) fn to_make(keys: &Value, tool: &Tool) -> Vec<CallToolRequestParams> {
    let call = |arguments| CallToolRequestParams::new(tool.name.clone()).with_arguments(arguments);
    let Some(calls) = keys["toolCalls"].as_array() else {
        return vec![call(sample(&tool.input_schema))];
    };
    let of_the_tool = calls.iter().filter(|call| call["name"] == *tool.name);
    let arguments = of_the_tool.map(|call| call["arguments"].as_object().cloned());
    arguments.map(Option::unwrap_or_default).map(call).collect()
}
/// Something for each argument that a tool can't do without.
fn sample(schema: &JsonObject) -> JsonObject {
    let required = schema.get("required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    names
        .map(|name| (name.to_owned(), of_type(&schema["properties"][name])))
        .collect()
}

fn of_type(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("number" | "integer") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("text"),
    }
}

/// The host as the server sees it: a user who agrees to everything, and leaves each field of a
/// form as it was filled in.
pub(crate) struct Agreeable(pub(crate) ClientConfig);

impl ClientHandler for Agreeable {
    fn get_info(&self) -> ClientConfig {
        self.0.clone()
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let accepted = ElicitResult::new(ElicitationAction::Accept);
        let ElicitRequestParams::FormElicitationParams {
            requested_schema, ..
        } = request
        else {
            return Ok(accepted);
        };
        let schema = serde_json::to_value(requested_schema).unwrap_or_default();
        let fields = schema["properties"].as_object().into_iter().flatten();
        let content: JsonObject = fields
            .filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone())))
            .collect();
        Ok(accepted.with_content(Value::Object(content)))
    }
}
