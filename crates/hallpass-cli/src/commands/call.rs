//! `hallpass call URL TOOL key=value …`

mod input;

use std::path::PathBuf;

use clap::Args;
use hallpass::ServerUrl;
use rmcp::{
    model::{CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, ServerResult},
    service::{PeerRequestOptions, ServiceError},
};
use serde_json::{Map, Value, json};

use self::input::Word;
use super::{listing, tools};
use crate::{
    client::{
        Connection, InputRounds,
        content::{self, Content},
        schema::{Properties, SchemaError},
    },
    config::Config,
    exit::{Code, CommandError},
    program::Program,
    server_options::Server,
    text,
};

/// Call a tool.
#[derive(Debug, Args)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) server: Server,

    /// The tool's name, as listed by `hallpass tools`.
    pub(crate) tool: String,

    /// The arguments: `key=value` (converted to the type in the tool's schema), `key:=JSON`, a JSON
    /// object, `@FILE` with a JSON object, or `@-` for standard input.
    #[arg(value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,

    /// Write images, audio and files in the result to this file or folder.
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,

    /// Send the arguments without checking them against the tool's schema.
    #[arg(long)]
    pub(crate) no_validate: bool,
}

pub(super) async fn run(call: &Call, program: &Program) -> Result<(), CommandError> {
    check_order(call, program)?;
    let words = call.arguments.iter().map(|word| Word::read(word));
    let words = words.collect::<Result<Vec<_>, _>>()?;
    let connection = Connection::open(&call.server, program).await?;
    let answer = Box::pin(answer(call, &words, &connection, program)).await;
    let answer = connection.finish(answer).await?;

    let mut pieces: Vec<_> = answer.content.iter().map(Content::from_block).collect();
    if let Some(structured) = &answer.structured_content
        && !pieces.iter().any(|piece| matches!(piece, Content::Text(_)))
    {
        pieces.push(Content::Text(format!("{structured:#}")));
    }
    let into = call.output.as_deref();
    let mut data = json!(answer);
    content::show(&pieces, into, &call.tool, &mut data, &program.output)?;
    if answer.is_error == Some(true) {
        let tool = text::line(&call.tool);
        let failed = CommandError::new(format!("the tool `{tool}` reports an error"));
        return Err(failed.code(Code::Refused).data(data));
    }
    program.output.data_only(&data);
    Ok(())
}

/// Refuses a call whose tool stands before its server.
fn check_order(call: &Call, program: &Program) -> Result<(), CommandError> {
    let (first, second) = (&call.server.url, &call.tool);
    if first.contains("://") {
        return Ok(());
    }
    let config = Config::read(program)?;
    let is_server =
        |word: &str| config.servers().contains_key(word) || ServerUrl::parse(word).is_ok();
    if is_server(first) || !is_server(second) {
        return Ok(());
    }
    let failed = CommandError::usage(format!("`{first}` is not a server, and `{second}` is one"));
    Err(failed.hint(format!(
        "the server comes first: hallpass call {second} {first}"
    )))
}

async fn answer(
    call: &Call,
    words: &[Word],
    connection: &Connection<'_>,
    program: &Program,
) -> Result<CallToolResult, CommandError> {
    let asked = if call.no_validate {
        None
    } else {
        let tools = tools::all(connection).await?;
        Some(Properties::from_schema(
            &listing::find(&tools, &call.tool)?.input_schema,
        ))
    };
    let arguments = input::arguments(words, asked.as_ref())
        .map_err(|wrong| refused(call, wrong, connection))?;
    send(call, arguments, connection, program).await
}

/// Sends the call, again with what the server needs for it until it answers.
async fn send(
    call: &Call,
    arguments: Map<String, Value>,
    connection: &Connection<'_>,
    program: &Program,
) -> Result<CallToolResult, CommandError> {
    let mut params = CallToolRequestParams::new(call.tool.clone()).with_arguments(arguments);
    let mut rounds = InputRounds::default();
    // Said before the server can tell how far it is.
    let what = format!("waiting for `{}` at {}", call.tool, connection.key().server);
    program.output.now_waiting(&what);
    loop {
        match send_once(params.clone(), connection, program).await? {
            ServerResult::CallToolResult(result) => return Ok(result),
            // An answer without `content` is one without anything to show.
            ServerResult::EmptyResult(_) => return Ok(CallToolResult::default()),
            ServerResult::InputRequiredResult(needed) => tokio::select! {
                next = rounds.next(&mut params, needed, connection) => next?,
                stopped = program.stopping() => return Err(stopped),
            },
            _ => return Err(connection.failed(ServiceError::UnexpectedResponse)),
        }
    }
}

/// A program that has to stop meanwhile tells the server so.
async fn send_once(
    params: CallToolRequestParams,
    connection: &Connection<'_>,
    program: &Program,
) -> Result<ServerResult, CommandError> {
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let options = PeerRequestOptions::no_options();
    let sent = connection.peer().send_cancellable_request(request, options);
    let mut sent = sent.await.map_err(|error| connection.failed(error))?;
    let answer = async {
        (&mut sent.rx)
            .await
            .map_err(|_| ServiceError::TransportClosed)?
    };
    tokio::select! {
        answer = program.output.while_still_waiting(answer) => {
            answer.map_err(|error| connection.failed(error))
        }
        stopped = program.stopping() => {
            let told = sent.cancel(Some("the user who asked for it stopped it".to_owned()));
            if let Err(error) = told.await {
                tracing::debug!(%error, "the server could not be told of the cancellation");
            }
            Err(stopped)
        }
    }
}

fn refused(call: &Call, wrong: SchemaError, connection: &Connection<'_>) -> CommandError {
    let hint = wrong.hint().map(str::to_owned);
    let failed =
        CommandError::usage(format!("invalid arguments for `{}`", call.tool)).context(wrong);
    let failed = hint.into_iter().fold(failed, CommandError::hint);
    let unchecked = "`--no-validate` sends them unchecked";
    failed.hint(match text::word(&call.tool) {
        Some(tool) => {
            let line = connection.server_ref().line_with_words("tools", &[tool]);
            format!("`{line}` shows its arguments; {unchecked}")
        }
        None => unchecked.to_owned(),
    })
}

/// What a tool answered: its texts, else the JSON.
pub(super) fn describe(answer: &CallToolResult) -> String {
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
