//! How many HTTP requests a login takes: from the first MCP POST to its authorized repeat, the
//! browser's own not counted. The benchmark `network` prints what these functions count.

use std::sync::Arc;

use hallpass::{
    BoxFuture, ClientId, HallpassBuilder, ServerSettings, SignOut,
    http_client::{Client, HttpConfig},
    login::{Interaction, LoginEvent, OpenError},
    settings::{PreRegisteredClient, TokenEndpointAuthMethod},
    store::MemoryStore,
};
use hallpass_testkit::{
    AuthorizationServerOptions, Behaviour, Endpoint, MetadataPath, RecordedRequest, ScriptedClient,
    ScriptedResponse, StaticClient,
};
use url::Url;

use crate::fixture::{Fixture, connect};

/// The client's own metadata document, which the server of these tests knows without reading it.
const DOCUMENT: &str = "https://host.example/client.json";

/// A server without registered clients.
pub(crate) async fn first_login() -> usize {
    login(&fixture(|_| {}).await, |host| host).await
}

/// A client whose metadata document is its identifier.
pub(crate) async fn login_with_metadata_document() -> usize {
    let fixture = fixture(|options| {
        options.clients = vec![public_client(DOCUMENT)];
        options.behaviour.any_loopback_port = true;
        let supported = "client_id_metadata_document_supported".to_owned();
        let overrides = &mut options.behaviour.metadata_overrides;
        overrides.insert(supported, true.into());
    })
    .await;
    let mut settings = ServerSettings::default();
    settings.client.metadata_document = Some(Url::parse(DOCUMENT).unwrap());
    login(&fixture, |host| host.settings(settings)).await
}

/// A client that was registered by hand.
pub(crate) async fn login_of_known_client() -> usize {
    let fixture = fixture(|options| {
        options.clients = vec![public_client("known")];
        options.behaviour.any_loopback_port = true;
    })
    .await;
    let mut settings = ServerSettings::default();
    settings.client.pre_registered = Some(
        PreRegisteredClient::new(ClientId::new("known"))
            .with_auth_method(TokenEndpointAuthMethod::None),
    );
    login(&fixture, |host| host.settings(settings)).await
}

/// A client that registered itself before, and signs in again after it signed out.
pub(crate) async fn login_of_registered_client() -> usize {
    let fixture = fixture(|_| {}).await;
    let hallpass = fixture.host().build().unwrap();
    hallpass.login().await.unwrap();
    hallpass.logout(SignOut::default()).await.unwrap();
    let before = fixture.issuer.recorder().len();
    connect(&hallpass).await.cancel().await.unwrap();
    until_let_in(&fixture.issuer.recorder().since(before))
}

/// A server whose metadata is at the second, or the third, of the places to look at.
pub(crate) async fn login_after_fallbacks(path: MetadataPath) -> usize {
    let fixture = fixture(|options| {
        options.issuer_path = String::from("/tenant");
        options.behaviour.metadata_at = vec![path];
    })
    .await;
    login(&fixture, |host| host).await
}

/// A server that demands pushed authorization requests (RFC 9126).
pub(crate) async fn login_with_pushed_request() -> usize {
    let fixture = fixture(|options| {
        let overrides = &mut options.behaviour.metadata_overrides;
        // Answered by the double below; nothing is ever sent there.
        let endpoint = "http://127.0.0.1:9/par".into();
        overrides.insert("pushed_authorization_request_endpoint".to_owned(), endpoint);
        let demanded = "require_pushed_authorization_requests".to_owned();
        overrides.insert(demanded, true.into());
    })
    .await;
    let pushed = Arc::new(Pushed::new(&fixture));
    let count = login(&fixture, |host| {
        host.http_client(pushed.http.clone())
            .interactive(Arc::clone(&pushed) as Arc<dyn Interaction>)
    })
    .await;
    count + pushed.http.requests_to("/par").len()
}

/// A start with a token that is still good: the OAuth requests before the first MCP request, and
/// after it.
pub(crate) async fn warm_start() -> (usize, usize) {
    let fixture = fixture(|_| {}).await;
    let store = Arc::new(MemoryStore::default());
    let host = || fixture.host().store(store.clone()).build().unwrap();
    host().login().await.unwrap();

    let before = fixture.issuer.recorder().len();
    connect(&host()).await.cancel().await.unwrap();
    let requests = fixture.issuer.recorder().since(before);
    let first = requests.iter().position(is_mcp).unwrap();
    let (early, late) = requests.split_at(first);
    assert_eq!(late[0].rpc_method(), Some("initialize"));
    let late = late.iter().filter(|request| !is_mcp(request));
    (early.len(), late.count())
}

async fn fixture(adjust: impl FnOnce(&mut AuthorizationServerOptions)) -> Fixture {
    let mut options = AuthorizationServerOptions {
        behaviour: Behaviour::default(),
        ..AuthorizationServerOptions::default()
    };
    adjust(&mut options);
    Fixture::with(options, |_| {}).await
}

/// What the servers were sent from the first `initialize` to the one that was let in.
async fn login(
    fixture: &Fixture,
    adjust: impl FnOnce(HallpassBuilder) -> HallpassBuilder,
) -> usize {
    let hallpass = adjust(fixture.host()).build().unwrap();
    connect(&hallpass).await.cancel().await.unwrap();
    until_let_in(&fixture.issuer.recorder().requests())
}

fn until_let_in(requests: &[RecordedRequest]) -> usize {
    assert!(is_mcp(&requests[0]) && requests[0].status() == Some(401));
    let let_in = requests
        .iter()
        .position(|request| is_mcp(request) && request.status() == Some(200))
        .unwrap();
    let ours = requests[..=let_in]
        .iter()
        .filter(|request| !is_of_browser(request));
    ours.count()
}

fn is_mcp(request: &RecordedRequest) -> bool {
    request.is_to(Endpoint::Mcp)
}

fn is_of_browser(request: &RecordedRequest) -> bool {
    let agent = request.header("user-agent").unwrap_or_default();
    agent.contains("person")
}

fn public_client(id: &str) -> StaticClient {
    StaticClient {
        id: id.to_owned(),
        secret: None,
        auth_method: TokenEndpointAuthMethod::None,
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
    }
}

/// A pushed-request endpoint that answers from a script, and a browser that gets the whole request
/// which the `request_uri` stands for.
#[derive(Debug)]
struct Pushed {
    http: Arc<ScriptedClient>,
    browser: Arc<dyn Interaction>,
}

impl Pushed {
    fn new(fixture: &Fixture) -> Self {
        let http = Client::new(HttpConfig::default()).unwrap();
        let http = ScriptedClient::new().with_fallback_client(Arc::new(http));
        let answer = r#"{"request_uri": "urn:example:pushed", "expires_in": 60}"#;
        http.on("/par", [ScriptedResponse::json(201, answer)]);
        Self {
            http: Arc::new(http),
            browser: Arc::clone(&fixture.browser) as Arc<dyn Interaction>,
        }
    }
}

impl Interaction for Pushed {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        let mut whole = url.clone();
        let reference = url.query_pairs().find(|(name, _)| name == "request_uri");
        assert_eq!(reference.unwrap().1, "urn:example:pushed");
        let pushed = self.http.requests_to("/par").pop().unwrap().form();
        whole.query_pairs_mut().clear().extend_pairs(pushed);
        Box::pin(async move { self.browser.open(&whole).await })
    }

    fn event(&self, _: LoginEvent<'_>) {}
}
