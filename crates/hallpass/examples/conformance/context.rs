//! Reading the context: what a host would have in its configuration, the suite hands over in the
//! environment.
//!
//! Which grant it is follows from which keys there are. Nothing here belongs to one scenario.

use std::sync::Arc;

use hallpass::{
    ClientId, ClientSecret, HallpassBuilder, Issuer, ServerSettings,
    service::{Assertion, ClientKey, IdentityProvider, ServiceClient, ServiceGrant},
    settings::{ClientSetting, PreRegisteredClient},
};
use rmcp::{
    model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion},
    service::ClientLifecycleMode,
};
use serde_json::Value;
use url::Url;

/// The host's own metadata document, for servers that take one in place of a registration.
const METADATA_DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";

/// A host's configuration.
pub(crate) struct Context {
    /// The server's URL.
    pub(crate) url: String,
    /// The version of MCP that is spoken with it.
    version: ProtocolVersion,
    /// What the host was given: a client, a secret, a key, an assertion.
    pub(crate) keys: Value,
}

impl Context {
    #[expect(
        clippy::disallowed_methods,
        reason = "the suite hands its configuration over in the environment"
    )]
    pub(crate) fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let url = std::env::args().nth(1);
        let version = match std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION") {
            Ok(version) => serde_json::from_value(Value::String(version))?,
            Err(_) => ProtocolVersion::default(),
        };
        let keys = match std::env::var("MCP_CONFORMANCE_CONTEXT") {
            Ok(text) => serde_json::from_str(&text)?,
            Err(_) => Value::Null,
        };
        Ok(Self {
            url: url.ok_or("the argument is the server's URL")?,
            version,
            keys,
        })
    }

    /// Says who signs in, to a host that would have a user do it.
    pub(crate) fn settle(
        &self,
        host: HallpassBuilder,
    ) -> Result<HallpassBuilder, Box<dyn std::error::Error>> {
        let machine = self.machine()?;
        // Where a machine's secret belongs, the suite says by its servers alone.
        let settings = self.settings()?;
        let host = host.settings(settings.with_issuer_from_resource(machine.is_some()));
        Ok(match machine {
            Some(machine) => host.service(machine),
            None => host,
        })
    }

    /// What the host says of itself.
    pub(crate) fn info(&self) -> ClientConfig {
        let mut info = ClientConfig::new(
            ClientCapabilities::builder().enable_elicitation().build(),
            Implementation::new("hallpass", env!("CARGO_PKG_VERSION")),
        );
        if self.version.has_initialize() {
            info.protocol_version = self.version.clone();
        }
        info
    }

    pub(crate) fn lifecycle(&self) -> ClientLifecycleMode {
        if self.version.has_initialize() {
            return ClientLifecycleMode::Initialize;
        }
        ClientLifecycleMode::Discover {
            preferred_versions: vec![self.version.clone()],
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.keys[key].as_str()
    }

    fn settings(&self) -> Result<ServerSettings, Box<dyn std::error::Error>> {
        let issuer = self.text("issuer").map(Issuer::parse).transpose()?;
        let pre_registered = self.text("client_id").map(|id| {
            PreRegisteredClient::new(ClientId::new(id))
                .with_secret(self.text("client_secret").map(ClientSecret::new))
                .with_issuer(issuer)
        });
        Ok(ServerSettings::default().with_client(
            ClientSetting::default()
                .with_pre_registered(pre_registered)
                .with_metadata_document(Url::parse(METADATA_DOCUMENT)?),
        ))
    }

    /// The machine that a configuration describes: by an identity provider's token, by its platform's,
    /// by a key, or by a secret alone. A secret beside an issuer belongs to a client that was registered
    /// there for people to sign in with.
    fn machine(&self) -> Result<Option<ServiceClient>, Box<dyn std::error::Error>> {
        if let (Some(endpoint), Some(id), Some(id_token)) = (
            self.text("idp_token_endpoint"),
            self.text("idp_client_id"),
            self.text("idp_id_token"),
        ) {
            let provider = IdentityProvider {
                token_endpoint: endpoint.parse()?,
                client: PreRegisteredClient::new(ClientId::new(id)),
                id_token: Arc::new(Assertion::new(id_token)),
            };
            let grant = ServiceGrant::IdentityAssertion(Box::new(provider));
            return Ok(Some(ServiceClient::new(grant)));
        }
        if let Some(assertion) = self.text("valid_jwt") {
            let grant = ServiceGrant::JwtBearer(Arc::new(Assertion::new(assertion)));
            return Ok(Some(ServiceClient::new(grant)));
        }
        let itself = ServiceClient::new(ServiceGrant::ClientCredentials);
        if let Some(pem) = self.text("private_key_pem") {
            return Ok(Some(itself.with_key(ClientKey::from_pem(pem)?)));
        }
        let by_secret = self.text("client_secret").is_some() && self.text("issuer").is_none();
        Ok(by_secret.then_some(itself))
    }
}
