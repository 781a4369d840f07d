//! `hallpass demo`: the whole way, against servers that run inside this program.
//!
//! Every request that is shown comes from the servers' own record, and every claim is checked
//! against it: a Hallpass that left `resource` out anywhere would end this command with an error.

mod request;
mod serve;
mod transcript;
mod visitor;
mod without_resource;

use std::sync::Arc;

use clap::Args;
use hallpass::{
    Hallpass, HttpClient, SignOut,
    http_client::{Client, HttpConfig},
    login::Interaction,
    store::{FileStore, KeyFile},
};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, Endpoint, McpServer,
    McpServerOptions,
};
use rmcp::{ServiceExt, model::CallToolRequestParams};
use serde_json::json;

use self::{transcript::Transcript, visitor::Visitor, without_resource::WithoutResource};
use crate::{
    client::{Listener, rmcp_error},
    exit::CommandError,
    program::{CLOSE_TIMEOUT, Program},
    terminal::Terminal,
};

/// Run the demonstration.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Sign in yourself, in a browser.
    #[arg(long)]
    pub(crate) browser: bool,

    /// Run two servers to try the other commands on, until Ctrl-C.
    #[arg(long, conflicts_with = "browser")]
    pub(crate) serve: bool,

    /// Leave `resource` out of refreshes, to see that the demonstration notices.
    #[arg(long, hide = true)]
    pub(crate) forget_resource_at_refresh: bool,
}

pub(super) async fn run(demo: &Demo, program: &Program) -> Result<(), CommandError> {
    if demo.browser && !program.environment.is_interactive() {
        return Err(CommandError::usage(
            "`--browser` can't be used with `--non-interactive`",
        ));
    }
    let issuer = AuthorizationServer::start(AuthorizationServerOptions {
        behaviour: Behaviour {
            interactive: demo.browser || demo.serve,
            ..Behaviour::default()
        },
        ..AuthorizationServerOptions::default()
    })
    .await?;
    if demo.serve {
        return serve::run(&issuer, program).await;
    }
    let server = McpServer::start(McpServerOptions::protected_by(&issuer)).await?;
    let user: Arc<dyn Interaction> = if demo.browser {
        Arc::new(Terminal::new(
            &program.environment,
            program.output.clone(),
            true,
        ))
    } else {
        Arc::new(Visitor)
    };
    let mut transcript = Transcript::new(
        program.output.clone(),
        issuer.recorder().clone(),
        server.resource(),
    );
    transcript.line(&format!(
        "Two servers run inside this program, on loopback:\n\
         \u{20} an authorization server  {}\n\
         \u{20} an MCP server            {}\n\
         The MCP server takes only tokens that were issued for itself (RFC 8707).\n\
         Hallpass is told the second URL and nothing else.",
        issuer.issuer(),
        server.url(),
    ));
    let http = if demo.forget_resource_at_refresh {
        Arc::new(WithoutResource {
            at: "refresh_token",
            client: http_client()?,
        })
    } else {
        http_client()?
    };
    the_whole_way(
        &issuer,
        &server,
        http,
        Arc::clone(&user),
        &mut transcript,
        program,
    )
    .await?;
    let http = Arc::new(WithoutResource {
        at: "authorization_code",
        client: http_client()?,
    });
    what_goes_wrong_elsewhere(&server, http, user, &mut transcript).await?;
    transcript.line(
        "\nThat is the difference one parameter makes. Try it on a server of yours:\n\
         \u{20} hallpass login https://…/mcp\n\
         or on one that stays here until you have seen enough:\n\
         \u{20} hallpass demo --serve",
    );
    program
        .output
        .data_only(&json!({ "steps": transcript.into_data() }));
    Ok(())
}

