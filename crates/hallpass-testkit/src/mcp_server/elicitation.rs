//! Elicitation: the tool `question` asks the user while it works on a call, or, without a handshake,
//! answers with the questions (SEP-2322) and gives its result when the call comes again with the
//! user's answers.

use std::collections::BTreeMap;

use rmcp::{
    ErrorData, RoleServer,
    handler::server::{
        tool::{InputResponses, RequestState},
        wrapper::Parameters,
    },
    model::{
        CallToolResponse, CallToolResult, ClientResult, ContentBlock, InputRequest,
        InputRequiredResult, ProtocolVersion, ServerRequest,
    },
    service::RequestContext,
    tool, tool_router,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::tools::Tools;

/// The state that comes back with the answers.
const STATE: &str = "what was asked";

/// What `question` takes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Question {
    /// Ask for a visit to this page instead of a form.
    url: Option<String>,
    /// Another way to ask.
    way: Option<Variant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Variant {
    /// Two questions at once.
    Twice,
    /// The same again, whatever is answered. Only without a handshake.
    Endless,
    /// Nothing the first time: the call is to come again. Only without a handshake.
    Later,
    /// A model, and no person.
    Model,
}

impl Question {
    /// The requests that are asked at once.
    fn requests(&self) -> Vec<Value> {
        let elicitation = |params| json!({ "method": "elicitation/create", "params": params });
        let form = |message| {
            elicitation(json!({
                "mode": "form",
                "message": message,
                "requestedSchema": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "title": "Name", "minLength": 2},
                        "age": {"type": "integer", "minimum": 0, "maximum": 150},
                        "plan": {"type": "string", "enum": ["free", "paid"], "default": "free"},
                        "news": {"type": "boolean", "description": "Whether to send news"},
                    },
                    "required": ["name", "age", "plan"],
                },
            }))
        };
        let model = || {
            let message = json!({"role": "user", "content": {"type": "text", "text": "Hello?"}});
            let params = json!({"messages": [message], "maxTokens": 1});
            json!({ "method": "sampling/createMessage", "params": params })
        };
        match (&self.url, self.way) {
            (Some(url), _) => vec![elicitation(json!({
                "mode": "url", "message": "Please sign the form.", "url": url, "elicitationId": "1",
            }))],
            (None, Some(Variant::Twice)) => vec![form("Who are you?"), form("And who else?")],
            (None, Some(Variant::Model)) => vec![model()],
            (None, _) => vec![form("Who are\u{1b}[31m you?")],
        }
    }
}

#[tool_router(router = questions, vis = "pub(super)")]
impl Tools {
    #[tool(description = "Asks the user something, and tells what they answered")]
    async fn question(
        &self,
        Parameters(question): Parameters<Question>,
        InputResponses(answers): InputResponses,
        RequestState(state): RequestState,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let version = context.protocol_version();
        let answers = if version.as_ref().is_none_or(ProtocolVersion::has_initialize) {
            elicit_in_call(question.requests(), &context).await?
        } else {
            let is_first = state.is_none();
            if state.is_some_and(|state| state != STATE) {
                return Err(ErrorData::invalid_params("another `requestState`", None));
            }
            let answered = || {
                answers
                    .into_iter()
                    .flat_map(BTreeMap::into_values)
                    .collect()
            };
            match question.way {
                Some(Variant::Later) if is_first => {
                    return Ok(InputRequiredResult::from_request_state(STATE).into());
                }
                Some(Variant::Later) => Vec::new(),
                Some(Variant::Endless) => return input_required(question.requests()),
                _ if is_first => return input_required(question.requests()),
                _ => answered(),
            }
        };
        let answers = answers.iter().map(Value::to_string);
        let answers = answers.map(ContentBlock::text).collect();
        Ok(CallToolResult::success(answers).into())
    }
}

/// Asks while the call is open.
async fn elicit_in_call(
    requests: Vec<Value>,
    context: &RequestContext<RoleServer>,
) -> Result<Vec<Value>, ErrorData> {
    let mut asked = JoinSet::new();
    for (at, request) in requests.into_iter().enumerate() {
        let request: ServerRequest = read(request)?;
        let peer = context.peer.clone();
        asked.spawn(async move { (at, peer.send_request(request).await) });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(at, _)| *at);
    let answers = answers.into_iter().map(|(_, answer)| match answer {
        Ok(ClientResult::ElicitResult(answer)) => Ok(json!(answer)),
        Ok(_) => Err(internal("another answer")),
        Err(error) => Err(internal(error)),
    });
    answers.collect()
}

fn input_required(requests: Vec<Value>) -> Result<CallToolResponse, ErrorData> {
    let named = requests.into_iter().enumerate().map(|(at, request)| {
        let request: InputRequest = read(request)?;
        Ok((format!("question {at}"), request))
    });
    let named = named.collect::<Result<_, ErrorData>>()?;
    Ok(InputRequiredResult::new(Some(named), Some(STATE.to_owned())).into())
}

fn read<T: DeserializeOwned>(request: Value) -> Result<T, ErrorData> {
    serde_json::from_value(request).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
