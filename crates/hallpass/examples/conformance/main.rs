//! The host that the MCP conformance suite drives: `cargo xtask conformance`.
//!
//! It is `host.rs` with three differences: what a host would read from its configuration comes from
//! the environment, the person is a browser that follows redirects and agrees to everything, and
//! nothing is kept after its end. It calls each tool that it finds. Which scenario it is in, it does
//! not know.

mod calls;

use std::sync::Arc;

use bytes::Bytes;
use hallpass::{
    BoxFuture, CallbackSetting, ClientId, ClientSecret, ClientSetting, Hallpass, HttpClient,
    Issuer, PreRegisteredClient, ServerSettings, ServerUrl,
    http::ExchangePolicy,
    http_client::{Client, HttpConfig, Origin},
    login::{Interaction, LoginEvent, OpenError},
    machine::{Assertion, ClientKey, IdentityProvider, Machine, MachineGrant},
};
use http::{Request, header::LOCATION};
use rmcp::{
    model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion},
    service::{ClientLifecycleMode, ClientServiceExt, ServiceError},
};
use serde_json::Value;
use url::Url;

/// The host's own metadata document, for servers that take one in place of a registration.
const METADATA_DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";

/// How many redirects the browser follows.
const MOST_REDIRECTS: usize = 20;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let configured = Configured::read()?;
    let config = HttpConfig {
        servers: Origin::of(configured.server.url()).into_iter().collect(),
        ..HttpConfig::default()
    };
    let http: Arc<dyn HttpClient> = Arc::new(Client::new(config)?);
    let builder = Hallpass::builder(configured.server)
        .settings(configured.settings)
        .http_client(Arc::clone(&http));
    let hallpass = match configured.machine {
        Some(machine) => builder.sign_in_as(machine),
        None => builder.sign_in_with(Arc::new(Browser(http))),
    };
    let hallpass = hallpass.build()?;

    let client = calls::Agreeable(configured.info)
        .serve_with_lifecycle(hallpass.transport(), configured.lifecycle)
        .await?;
    let tools = client.list_all_tools().await?;
    for call in calls::to_make(&configured.context, &tools) {
        println!("{}", call.name);
        match client.call_tool(call).await {
            // What a tool has to complain about is not the host's end.
            Ok(_) | Err(ServiceError::McpError(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    client.cancel().await?;
    hallpass.close().await;
    Ok(())
}

/// What a host reads from its configuration.
struct Configured {
    server: ServerUrl,
    settings: ServerSettings,
    machine: Option<Machine>,
    context: Value,
    info: ClientConfig,
    lifecycle: ClientLifecycleMode,
}

impl Configured {
    #[expect(
        clippy::disallowed_methods,
        reason = "the suite hands its configuration over in the environment"
    )]
    fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let url = std::env::args().nth(1);
        let url = url.ok_or("the argument is the server's URL")?;
        let version = match std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION") {
            Ok(version) => serde_json::from_value(Value::String(version))?,
            Err(_) => ProtocolVersion::default(),
        };
        let context: Value = match std::env::var("MCP_CONFORMANCE_CONTEXT") {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Value::Null,
        };
        let mut info = ClientConfig::new(
            ClientCapabilities::builder().enable_elicitation().build(),
            Implementation::new("hallpass", env!("CARGO_PKG_VERSION")),
        );
        let lifecycle = if version.has_initialize() {
            info.protocol_version = version;
            ClientLifecycleMode::Initialize
        } else {
            ClientLifecycleMode::Discover {
                preferred_versions: vec![version],
            }
        };
        Ok(Self {
            server: url.parse()?,
            settings: settings(&context)?,
            machine: machine(&context)?,
            context,
            info,
            lifecycle,
        })
    }
}

fn settings(context: &Value) -> Result<ServerSettings, Box<dyn std::error::Error>> {
    let text = |key: &str| context[key].as_str();
    let issuer = text("issuer").map(Issuer::parse).transpose()?;
    let pre_registered = text("client_id").map(|id| PreRegisteredClient {
        id: ClientId::new(id),
        secret: text("client_secret").map(ClientSecret::new),
        auth_method: None,
        issuer,
    });
    Ok(ServerSettings {
        client: ClientSetting {
            pre_registered,
            metadata_document: Some(Url::parse(METADATA_DOCUMENT)?),
            key: None,
        },
        callback: CallbackSetting {
            host: "localhost".to_owned(),
            port: Some(47_110),
            path: "/callback".to_owned(),
        },
        ..ServerSettings::default()
    })
}

/// The machine that a configuration describes: by an identity provider's token, by its platform's,
/// by a key, or by a secret alone. A secret beside an issuer belongs to a client that was registered
/// there for people to sign in with.
fn machine(context: &Value) -> Result<Option<Machine>, Box<dyn std::error::Error>> {
    let text = |key: &str| context[key].as_str();
    if let (Some(endpoint), Some(id), Some(id_token)) = (
        text("idp_token_endpoint"),
        text("idp_client_id"),
        text("idp_id_token"),
    ) {
        let provider = IdentityProvider {
            token_endpoint: endpoint.parse()?,
            client: PreRegisteredClient {
                id: ClientId::new(id),
                secret: None,
                auth_method: None,
                issuer: None,
            },
            id_token: Arc::new(Assertion::new(id_token)),
        };
        let grant = MachineGrant::IdentityAssertion(Box::new(provider));
        return Ok(Some(Machine::new(grant)));
    }
    if let Some(assertion) = text("valid_jwt") {
        let grant = MachineGrant::JwtBearer(Arc::new(Assertion::new(assertion)));
        return Ok(Some(Machine::new(grant)));
    }
    let itself = Machine::new(MachineGrant::ClientCredentials);
    if let Some(pem) = text("private_key_pem") {
        return Ok(Some(itself.with_key(ClientKey::from_pem(pem)?)));
    }
    let by_secret = text("client_secret").is_some() && text("issuer").is_none();
    Ok(by_secret.then_some(itself))
}

/// A browser whose person agrees to everything.
#[derive(Debug)]
struct Browser(Arc<dyn HttpClient>);

impl Browser {
    /// Goes to `url`; where it leads on to.
    async fn visit(&self, url: &Url) -> Result<Option<Url>, OpenError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            OpenError::new("the page did not come up").with_source(error)
        };
        let request = Request::get(url.as_str()).body(Bytes::new());
        let request = request.map_err(|error| failed(error.into()))?;
        let policy = ExchangePolicy::authorization_server();
        let answer = self.0.fetch(request, policy).await;
        let answer = answer.map_err(|error| failed(error.into()))?;
        let location = answer.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        Ok(location.and_then(|location| url.join(location).ok()))
    }
}

impl Interaction for Browser {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async move {
            let mut url = url.clone();
            for _ in 0..MOST_REDIRECTS {
                match self.visit(&url).await? {
                    Some(next) => url = next,
                    None => return Ok(()),
                }
            }
            Err(OpenError::new("the page redirects without end"))
        })
    }

    #[expect(clippy::print_stderr, reason = "an example talks to whoever runs it")]
    fn event(&self, event: LoginEvent<'_>) {
        eprintln!("{event:?}");
    }
}
