//! What an authorization server may be told, as plain data.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use hallpass_core::{Clock, TokenEndpointAuthMethod};
use serde_json::Value;

use crate::{Endpoint, ListenOptions, PlannedFault, Recorder};

/// An authorization server's options. The default is a good server that does everything this
/// crate knows and forgives nothing.
#[derive(Debug, Clone)]
pub struct AuthorizationServerOptions {
    /// Where it listens.
    pub listen: ListenOptions,
    /// Where requests are recorded; `None` begins a record of its own.
    pub recorder: Option<Recorder>,
    /// The clock that tokens expire by; `None` is the computer's. Give it the client's
    /// [`FakeClock`](crate::FakeClock), and both sides agree.
    pub clock: Option<Arc<dyn Clock>>,
    /// A seed for identifiers, codes and tokens that are the same in every run; `None` makes them
    /// unpredictable.
    pub seed: Option<u64>,
    /// What follows the origin in the issuer: empty, or `/tenant` without a slash at the end.
    pub issuer_path: String,
    /// How the server behaves. [`AuthorizationServer::change`](crate::AuthorizationServer::change)
    /// changes it while the server runs.
    pub behaviour: Behaviour,
    /// What goes wrong.
    pub faults: Vec<PlannedFault>,
    /// Clients that were registered by hand.
    pub clients: Vec<StaticClient>,
}

impl Default for AuthorizationServerOptions {
    fn default() -> Self {
        Self {
            listen: ListenOptions::new("authorization server"),
            recorder: None,
            clock: None,
            seed: None,
            issuer_path: String::new(),
            behaviour: Behaviour::default(),
            faults: Vec::new(),
            clients: Vec::new(),
        }
    }
}

/// A client that was registered by hand. `Debug` does not show its secret.
#[derive(Clone)]
pub struct StaticClient {
    /// The identifier.
    pub id: String,
    /// The secret, which a public client has none of.
    pub secret: Option<String>,
    /// How it authenticates.
    pub auth_method: TokenEndpointAuthMethod,
    /// The redirect URIs, compared as text.
    pub redirect_uris: Vec<String>,
}

impl fmt::Debug for StaticClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticClient")
            .field("id", &self.id)
            .field("auth_method", &self.auth_method)
            .field("redirect_uris", &self.redirect_uris)
            .finish_non_exhaustive()
    }
}

/// How an authorization server behaves, in what servers in the world differ by.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each answers one yes-or-no question of its own"
)]
pub struct Behaviour {
    /// At which well-known paths the metadata stands.
    pub metadata_at: Vec<MetadataPath>,
    /// Members set over those of the metadata document; `null` takes a member out.
    pub metadata_overrides: BTreeMap<String, Value>,
    /// Whether `code_challenge_methods_supported` is published. S256 is demanded in any case.
    pub pkce_advertised: bool,
    /// Whether clients may register (RFC 7591).
    pub registration: bool,
    /// Whether a client may take its registration back (RFC 7592 §2.3). Few servers let it.
    pub registration_management: bool,
    /// The methods of client authentication that registration accepts, also published.
    pub auth_methods: Vec<TokenEndpointAuthMethod>,
    /// The method every registration gets, whatever it asked for.
    pub auth_method_given: Option<TokenEndpointAuthMethod>,
    /// The public halves of the keys that clients sign with, by client id: uncompressed P-256
    /// points. A client whose method is `private_key_jwt` has one here.
    pub client_keys: BTreeMap<String, Vec<u8>>,
    /// How long a registered client's secret is good; `None` for ever.
    pub client_secret_lifetime: Option<Duration>,
    /// `scopes_supported`; where it stands, a request for another scope is `invalid_scope`.
    pub scopes_supported: Option<Vec<String>>,
    /// What requests have to say or must not say, beyond what standards demand.
    pub parameter_rules: Vec<ParameterRule>,
    /// The resources that tokens can be had for; `None` knows any. Another is `invalid_target`
    /// (RFC 8707 §2).
    pub resources: Option<Vec<String>>,
    /// Whether a token request without `resource` is refused as `invalid_target` instead of
    /// answered with a token that is good for nothing.
    pub resource_demanded: bool,
    /// A query that belongs to the authorization endpoint, such as `tenant=1`. The client has to
    /// keep it (RFC 6749 §3.1).
    pub authorization_query: Option<String>,
    /// Whether a page asks the user; otherwise consent is given at once.
    pub interactive: bool,
    /// Whether the port of a loopback redirect URI may differ from the registered one (RFC 8252
    /// §7.3). All else is compared as text.
    pub any_loopback_port: bool,
    /// The `iss` of the callback (RFC 9207).
    pub iss: IssParameter,
    /// Whether the metadata promises an `iss`.
    pub iss_advertised: bool,
    /// What else the callback gets wrong.
    pub callback: Callback,
    /// How long a code is good.
    pub code_lifetime: Duration,
    /// How long an access token is good.
    pub access_token_lifetime: Duration,
    /// How `expires_in` is written.
    pub expires_in: ExpiresIn,
    /// How the token response says that the token is a bearer's.
    pub token_type: String,
    /// What becomes of refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// For how long after it was replaced a refresh token is still honoured, and answered with
    /// another new one; `None` for not at all.
    pub reuse_grace: Option<Duration>,
    /// How long a refresh token is good; `None` for ever.
    pub refresh_token_lifetime: Option<Duration>,
    /// Whether a refresh token is given to clients whose registration did not name the
    /// `refresh_token` grant.
    pub refresh_unasked: bool,
    /// The status of `invalid_grant`: 400 by RFC 6749 §5.2; 401 and 403 are seen.
    pub invalid_grant_status: u16,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            metadata_at: vec![MetadataPath::Rfc8414],
            metadata_overrides: BTreeMap::new(),
            pkce_advertised: true,
            registration: true,
            registration_management: false,
            auth_methods: vec![
                TokenEndpointAuthMethod::None,
                TokenEndpointAuthMethod::ClientSecretBasic,
                TokenEndpointAuthMethod::ClientSecretPost,
            ],
            auth_method_given: None,
            client_keys: BTreeMap::new(),
            client_secret_lifetime: None,
            scopes_supported: None,
            parameter_rules: Vec::new(),
            resources: None,
            resource_demanded: false,
            authorization_query: None,
            interactive: false,
            any_loopback_port: false,
            iss: IssParameter::Right,
            iss_advertised: true,
            callback: Callback::Right,
            code_lifetime: Duration::from_secs(60),
            access_token_lifetime: Duration::from_secs(3600),
            expires_in: ExpiresIn::Number,
            token_type: "Bearer".to_owned(),
            refresh_tokens: RefreshTokens::Rotated,
            reuse_grace: None,
            refresh_token_lifetime: None,
            refresh_unasked: false,
            invalid_grant_status: 400,
        }
    }
}

