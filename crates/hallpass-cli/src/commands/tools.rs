//! `hallpass tools URL`

use serde_json::json;

use super::call::{Connection, connect};
use crate::{
    arguments::{Arguments, Server},
    environment::Environment,
    exit::Failed,
    output::Output,
};

pub(super) async fn run(
    server: &Server,
    arguments: &Arguments,
    environment: &Environment,
    output: &Output,
) -> Result<(), Failed> {
    let Connection { setup, client } = connect(server, arguments, environment).await?;
    let tools = client.list_all_tools().await;
    let tools = super::call::finish(&setup, client, tools).await?;
    for tool in &tools {
        let description = tool.description.as_deref().unwrap_or_default();
        let first = description.lines().next().unwrap_or_default();
        output.line(&format!("{:<24} {first}", tool.name));
    }
    output.data_only(&json!({ "tools": tools }));
    Ok(())
}
