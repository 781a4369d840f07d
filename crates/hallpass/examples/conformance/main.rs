//! The host that the MCP conformance suite drives: `cargo xtask conformance`.
//!
//! It is `host.rs` with what a host reads from its configuration in the suite's [`context`], a
//! [`browser`] whose user agrees to everything in place of a window, and [`calls`] of each tool that
//! it finds. Which scenario it is in, it does not know.

mod browser;
mod calls;
mod context;

use std::sync::Arc;

use hallpass::{Hallpass, ServerUrl, store::MemoryStore};
use rmcp::service::{ClientServiceExt, ServiceError};

use browser::MyWindow;
use context::Context;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = Context::read()?;
    let server: ServerUrl = context.url.parse()?;

    let store = MemoryStore::default();
    let hallpass = Hallpass::builder(server.clone())
        .store(Arc::new(store))
        .interactive(Arc::new(MyWindow::new(server)?));
    let hallpass = context.settle(hallpass)?.build()?;

    let (host, lifecycle) = (calls::Agreeable(context.info()), context.lifecycle());
    let client = host
        .serve_with_lifecycle(hallpass.transport(), lifecycle)
        .await?;
    for tool in client.list_all_tools().await? {
        println!("{}", tool.name);
        for call in calls::to_make(&context.keys, &tool) {
            match client.call_tool(call).await {
                // What a tool has to complain about is not the host's end.
                Ok(_) | Err(ServiceError::McpError(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    client.cancel().await?;
    hallpass.close(std::time::Duration::from_secs(10)).await?;
    Ok(())
}