/// A rule of a server about one parameter of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterRule {
    /// Requests to this endpoint: [`Authorization`](Endpoint::Authorization),
    /// [`Registration`](Endpoint::Registration), [`CodeExchange`](Endpoint::CodeExchange) or
    /// [`Refresh`](Endpoint::Refresh).
    pub endpoint: Endpoint,
    /// The parameter; `redirect_uri` at registration is each of `redirect_uris`. What the authorization
    /// endpoint says about it stands on a page.
    pub name: &'static str,
    /// What the values of the parameter have to begin with; `None` refuses the parameter as such.
    pub prefix: Option<String>,
    /// The `error` of a request that is not so.
    pub error: &'static str,
    /// Its `error_description`.
    pub description: &'static str,
}

impl ParameterRule {
    /// The error of a request with these values of the parameter.
    pub(super) fn check<'v>(
        &self,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Result<(), (&'static str, &'static str)> {
        let mut values = values.into_iter().peekable();
        let is_good = match &self.prefix {
            None => values.next().is_none(),
            Some(prefix) => {
                values.peek().is_some() && values.all(|value| value.starts_with(prefix.as_str()))
            }
        };
        if is_good {
            Ok(())
        } else {
            Err((self.error, self.description))
        }
    }

    /// The error of a request to `endpoint` with these parameters, by the first rule that it breaks.
    pub(super) fn check_all(
        rules: &[Self],
        endpoint: Endpoint,
        parameters: &[(String, String)],
    ) -> Result<(), (&'static str, &'static str)> {
        rules
            .iter()
            .filter(|rule| rule.endpoint == endpoint)
            .try_for_each(|rule| {
                let named = parameters.iter().filter(|(name, _)| name == rule.name);
                rule.check(named.map(|(_, value)| value.as_str()))
            })
    }
}

/// One of the places where metadata can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataPath {
    /// `/.well-known/oauth-authorization-server` and the issuer's path after it (RFC 8414 §3.1).
    Rfc8414,
    /// `/.well-known/openid-configuration` and the issuer's path after it.
    OpenIdInserted,
    /// The issuer's path and `/.well-known/openid-configuration` after it (OpenID Connect
    /// Discovery 1.0 §4).
    OpenIdAppended,
}

/// The `iss` of a callback (RFC 9207 §2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IssParameter {
    /// The issuer.
    #[default]
    Right,
    /// There is none.
    Missing,
    /// Something else.
    Exactly(String),
}

/// How the authorization endpoint answers a good request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Callback {
    /// With a code and the client's own `state`.
    #[default]
    Right,
    /// With a code and another client's `state`.
    WrongState,
    /// With a code and no `state`.
    NoState,
    /// With this `error` (RFC 6749 §4.1.2.1), and the client's `state`.
    Error(String),
}

/// How `expires_in` is written in a token response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExpiresIn {
    /// As a number of seconds (RFC 6749 §5.1).
    #[default]
    Number,
    /// As text.
    Text,
    /// Not at all.
    Absent,
}

/// What becomes of refresh tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RefreshTokens {
    /// Each refresh replaces the refresh token; the old one, presented again, revokes everything
    /// that came of the grant (RFC 9700 §4.14.2).
    #[default]
    Rotated,
    /// A refresh token stays good, and refresh answers name none.
    Kept,
    /// There are none.
    None,
}
