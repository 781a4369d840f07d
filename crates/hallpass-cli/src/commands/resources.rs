//! `hallpass resources URL [URI]`

use std::path::PathBuf;

use clap::Args;
use rmcp::model::{ReadResourceRequestParams, Resource};
use serde_json::json;

use super::listing;
use crate::{
    client::{
        Connection,
        content::{self, Content},
    },
    exit::CommandError,
    output::Output,
    program::Program,
    server_options::Server,
};

/// List or read resources.
#[derive(Debug, Args)]
pub(crate) struct Resources {
    #[command(flatten)]
    pub(crate) server: Server,

    /// Read this resource.
    pub(crate) uri: Option<String>,

    /// Write the contents to this file or folder.
    #[arg(long, short, value_name = "PATH", requires = "uri")]
    pub(crate) output: Option<PathBuf>,
}

pub(super) async fn run(command: &Resources, program: &Program) -> Result<(), CommandError> {
    let connection = Connection::open(&command.server, program).await?;
    match &command.uri {
        Some(uri) => read(uri, command, connection, program).await,
        None => list(connection, &program.output).await,
    }
}

async fn list(connection: Connection<'_>, output: &Output) -> Result<(), CommandError> {
    let all = async {
        if !connection.has(|server| server.resources.is_some()) {
            return Ok((Vec::new(), Vec::new()));
        }
        let page = async |request| {
            let page = connection.peer().list_resources(request).await?;
            Ok((page.resources, page.next_cursor))
        };
        let resources = connection.all("asking for resources", page).await?;
        let page = async |request| {
            let page = connection.peer().list_resource_templates(request).await?;
            Ok((page.resource_templates, page.next_cursor))
        };
        let templates = connection.all("asking for templates", page).await?;
        Ok((resources, templates))
    };
    let all = Box::pin(all).await;
    let server = connection.server_ref().clone();
    let (resources, templates) = connection.finish(all).await?;
    for resource in &resources {
        listing::show(resource, output);
    }
    if !templates.is_empty() {
        output.line("\nTemplates: put values in place of what is in braces");
    }
    for template in &templates {
        listing::show(template, output);
    }
    let is_empty = resources.is_empty() && templates.is_empty();
    let one = server.line_with_words("resources", &["URI".to_owned()]);
    listing::end::<Resource>(is_empty, &one, "reads one", output);
    output.data_only(&json!({ "resources": resources, "templates": templates }));
    Ok(())
}

async fn read(
    uri: &str,
    command: &Resources,
    connection: Connection<'_>,
    program: &Program,
) -> Result<(), CommandError> {
    let request = ReadResourceRequestParams::new(uri);
    let what = format!("reading {uri}");
    let read = connection
        .wait(&what, Box::pin(connection.read(request)))
        .await;
    let read = connection.finish(read).await?;
    let pieces: Vec<_> = read.contents.iter().map(Content::from_resource).collect();
    let last = uri.trim_end_matches('/').rsplit('/').next().unwrap_or(uri);
    let stem = last.split('.').next().unwrap_or(last);
    let into = command.output.as_deref();
    let mut data = json!(read);
    content::show(&pieces, into, stem, &mut data, &program.output)?;
    program.output.data_only(&data);
    Ok(())
}
