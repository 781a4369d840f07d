//! OAuth 2.1 grants as pure values: request out, response in.
//!
//! Each request to an authorization server is built here as an [`http::Request`], and each answer is
//! read here from an [`http::Response`]. Nothing is sent: `hallpass_session::TokenClient` does that.
//! Time and randomness are arguments.
//!
//! # The tour
//!
//! - A user signs in: [`AuthorizationRequest`] → [`PendingAuthorization`] → [`AuthorizationCode`]
//!   → [`TokenRequest`]. Each step uses the one before up, so that a code can't be spent twice. A
//!   pending login can be [pushed](PendingAuthorization::push) first.
//! - A user signs in on another device: [`DeviceAuthorizationRequest`] → [`DeviceAuthorization`].
//! - A service signs in: [`TokenRequest::client_credentials`], [`TokenRequest::jwt_bearer`], and
//!   [`IdentityAssertionRequest`] → [`IdentityAssertion`].
//! - The token endpoint answers: [`TokenResponse`], [`TokenError`] and its five
//!   [classes](TokenErrorClass). [`TokenRequest::refresh`] gets the next token.
//! - Who the client is: [`RegistrationRequest`] or a [`ClientMetadataDocument`],
//!   [`ClientAuthentication`], [`negotiate`], [`ClientKey`].
//! - Tokens that are bound to a key: [`ProofKey`].
//! - Signing out: [`RevocationRequest`], [`unregister`].
//!
//! # What it deliberately does not do
//!
//! It finds no server (`hallpass-discovery`), stores nothing, decides nothing about retries
//! (`hallpass-session`), and limits no body's size (the HTTP client does). It has no implicit and no
//! password grant, and sends no challenge except S256.
//!
//! # Two rules for every answer
//!
//! Answers are read as real servers write them: the tests are tables of such answers. And no part of an
//! answer reaches an error, a `Debug` or a log but its error code and the server's words: an
//! `error_description` that repeats the refresh token is shown without it. What the request carried is
//! known from the response's extensions ([`RequestSecrets`](hallpass_core::RequestSecrets)); a caller that
//! sends requests by itself attaches it, or only ordinary words are shown.
//!
//! # Which sections
//!
//! RFC 6749 §2.3, §3, §4.1, §4.4, §5, §6; RFC 7009; RFC 7521 and 7523 §2; RFC 7591 §2, §3; RFC 7592
//! §2.3, §3; RFC 7636; RFC 8628; RFC 8693 §2; RFC 8707; RFC 9126; RFC 9207; RFC 9449;
//! draft-ietf-oauth-identity-assertion-authz-grant.
//!
//! # Example
//!
//! ```
//! use hallpass_core::{AuthScheme, ClientId, Entropy, Issuer, Resource, Scopes, ServerMetadata, Timestamp};
//! use hallpass_core::record::GrantKind;
//! use hallpass_oauth::{AuthorizationRequest, ClientAuthentication, TokenResponse};
//!
//! #[derive(Debug)]
//! struct SystemEntropy;
//! impl Entropy for SystemEntropy {
//!     fn fill(&self, bytes: &mut [u8]) {
//!         // `getrandom::getrandom` in a program.
//! #       bytes.fill(7);
//!     }
//! }
//!
//! let mut metadata = ServerMetadata::new(Issuer::parse("https://as.example")?);
//! metadata.authorization_endpoint = Some("https://as.example/authorize".parse()?);
//! metadata.code_challenge_methods_supported = Some(vec!["S256".to_owned()]);
//! let client_id = ClientId::new("my-client");
//! let resource = Resource::parse("https://mcp.example")?;
//!
//! let pending = AuthorizationRequest {
//!     metadata: &metadata,
//!     client_id: &client_id,
//!     redirect_uri: "http://127.0.0.1:7777/callback",
//!     resource: Some(&resource),
//!     scopes: &Scopes::none(),
//!     pkce_waived: false,
//!     extra: &[],
//! }
//! .begin(&SystemEntropy)?;
//!
//! // The browser goes to `pending.url()`, and comes back with this in its address:
//! # let (_, state) = pending.url().query_pairs().find(|(name, _)| name == "state").unwrap();
//! let query = format!("code=4711&state={state}");
//! # let query = query.as_str();
//! let code = pending.receive(query)?;
//! let request = pending.redeem(code).into_http(
//!     &"https://as.example/token".parse()?,
//!     &ClientAuthentication::none(&client_id),
//! );
//! assert_eq!(request.method(), "POST");
//!
//! // … and whatever sends it, gives back:
//! let response = http::Response::new(r#"{"access_token":"t","expires_in":"3600"}"#.into());
//! let now = Timestamp::from_unix_seconds(1_800_000_000);
//! let grant = TokenResponse::from_http(&response, AuthScheme::Bearer)?.into_grant(
//!     GrantKind::AuthorizationCode,
//!     &Scopes::none(),
//!     Some(&resource),
//!     now,
//! );
//! assert_eq!(grant.expires_at, Some(Timestamp::from_unix_seconds(1_800_003_600)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod assertion;
mod authorization;
mod callback;
mod client_auth;
mod client_deletion;
mod device;
mod dpop;
mod error_response;
mod form;
mod hint;
mod metadata_document;
mod par;
mod pre_registered;
mod redirect_uri;
mod registration;
mod retry_after;
mod revocation;
mod signing;
mod token;
mod token_exchange;

pub use assertion::{ClientKey, ClientKeyError};
pub use authorization::{AuthorizationRequest, AuthorizationRequestError};
pub use callback::{AuthorizationCode, CallbackError, CallbackErrorKind, PendingAuthorization};
pub use client_auth::{AvailableCredentials, ClientAuthentication, negotiate};
pub use client_deletion::{unregister, unregistered_from_http};
pub use device::{DeviceAuthorization, DeviceAuthorizationRequest};
pub use dpop::{Proof, ProofKey, ProofKeyError};
pub use error_response::ErrorResponse;
pub use metadata_document::ClientMetadataDocument;
pub use pre_registered::{
    PreRegisteredClientError, check_client_endpoints, check_client_issuer,
    check_service_credentials, pre_registration,
};
pub use redirect_uri::RedirectUriRefusal;
pub use registration::{
    RegistrationError, RegistrationPart, RegistrationRequest, registration_from_http,
};
pub use retry_after::RetryAfter;
pub use revocation::{RevocationAuthMethods, RevocationRequest, revocation_from_http};
pub use signing::{Algorithm, Signer, SigningError};
pub use token::{TokenError, TokenErrorClass, TokenRequest, TokenResponse, dpop_nonce};
pub use token_exchange::{IdentityAssertion, IdentityAssertionRequest};
