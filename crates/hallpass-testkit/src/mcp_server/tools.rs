//! The tools that the MCP server offers.

use rmcp::{
    ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::{Implementation, ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
};

/// A handler with four tools: `add`, `echo`, `fail` and `ping`.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    router: ToolRouter<Self>,
}

/// What `add` takes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Addends {
    /// The first addend.
    a: i64,
    /// The second addend.
    b: i64,
}

/// What `echo` takes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Words {
    /// What to say back.
    text: String,
}

#[expect(clippy::unused_self, reason = "tools are methods of the handler")]
#[tool_router(router = router)]
impl Tools {
    pub(super) fn new() -> Self {
        Self {
            router: Self::router(),
        }
    }

    #[tool(description = "Adds two whole numbers")]
    fn add(&self, Parameters(Addends { a, b }): Parameters<Addends>) -> String {
        a.saturating_add(b).to_string()
    }

    #[tool(description = "Says the same back")]
    fn echo(&self, Parameters(Words { text }): Parameters<Words>) -> String {
        text
    }

    #[tool(description = "Always reports an error")]
    fn fail(&self) -> Result<String, String> {
        Err("this tool always fails".to_owned())
    }

    #[tool(description = "Says pong")]
    fn ping(&self) -> String {
        "pong".to_owned()
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(
                "hallpass-testkit",
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions("Adds numbers for those who hold a token for it.")
    }
}
