//! `hallpass prompts URL [PROMPT key=value …]`

use clap::Args;
use rmcp::model::{GetPromptRequestParams, Prompt, Role};
use serde_json::{Map, Value, json};

use super::listing;
use crate::{
    client::{
        Connection,
        content::{self, Content},
    },
    exit::CommandError,
    output::{Output, Tone},
    program::Program,
    server_options::Server,
    server_ref::ServerRef,
    text,
};

/// List or get prompts.
#[derive(Debug, Args)]
pub(crate) struct Prompts {
    #[command(flatten)]
    pub(crate) server: Server,

    /// Get this prompt.
    pub(crate) prompt: Option<String>,

    /// The arguments of the prompt: `key=value`.
    #[arg(value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
}

pub(super) async fn run(command: &Prompts, program: &Program) -> Result<(), CommandError> {
    let pairs = command.arguments.iter().map(|word| pair(word));
    let given = pairs.collect::<Result<Map<_, _>, _>>()?;
    let connection = Connection::open(&command.server, program).await?;
    let server = connection.server_ref().clone();
    let Some(name) = &command.prompt else {
        let all = all(&connection).await;
        let prompts = connection.finish(all).await?;
        list(&prompts, &server, &program.output);
        return Ok(());
    };
    let got = async {
        let prompts = all(&connection).await?;
        let prompt = listing::find(&prompts, name)?;
        check(prompt, &given)?;
        let request = GetPromptRequestParams::new(name.clone()).with_arguments(given);
        let what = format!("asking for `{name}`");
        connection
            .wait(&what, Box::pin(connection.prompt(request)))
            .await
    };
    let got = Box::pin(got).await;
    let got = connection.finish(got).await?;
    let output = &program.output;
    for message in &got.messages {
        let role = match message.role {
            Role::User => "user:",
            Role::Assistant => "assistant:",
        };
        output.line(&output.paint().tone(Tone::Name, role));
        content::print(&[Content::from_block(&message.content)], false, output);
    }
    output.data_only(&json!(got));
    Ok(())
}

async fn all(connection: &Connection<'_>) -> Result<Vec<Prompt>, CommandError> {
    if !connection.has(|server| server.prompts.is_some()) {
        return Ok(Vec::new());
    }
    let page = async |request| {
        let page = connection.peer().list_prompts(request).await?;
        Ok((page.prompts, page.next_cursor))
    };
    connection.all("asking for prompts", page).await
}

fn list(prompts: &[Prompt], server: &ServerRef, output: &Output) {
    for prompt in prompts {
        listing::show(prompt, output);
        for argument in prompt.arguments.iter().flatten() {
            let name = output
                .paint()
                .tone(Tone::Advice, &text::line(&argument.name));
            let required = match argument.required {
                Some(true) => "required",
                _ => "may be left out",
            };
            let description = text::line(argument.description.as_deref().unwrap_or_default());
            output.line(format!("    {name}  {required}  {description}").trim_end());
        }
    }
    let one = server.line_with_words("prompts", &["PROMPT key=value".to_owned()]);
    listing::end::<Prompt>(prompts.is_empty(), &one, "gets one", output);
    output.data_only(&json!({ "prompts": prompts }));
}

/// Whether the prompt asks for what was given, and was given what it asks for.
fn check(prompt: &Prompt, given: &Map<String, Value>) -> Result<(), CommandError> {
    let arguments = prompt.arguments.as_deref().unwrap_or_default();
    let names = || arguments.iter().map(|argument| argument.name.as_str());
    if let Some(unknown) = given.keys().find(|key| !names().any(|name| name == *key)) {
        let failed = CommandError::usage(format!("`{}` takes no `{unknown}`", prompt.name));
        return Err(match text::nearest(unknown, names()) {
            Some(near) => failed.hint(format!("did you mean `{near}`?")),
            None if arguments.is_empty() => failed.hint("it takes nothing"),
            None => failed.hint(format!(
                "it takes {}",
                names().collect::<Vec<_>>().join(", ")
            )),
        });
    }
    let is_missing = |name: &str| !given.contains_key(name);
    let missing = arguments
        .iter()
        .find(|argument| argument.required == Some(true) && is_missing(&argument.name));
    match missing {
        Some(argument) => {
            let name = &argument.name;
            let failed = CommandError::usage(format!("`{}` needs `{name}`", prompt.name));
            Err(match text::word(name) {
                Some(word) => failed.hint(format!("add {word}=TEXT")),
                None => failed,
            })
        }
        None => Ok(()),
    }
}

fn pair(word: &str) -> Result<(String, Value), CommandError> {
    match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.into())),
        _ => Err(
            CommandError::usage(format!("`{word}` is not an argument of a prompt"))
                .hint("expected `key=value`"),
        ),
    }
}
