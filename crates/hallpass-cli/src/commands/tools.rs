//! `hallpass tools URL`

use serde_json::json;

use super::call::{Connection, connect};
use crate::{arguments::Server, exit::Failed, program::Program};

pub(super) async fn run(server: &Server, program: &Program) -> Result<(), Failed> {
    let Connection { setup, client } = connect(server, program).await?;
    let tools = client.list_all_tools().await;
    let tools = super::call::finish(&setup, client, tools).await?;
    for tool in &tools {
        let description = tool.description.as_deref().unwrap_or_default();
        let first = description.lines().next().unwrap_or_default();
        program
            .output
            .line(&printable(&format!("{:<24} {first}", tool.name)));
    }
    program.output.data_only(&json!({ "tools": tools }));
    Ok(())
}

/// Server-chosen words without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .collect()
}
