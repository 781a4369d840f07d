//! `hallpass tools URL`

use serde_json::json;

use super::call::{Connection, connect};
use crate::{arguments::Server, exit::Failed, output::Tone, program::Program, words};

pub(super) async fn run(server: &Server, program: &Program) -> Result<(), Failed> {
    let Connection { setup, client } = connect(server, program).await?;
    let tools = client.list_all_tools().await;
    let tools = super::call::finish(&setup, client, tools).await?;
    for tool in &tools {
        let description = tool.description.as_deref().unwrap_or_default();
        let first = description.lines().next().unwrap_or_default();
        let name = format!("{:<24}", words::line(&tool.name));
        let name = program.output.paint().tone(Tone::Name, &name);
        program
            .output
            .line(&format!("{name} {}", words::line(first)));
    }
    program.output.data_only(&json!({ "tools": tools }));
    Ok(())
}
