//! The tools that the MCP server offers.

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::{
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    tool, tool_handler, tool_router,
};

use super::everything;

/// A handler with four tools: `add`, `echo`, `fail` and `ping`; with everything, it has more, and
/// resources and prompts as well.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    router: ToolRouter<Self>,
    everything: bool,
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
    pub(super) fn new(everything: bool) -> Self {
        let mut router = Self::router();
        if everything {
            router += Self::everything();
            router += Self::questions();
        }
        Self { router, everything }
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
        let plain = ServerCapabilities::builder().enable_tools();
        let capabilities = if self.everything {
            #[expect(
                deprecated,
                reason = "the servers of today log so (SEP-2577 ends it later)"
            )]
            let more = plain.enable_logging();
            more.enable_resources().enable_prompts().build()
        } else {
            plain.build()
        };
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(
                "hallpass-testkit",
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions("Adds numbers for those who hold a token for it.")
    }

    #[expect(
        deprecated,
        reason = "the servers of today log so (SEP-2577 ends it later)"
    )]
    async fn set_level(
        &self,
        _request: rmcp::model::SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(everything::resources(request))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(everything::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        everything::read(&request).map(Into::into)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(everything::prompts(request))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        everything::prompt(&request).map(Into::into)
    }
}
