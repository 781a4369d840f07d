//! An authorization server, an MCP server, a user, and a host that knows only a URL.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hallpass::{
    BoxFuture, Hallpass, HallpassBuilder,
    login::{Interaction, LoginEvent, OpenError},
    store::MemoryStore,
};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Endpoint, McpServer, McpServerOptions, Person,
    RecordedRequest,
};
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
};
use url::Url;

pub(crate) struct Fixture {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) server: McpServer,
    pub(crate) browser: Arc<Browser>,
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
        Self {
            issuer,
            server,
            browser: Arc::new(Browser::new(Person::new())),
        }
    }

    /// A host that was told the URL, and has a user in front of it.
    pub(crate) fn host(&self) -> HallpassBuilder {
        Hallpass::builder(self.server.url().parse().unwrap())
            .store(Arc::new(MemoryStore::default()))
            .interactive(Arc::clone(&self.browser) as Arc<dyn Interaction>)
    }

    pub(crate) fn requests_to(&self, endpoint: Endpoint) -> Vec<RecordedRequest> {
        self.issuer.recorder().requests_to(endpoint)
    }

    /// The `resource` parameters of each request to an endpoint.
    pub(crate) fn resources(&self, endpoint: Endpoint) -> Vec<Vec<String>> {
        let requests = self.requests_to(endpoint);
        let resources = requests
            .iter()
            .map(|request| request.parameters("resource"));
        resources
            .map(|all| all.into_iter().map(str::to_owned).collect())
            .collect()
    }
}

pub(crate) type Client = RunningService<RoleClient, ()>;

pub(crate) async fn connect(hallpass: &Hallpass) -> Client {
    ().serve(hallpass.transport())
        .await
        .expect("the server lets us in")
}

pub(crate) async fn add(client: &Client, a: i64, b: i64) -> String {
    let arguments = serde_json::json!({ "a": a, "b": b })
        .as_object()
        .cloned()
        .unwrap();
    let request = CallToolRequestParams::new("add").with_arguments(arguments);
    let result: CallToolResult = client.call_tool(request).await.expect("the call succeeds");
    result.content[0].as_text().unwrap().text.clone()
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A browser that opens each URL, in which a user approves.
pub(crate) struct Browser {
    person: Person,
    visits: AtomicUsize,
}

impl Browser {
    pub(crate) fn new(person: Person) -> Self {
        Self {
            person,
            visits: AtomicUsize::new(0),
        }
    }

    /// How often a browser was asked to open.
    pub(crate) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

impl Interaction for Browser {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        self.visits.fetch_add(1, Ordering::SeqCst);
        let (person, url) = (self.person.clone(), url.clone());
        tokio::spawn(async move { person.visit(&url).await });
        Box::pin(async { Ok(()) })
    }

    fn event(&self, _: LoginEvent<'_>) {}
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Browser")
    }
}
