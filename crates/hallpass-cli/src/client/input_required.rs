//! What a server needs before it answers, where there is no handshake (SEP-2322): it says so in the
//! place of an answer, and the same request goes again with what it asked for.

use std::time::Duration;

use hallpass::{Clock, SystemClock};
use rmcp::{
    model::{
        CallToolRequestParams, DEFAULT_MRTR_MAX_ROUNDS, InputRequest, InputRequiredResult,
        InputResponses,
    },
    service::ServiceError,
};
use serde_json::json;

use super::connection::Connection;
use crate::exit::{Code, CommandError};

/// So long a request waits that is to come again and was asked for nothing.
const PAUSE: Duration = Duration::from_millis(200);

/// How often one request has been sent.
#[derive(Debug, Default)]
pub(crate) struct InputRounds(usize);

impl InputRounds {
    /// Puts what the server needs into its next round.
    pub(crate) async fn next(
        &mut self,
        call: &mut CallToolRequestParams,
        needed: InputRequiredResult,
        connection: &Connection<'_>,
    ) -> Result<(), CommandError> {
        self.0 += 1;
        if self.0 == DEFAULT_MRTR_MAX_ROUNDS {
            let max_rounds = self.0;
            let error = ServiceError::InputRequiredRoundsExceeded { max_rounds };
            return Err(connection.failed(error));
        }
        let mut answers = InputResponses::new();
        for (name, request) in needed.input_requests.unwrap_or_default() {
            answers.insert(name, connection.input(request).await?);
        }
        if answers.is_empty() {
            SystemClock.sleep(PAUSE).await;
        }
        call.input_responses = (!answers.is_empty()).then_some(answers);
        call.request_state = needed.request_state;
        Ok(())
    }
}

impl Connection<'_> {
    async fn input(&self, request: InputRequest) -> Result<serde_json::Value, CommandError> {
        match request {
            InputRequest::Elicitation(request) => Ok(json!(self.elicit(request.params).await)),
            InputRequest::ListRoots(_) => Ok(json!({ "roots": [] })),
            other => {
                let method = json!(other)["method"].to_string();
                let method = method.trim_matches('"');
                let server = &self.key().server;
                let what = format!("{server} asks for what this program can't give: `{method}`");
                Err(CommandError::new(what)
                    .code(Code::Refused)
                    .hint("use it in a host that says that it can"))
            }
        }
    }
}
