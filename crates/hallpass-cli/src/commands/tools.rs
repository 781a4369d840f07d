//! `hallpass tools URL [TOOL]`

use std::iter;

use clap::Args;
use rmcp::model::Tool;
use serde_json::{Map, Value, json};

use super::listing;
use crate::{
    client::{
        Connection,
        schema::{Properties, Property, shown},
    },
    exit::CommandError,
    output::{Output, Tone},
    program::Program,
    server_options::Server,
    server_ref::ServerRef,
    text,
};

/// List tools.
#[derive(Debug, Args)]
pub(crate) struct Tools {
    #[command(flatten)]
    pub(crate) server: Server,

    /// Show the details of this tool.
    pub(crate) tool: Option<String>,
}

pub(super) async fn run(command: &Tools, program: &Program) -> Result<(), CommandError> {
    let connection = Connection::open(&command.server, program).await?;
    let tools = all(&connection).await;
    let server = connection.server_ref().clone();
    let tools = connection.finish(tools).await?;
    let output = &program.output;
    if let Some(name) = &command.tool {
        let tool = listing::find(&tools, name)?;
        in_full(tool, &server, output);
        output.data_only(&json!({ "tool": tool }));
        return Ok(());
    }
    for tool in &tools {
        in_short(tool, output);
    }
    let one = server.line_with_words("tools", &["TOOL".to_owned()]);
    listing::end::<Tool>(tools.is_empty(), &one, "shows one in full", output);
    output.data_only(&json!({ "tools": tools }));
    Ok(())
}

/// All tools of a server; none where it says that it has none.
pub(super) async fn all(connection: &Connection<'_>) -> Result<Vec<Tool>, CommandError> {
    if !connection.has(|server| server.tools.is_some()) {
        return Ok(Vec::new());
    }
    let page = async |request| {
        let page = connection.peer().list_tools(request).await?;
        Ok((page.tools, page.next_cursor))
    };
    let tools = connection.all("asking for tools", page).await?;
    let names = tools.iter().map(|tool| (&*tool.name, arguments(tool)));
    connection.remember_tools(names);
    Ok(tools)
}

/// The names of a tool's arguments.
fn arguments(tool: &Tool) -> Vec<&str> {
    let properties = tool.input_schema.get("properties");
    let properties = properties.and_then(Value::as_object);
    let names = properties.into_iter().flat_map(Map::keys);
    names.map(String::as_str).collect()
}

/// The name, the first line of the description, and a line for each parameter.
fn in_short(tool: &Tool, output: &Output) {
    listing::show(tool, output);
    let parameters = Properties::from_schema(&tool.input_schema).known;
    for line in lines(&parameters, "    ", output) {
        output.line(&line);
    }
}

/// Everything that the server says about a tool.
fn in_full(tool: &Tool, server: &ServerRef, output: &Output) {
    let name = output.paint().tone(Tone::Name, &text::line(&tool.name));
    let title = tool
        .title
        .as_ref()
        .map(|title| format!(" - {}", text::line(title)));
    output.line(&format!("{name}{}", title.unwrap_or_default()));
    if let Some(description) = &tool.description {
        for paragraph in text::text(description).trim().lines() {
            let paragraph = text::wrap(paragraph, output.width(), 4);
            output.line(format!("    {paragraph}").trim_end());
        }
    }
    let parameters = Properties::from_schema(&tool.input_schema);
    if !parameters.known.is_empty() {
        output.line("\nTakes");
        fields(&parameters, 4, output);
    }
    if let Some(schema) = &tool.output_schema {
        output.line("\nGives");
        let given = Properties::from_schema(schema);
        if given.known.is_empty() {
            output.line("    object");
        }
        fields(&given, 4, output);
    }
    let says = annotations(tool);
    if !says.is_empty() {
        output.line(&format!("\nThe server says of it: {}", says.join(", ")));
    }
    let required = parameters.known.iter().filter(|property| property.required);
    let words = iter::once(text::word(&tool.name)).chain(required.map(Property::example));
    match words.collect::<Option<Vec<_>>>() {
        Some(words) => {
            let call = server.line_with_words("call", &words);
            output.line(&format!("\nCall it\n    {}", text::line(&call)));
        }
        None => output.line(
            "\nIts name or the name of an argument has control characters: no command line is shown",
        ),
    }
}

/// The fields of an object, and those of the objects in it.
fn fields(properties: &Properties, indent: usize, output: &Output) {
    let lead = " ".repeat(indent);
    for (property, line) in properties
        .known
        .iter()
        .zip(lines(&properties.known, &lead, output))
    {
        output.line(&line);
        // A hostile schema has no end.
        if let Some(inner) = property.schema.kind.fields().filter(|_| indent < 20) {
            fields(inner, indent + 4, output);
        }
    }
}

/// One line a field: name, kind, whether it has to be there, what it is for.
fn lines(properties: &[Property], lead: &str, output: &Output) -> Vec<String> {
    let widest = |of: &dyn Fn(&Property) -> String| {
        let widths = properties
            .iter()
            .map(|property| of(property).chars().count());
        widths.max().unwrap_or_default()
    };
    let name = |property: &Property| text::line(&property.name);
    let about = |property: &Property| {
        let mut about = text::line(&property.schema.kind.describe());
        if property.required {
            about.push_str(", required");
        }
        let default = property.schema.default.as_ref();
        let default = default.filter(|default| !default.is_null()).map(shown);
        if let Some(default) = default.filter(|default| !default.is_empty()) {
            about = format!("{about} [{}]", text::line(&default));
        }
        about
    };
    // A long list of choices must not push everything else away.
    let (names, abouts) = (widest(&name).min(24), widest(&about).min(32));
    let line = |property: &Property| {
        let description = property.schema.description.as_deref().unwrap_or_default();
        let description = text::line(description.lines().next().unwrap_or_default());
        let name = format!("{:<names$}", name(property));
        let name = output.paint().tone(Tone::Advice, &name);
        let indent = lead.len() + names + abouts + 4;
        let about = format!("{lead}{name}  {:<abouts$}", about(property));
        if output.width().is_some_and(|width| indent + 20 > width) {
            // No room beside it.
            let indent = lead.len() + 4;
            let description = text::wrap(&description, output.width(), indent);
            let below = format!("\n{}{description}", " ".repeat(indent));
            return format!("{}{below}", about.trim_end()).trim_end().to_owned();
        }
        let description = text::wrap(&description, output.width(), indent);
        format!("{about}  {description}").trim_end().to_owned()
    };
    properties.iter().map(line).collect()
}

/// What a server says about a tool. It may say anything.
fn annotations(tool: &Tool) -> Vec<&'static str> {
    let Some(says) = &tool.annotations else {
        return Vec::new();
    };
    let said = [
        (says.read_only_hint, "it only reads", "it changes things"),
        (says.destructive_hint, "it may destroy", "it only adds"),
        (
            says.idempotent_hint,
            "twice does no more than once",
            "twice does more than once",
        ),
        (
            says.open_world_hint,
            "it reaches out into the world",
            "it stays in its own world",
        ),
    ];
    let words = said
        .into_iter()
        .filter_map(|(hint, yes, no)| Some(if hint? { yes } else { no }));
    words.collect()
}