/// Sign-in, calls, the token's end, a refresh, sign-out.
async fn the_whole_way(
    issuer: &AuthorizationServer,
    server: &McpServer,
    http: Arc<dyn HttpClient>,
    user: Arc<dyn Interaction>,
    transcript: &mut Transcript,
    program: &Program,
) -> Result<(), CommandError> {
    let folder = tempfile::tempdir()?;
    let credentials = folder.path().join("credentials");
    let store = FileStore::open(&credentials, KeyFile::in_folder(&credentials)).await?;
    let hallpass = Hallpass::builder(server.url().parse().map_err(CommandError::usage)?)
        .http_client(http)
        .store(Arc::new(store))
        .interactive(user)
        .build()
        .map_err(CommandError::new)?;

    hallpass.login().await.map_err(CommandError::from)?;
    transcript.part(
        "The server is asked without a token, and says where its metadata is",
        &[Endpoint::Mcp],
    )?;
    transcript.part(
        "Its metadata names the resource and the authorization server, whose own comes next",
        &[Endpoint::ResourceMetadata, Endpoint::ServerMetadata],
    )?;
    transcript.part("Hallpass registers as a client", &[Endpoint::Registration])?;
    transcript.part(
        "The user signs in; the request carries the resource",
        &[Endpoint::Authorization],
    )?;
    transcript.part(
        "The code becomes tokens; the exchange carries the same resource",
        &[Endpoint::CodeExchange],
    )?;
    transcript.carries_resource(Endpoint::Authorization, 1)?;
    transcript.carries_resource(Endpoint::CodeExchange, 1)?;

    let client = Listener::new(program, &hallpass);
    let client = client.serve(hallpass.transport()).await;
    let client = client.map_err(rmcp_error::failed)?;
    let tools = client.list_all_tools().await.map_err(rmcp_error::failed)?;
    let sum = client
        .call_tool(add(2, 3))
        .await
        .map_err(rmcp_error::failed)?;
    transcript.rest("The credentials work: initialize, tools/list, tools/call")?;
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    transcript.check(
        names.contains(&"add") && text(&sum) == "5",
        &format!(
            "the server has the tools {}, and add(2, 3) is {}",
            names.join(", "),
            text(&sum)
        ),
    )?;

    issuer.expire_access_tokens();
    let sum = client.call_tool(add(20, 22)).await;
    transcript.rest(
        "The access token ends. The next call is refused, refreshed once with the same resource, \
         and repeated",
    )?;
    transcript.carries_resource(Endpoint::Refresh, 1)?;
    let sum = sum.map_err(rmcp_error::failed)?;
    transcript.check(
        text(&sum) == "42",
        &format!("the caller did not notice: add(20, 22) is {}", text(&sum)),
    )?;

    client.cancel().await.map_err(CommandError::new)?;
    transcript.drop_rest();
    let done = hallpass
        .logout(SignOut::default())
        .await
        .map_err(CommandError::from)?;
    transcript.rest("Signing out revokes the tokens at the server, and forgets them here")?;
    let signed_in = hallpass
        .record()
        .await?
        .is_some_and(|record| record.is_signed_in());
    transcript.check(
        !signed_in,
        &format!("signed out, {}", super::logout::lines(&done).join(", ")),
    )?;
    hallpass
        .close(CLOSE_TIMEOUT)
        .await
        .map_err(CommandError::from)?;
    Ok(())
}

/// The same login by a client that forgets one parameter.
async fn what_goes_wrong_elsewhere(
    server: &McpServer,
    http: Arc<dyn HttpClient>,
    user: Arc<dyn Interaction>,
    transcript: &mut Transcript,
) -> Result<(), CommandError> {
    transcript.line(
        "\nAnd this is why. The same login once more, by a client that leaves `resource` out of the \
         token exchange,\nas many do:",
    );
    let hallpass = Hallpass::builder(server.url().parse().map_err(CommandError::usage)?)
        .http_client(Arc::clone(&http))
        .interactive(user)
        .build()
        .map_err(CommandError::new)?;
    hallpass.login().await.map_err(CommandError::from)?;
    transcript.drop_all_but(Endpoint::CodeExchange);
    transcript.part("The login seems to work", &[Endpoint::CodeExchange])?;

    // This client never signs in again by itself: what it has is what it shows to the server.
    let token = hallpass
        .session()
        .token()
        .await
        .map_err(CommandError::from)?;
    let refused = without_resource::initialize_with(&*http, &token, server.url()).await?;
    transcript
        .rest("But the token is good for nothing: initialize answers 401, \"Auth required\"")?;
    transcript.check(
        refused,
        "the server refused a token that was issued a moment ago",
    )?;
    hallpass
        .close(CLOSE_TIMEOUT)
        .await
        .map_err(CommandError::from)?;
    Ok(())
}

fn http_client() -> Result<Arc<dyn HttpClient>, CommandError> {
    let client = Client::new(HttpConfig::default());
    Ok(Arc::new(client.map_err(CommandError::new)?))
}

fn add(a: i64, b: i64) -> CallToolRequestParams {
    let arguments = json!({ "a": a, "b": b })
        .as_object()
        .cloned()
        .unwrap_or_default();
    CallToolRequestParams::new("add").with_arguments(arguments)
}

fn text(result: &rmcp::model::CallToolResult) -> String {
    super::call::describe(result)
}
