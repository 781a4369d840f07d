//! What an MCP server can do besides plain tools: progress, a log, pictures, resources and prompts in
//! pages. For those who test what a client makes of it.

use rmcp::{
    ErrorData, RoleServer,
    handler::server::wrapper::Parameters,
    model::{
        CallToolResult, ContentBlock, GetPromptRequestParams, GetPromptResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, PaginatedRequestParams,
        ProgressNotificationParam, Prompt, PromptArgument, PromptMessage,
        ReadResourceRequestParams, ReadResourceResult, Resource, ResourceContents,
        ResourceTemplate, Role,
    },
    service::RequestContext,
    tool, tool_router,
};
use serde_json::json;

use super::tools::Tools;

/// A picture of one pixel (PNG), in base64.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

/// How many entries a page of a list has.
const PAGE: usize = 2;

/// What `steps` takes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Steps {
    /// How many steps to go.
    steps: u32,
    /// Whether to stay at the last one until the call is cancelled.
    stay: Option<bool>,
}

/// What `search` takes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema, serde::Serialize)]
struct Search {
    /// What to look for.
    query: String,
    /// How many to give.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
    /// Whether hidden ones count too.
    hidden: Option<bool>,
    /// Only these kinds.
    #[serde(default)]
    kinds: Vec<FileKind>,
    /// In which order.
    order: Option<Order>,
}

#[derive(Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum FileKind {
    File,
    Folder,
    Link,
}

/// An order.
#[derive(Debug, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
struct Order {
    /// The field to go by.
    by: String,
    /// From the greatest to the least.
    #[serde(default)]
    descending: bool,
}

fn ten() -> u32 {
    10
}

#[expect(clippy::unused_self, reason = "tools are methods of the handler")]
#[tool_router(router = everything, vis = "pub(super)")]
impl Tools {
    #[tool(description = "Goes some steps and tells of each\n\nFor those who like to watch.")]
    async fn steps(
        &self,
        Parameters(Steps { steps, stay }): Parameters<Steps>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let token = context.meta.get_progress_token();
        for step in 1..=steps {
            log(&context, &format!("step {step}")).await;
            if let Some(token) = &token {
                let progress = ProgressNotificationParam::new(token.clone(), f64::from(step))
                    .with_total(f64::from(steps))
                    .with_message(format!("walking\u{1b}[2J {step}"));
                let sent = context.peer.notify_progress(progress).await;
                sent.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            }
        }
        if stay == Some(true) {
            context.ct.cancelled().await;
        }
        Ok(format!("{steps} steps"))
    }

    #[tool(description = "Does not end before it is cancelled")]
    async fn wait(&self, context: RequestContext<RoleServer>) -> String {
        context.ct.cancelled().await;
        "cancelled".to_owned()
    }

    #[tool(description = "Gives a picture, a sound, a file and a link")]
    fn pictures(&self) -> CallToolResult {
        CallToolResult::success(vec![
            ContentBlock::text("a picture"),
            ContentBlock::image(PIXEL, "image/png"),
            ContentBlock::resource(ResourceContents::blob("aGk=", "test://files/sound")),
            ContentBlock::resource_link(Resource::new("test://files/a.txt", "a.txt")),
        ])
    }

    #[tool(description = "Gives facts in structure")]
    fn facts(&self) -> CallToolResult {
        let mut facts = CallToolResult::structured(json!({"answer": 42}));
        facts.content.clear();
        facts
    }

    #[tool(description = "Says what a terminal would obey")]
    fn rude(&self) -> String {
        "red \u{1b}[31malert\u{7}\r\nand\u{202e} back".to_owned()
    }

    #[tool(description = "Gives back what it was asked to look for")]
    fn search(&self, Parameters(search): Parameters<Search>) -> String {
        json!(search).to_string()
    }
}

#[expect(
    deprecated,
    reason = "the servers of today log so (SEP-2577 ends it later)"
)]
async fn log(context: &RequestContext<RoleServer>, text: &str) {
    use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
    let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
    // A client that went away needs no log.
    let _ = context.peer.notify_logging_message(message).await;
}

/// One page of `all`, and the cursor of the next.
fn page<T>(all: Vec<T>, request: Option<PaginatedRequestParams>) -> (Vec<T>, Option<String>) {
    let cursor = request.and_then(|request| request.cursor);
    let start: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let next = (start + PAGE < all.len()).then(|| (start + PAGE).to_string());
    (all.into_iter().skip(start).take(PAGE).collect(), next)
}

pub(super) fn resources(request: Option<PaginatedRequestParams>) -> ListResourcesResult {
    let all = vec![
        Resource::new("test://files/a.txt", "a.txt")
            .with_description("A text")
            .with_mime_type("text/plain"),
        Resource::new("test://files/pixel.png", "pixel.png").with_mime_type("image/png"),
        Resource::new("test://files/c.txt", "c.txt"),
    ];
    let (page, next) = page(all, request);
    let mut result = ListResourcesResult::with_all_items(page);
    result.next_cursor = next;
    result
}

pub(super) fn templates() -> ListResourceTemplatesResult {
    let template = ResourceTemplate::new("test://files/{name}", "a file");
    ListResourceTemplatesResult::with_all_items(vec![template])
}

pub(super) fn read(request: &ReadResourceRequestParams) -> Result<ReadResourceResult, ErrorData> {
    let uri = request.uri.as_str();
    let contents = match uri {
        "test://files/a.txt" => ResourceContents::text("the text of a\n", uri),
        "test://files/pixel.png" => ResourceContents::blob(PIXEL, uri).with_mime_type("image/png"),
        _ => return Err(ErrorData::resource_not_found("no such resource", None)),
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

pub(super) fn prompts(request: Option<PaginatedRequestParams>) -> ListPromptsResult {
    let name = PromptArgument::new("name")
        .with_description("Whom to greet")
        .with_required(true);
    let all = vec![
        Prompt::new(
            "greet",
            Some("Greets somebody"),
            Some(vec![name, PromptArgument::new("tone")]),
        ),
        Prompt::new("plain", None::<String>, None),
        Prompt::new("last", None::<String>, None),
    ];
    let (page, next) = page(all, request);
    let mut result = ListPromptsResult::with_all_items(page);
    result.next_cursor = next;
    result
}

pub(super) fn prompt(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != "greet" {
        return Err(ErrorData::invalid_params("no such prompt", None));
    }
    let arguments = request.arguments.as_ref();
    let name = arguments.and_then(|arguments| arguments.get("name")?.as_str());
    let name = name.ok_or_else(|| ErrorData::invalid_params("`name` is missing", None))?;
    Ok(GetPromptResult::new(vec![
        PromptMessage::new_text(Role::User, format!("Greet {name}.")),
        PromptMessage::new_text(Role::Assistant, "Gladly."),
    ]))
}
