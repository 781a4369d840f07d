//! `hallpass call URL TOOL '{"json": 1}'`

use clap::Args;
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult, JsonObject},
    service::{RunningService, ServiceError},
};
use serde_json::json;

use crate::{
    arguments::Server,
    exit::{Code, Failed},
    program::Program,
    setup::{Options, Setup},
    through_rmcp,
};

/// A server that answered `initialize`.
pub(super) struct Connection {
    pub(super) setup: Setup,
    pub(super) client: RunningService<RoleClient, ()>,
}

/// Call a tool.
#[derive(Debug, Args)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) server: Server,

    /// The tool's name.
    pub(crate) tool: String,

    /// Its arguments as a JSON object.
    #[arg(default_value = "{}")]
    pub(crate) arguments: String,
}

pub(super) async fn run(call: &Call, program: &Program) -> Result<(), Failed> {
    let input: JsonObject = serde_json::from_str(&call.arguments).map_err(|error| {
        Failed::usage(error).hint("the tool's arguments are one JSON object, such as '{\"a\": 1}'")
    })?;
    let Connection { setup, client } = connect(&call.server, program).await?;
    let request = CallToolRequestParams::new(call.tool.clone()).with_arguments(input);
    let answer = client.call_tool(request).await;
    let answer = finish(&setup, client, answer).await?;
    if answer.is_error == Some(true) {
        program.output.line(&in_words(&answer));
        let failed = Failed::new(format!("the tool `{}` reports an error", call.tool));
        return Err(failed.code(Code::Refused).answer(json!(answer)));
    }
    program.output.result(&in_words(&answer), &json!(answer));
    Ok(())
}

/// Connects with the credentials that are there; signs nobody in.
pub(super) async fn connect(server: &Server, program: &Program) -> Result<Connection, Failed> {
    let setup = Setup::new(program, server, Options::Remembered, None).await?;
    let waiting = format!("waiting for {}", setup.hallpass.slot().server);
    let served = Box::pin(().serve(setup.hallpass.transport()));
    match program.output.while_waiting(&waiting, served).await {
        Ok(client) => Ok(Connection { setup, client }),
        Err(error) => Err(super::with_login_line(
            through_rmcp::failed(error),
            &setup.hallpass,
        )),
    }
}

/// Ends the connection in good order, whatever came of the call.
pub(super) async fn finish<T>(
    setup: &Setup,
    client: RunningService<RoleClient, ()>,
    outcome: Result<T, ServiceError>,
) -> Result<T, Failed> {
    // The answer is there already: how the connection ends changes nothing about it.
    let _ = client.cancel().await;
    outcome.map_err(|error| super::with_login_line(through_rmcp::failed(error), &setup.hallpass))
}

/// What a tool answered: its texts, else the JSON.
pub(super) fn in_words(answer: &CallToolResult) -> String {
    let texts = answer
        .content
        .iter()
        .filter_map(|content| Some(content.as_text()?.text.as_str()));
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() {
        json!(answer).to_string()
    } else {
        texts.join("\n")
    }
}
