//! Two servers, and a host that keeps rmcp's own manager.

use std::{path::PathBuf, sync::Arc};

use hallpass_core::{CredentialKey, CredentialStore, HttpClient, ServerUrl};
use hallpass_http::{Client, HttpConfig, Origin};
use hallpass_rmcp_bridge::Bridge;
use hallpass_store::{FileStore, KeyFile};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Endpoint, McpServer, McpServerOptions, Person,
    RecordedRequest,
};
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
    transport::{
        StreamableHttpClientTransport,
        auth::{
            AuthClient, AuthError, AuthorizationManager, AuthorizationRequest, AuthorizationSession,
        },
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

pub(crate) const CALLBACK: &str = "http://127.0.0.1:47110/callback";

pub(crate) struct Fixture {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    pub(crate) person: Person,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) host: Host,
}

/// What a host knows: the server, and the folder that it shares with all hosts of this fixture.
pub(crate) struct Host {
    pub(crate) url: ServerUrl,
    pub(crate) folder: PathBuf,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(AuthorizationServerOptions::default(), |_| {}).await
    }

    pub(crate) async fn with(
        issuer: AuthorizationServerOptions,
        server: impl FnOnce(&mut McpServerOptions),
    ) -> Self {
        let issuer = AuthorizationServer::start(issuer).await.unwrap();
        let mut options = McpServerOptions::protected_by(&issuer);
        server(&mut options);
        let server = McpServer::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let host = Host {
            url: ServerUrl::parse(&server.url()).unwrap(),
            folder: folder.path().join("credentials"),
        };
        Self {
            issuer,
            server,
            person: Person::new().copying_callback(),
            folder,
            host,
        }
    }

    /// Signs the user in, as rmcp does it.
    pub(crate) async fn sign_in(
        &self,
        mut manager: AuthorizationManager,
    ) -> Result<AuthorizationManager, AuthError> {
        let found = manager.resolve_metadata().await?;
        manager.set_metadata(found.metadata);
        let request = AuthorizationRequest::new(CALLBACK);
        let session = AuthorizationSession::new(manager, request).await;
        let session = session.map_err(|(_, error)| error)?;
        let url = session.get_authorization_url().parse().unwrap();
        let visit = self.person.visit(&url).await.unwrap();
        let callback = visit.callback.unwrap();
        session.handle_callback_url(callback.as_str()).await?;
        Ok(session.auth_manager)
    }

    pub(crate) fn requests_to(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        self.issuer.recorder().requests_to(endpoint)
    }
}

impl Host {
    pub(crate) fn key(&self) -> CredentialKey {
        CredentialKey::new(self.url.clone())
    }

    fn origin(&self) -> Origin {
        Origin::from_url(self.url.url()).unwrap()
    }

    /// The files that all hosts of this fixture share, opened as a process would.
    pub(crate) async fn store(&self) -> Arc<dyn CredentialStore> {
        let key = KeyFile::in_folder(&self.folder);
        let store = FileStore::open(&self.folder, key).await;
        Arc::new(store.unwrap())
    }

    /// The HTTP client of a host that was told `config`.
    pub(crate) fn http(config: HttpConfig) -> Client {
        Client::new(config).unwrap()
    }

    /// A host's bridge, as a process of its own would make it.
    pub(crate) async fn bridge(&self) -> Bridge {
        let http: Arc<dyn HttpClient> = Arc::new(Self::http(HttpConfig::default()));
        Bridge::new(self.key(), self.store().await, http)
    }

    /// A host that has been signed in to before.
    pub(crate) async fn signed_in(&self) -> AuthorizationManager {
        let mut manager = self.bridge().await.manager().await.unwrap();
        assert!(manager.initialize_from_store().await.unwrap());
        manager
    }

    /// An MCP connection with the manager's tokens.
    pub(crate) async fn connect(&self, http: &Client, manager: AuthorizationManager) -> Service {
        let http = http.reqwest_client_for(&self.origin()).unwrap();
        let client = AuthClient::new(http, manager);
        let config = StreamableHttpClientTransportConfig::with_uri(self.url.as_str());
        let transport = StreamableHttpClientTransport::with_client(client, config);
        ().serve(transport).await.unwrap()
    }
}

pub(crate) type Service = RunningService<RoleClient, ()>;

pub(crate) async fn add(client: &Service, a: i64, b: i64) -> String {
    let arguments = serde_json::json!({ "a": a, "b": b });
    let arguments = arguments.as_object().cloned().unwrap();
    let request = CallToolRequestParams::new("add").with_arguments(arguments);
    let result: CallToolResult = client.call_tool(request).await.unwrap();
    result.content[0].as_text().unwrap().text.clone()
}
