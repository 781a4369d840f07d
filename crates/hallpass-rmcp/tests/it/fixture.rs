//! A resource-bound server, its authorization server, and a host with rmcp's service on the transport.

use std::{sync::Arc, time::Duration};

use hallpass_core::{CredentialKey, ServerSettings, ServerUrl};
use hallpass_http::HttpConfig;
use hallpass_rmcp::{Client, transport};
use hallpass_session::Session;
use hallpass_store::MemoryStore;
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, Endpoint, FakeClock, McpServer,
    McpServerOptions, RecordedRequest,
};
use rmcp::{
    Peer, RoleClient, ServiceExt,
    model::CallToolRequestParams,
    service::{RunningService, ServiceError},
};
use serde_json::json;

use crate::authorizer::CodeGrant;

/// Both servers, and a host.
pub(crate) struct Fixture {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    pub(crate) clock: FakeClock,
    pub(crate) authorizer: Arc<CodeGrant>,
    pub(crate) client: Client,
    pub(crate) url: ServerUrl,
}

pub(crate) type Service = RunningService<RoleClient, ()>;

pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

impl Fixture {
    pub(crate) async fn new(change: impl FnOnce(&mut McpServerOptions)) -> Self {
        Self::with_authorizer(change, true).await
    }

    pub(crate) async fn with_authorizer(
        change: impl FnOnce(&mut McpServerOptions),
        has_one: bool,
    ) -> Self {
        let clock = FakeClock::default();
        let issuer = AuthorizationServer::start(AuthorizationServerOptions {
            clock: Some(Arc::new(clock.clone())),
            behaviour: Behaviour {
                access_token_lifetime: LIFETIME,
                refresh_unasked: true,
                ..Behaviour::default()
            },
            clients: vec![CodeGrant::client()],
            ..AuthorizationServerOptions::default()
        });
        let issuer = issuer.await.unwrap();
        let mut options = McpServerOptions::protected_by(&issuer);
        change(&mut options);
        let server = McpServer::start(options).await.unwrap();
        let url = ServerUrl::parse(&server.url()).unwrap();
        let http = hallpass_http::Client::new(HttpConfig::default());
        let http = Arc::new(http.unwrap());
        let authorizer = Arc::new(CodeGrant::new(http.clone(), clock.clone()));
        let key = CredentialKey::new(url.clone());
        let store = Arc::new(MemoryStore::new());
        let mut session = Session::builder(key, ServerSettings::default(), store, http.clone())
            .clock(Arc::new(clock.clone()));
        if has_one {
            session = session.authorizer(authorizer.clone());
        }
        Self {
            issuer,
            server,
            clock,
            authorizer,
            client: Client::new(session.build().unwrap(), http),
            url,
        }
    }

    pub(crate) async fn serve(&self) -> Service {
        let transport = transport(self.client.clone(), &self.url);
        ().serve(transport).await.unwrap()
    }

    /// The MCP requests: what was asked, with a token or not, and the status.
    pub(crate) fn asked(&self) -> Vec<String> {
        let requests = self.server.requests();
        let mcp = requests.iter().filter(|it| it.is_to(Endpoint::Mcp));
        mcp.filter(|request| request.method != "GET")
            .map(|request| {
                let what = request.rpc_method().unwrap_or(&request.method);
                let token = request.header("authorization").is_some();
                let status = request.status().unwrap_or_default();
                format!("{what} {} {status}", if token { "+" } else { "-" })
            })
            .collect()
    }

    /// Ends the life of every access token, some time after it was issued; the host can't know.
    pub(crate) fn revoke(&self) {
        self.clock.advance(LIFETIME / 4);
        self.issuer.expire_access_tokens();
    }

    pub(crate) fn refreshes(&self) -> Vec<RecordedRequest> {
        self.issuer.requests_to(Endpoint::Refresh)
    }
}

pub(crate) async fn add(
    service: &Peer<RoleClient>,
    a: i64,
    b: i64,
) -> Result<String, ServiceError> {
    let arguments = json!({ "a": a, "b": b });
    let arguments = arguments.as_object().cloned().unwrap();
    let call = CallToolRequestParams::new("add").with_arguments(arguments);
    let result = service.call_tool(call).await?;
    let text = result.content.first().and_then(|content| content.as_text());
    Ok(text.unwrap().text.clone())
}
