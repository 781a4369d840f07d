//! The values and the ports of Hallpass, the OAuth 2.1 client stack for MCP hosts.
//!
//! Every other crate of the stack speaks in these types, and reaches the world through these
//! traits. Nothing here opens a socket, reads a file or the environment, or asks what time it is;
//! there is no async runtime below it.
//!
//! # The values
//!
//! - [`ServerUrl`], [`Resource`], [`Issuer`]: three kinds of URL that must not be mixed up. Each is
//!   parsed once and keeps the exact text it was received as, because RFC 8707 and RFC 9207 compare
//!   bytes.
//! - [`Scopes`], [`ClientId`], [`TokenEndpointAuthMethod`], [`Challenge`], and the two metadata
//!   documents, [`ResourceMetadata`] (RFC 9728) and [`ServerMetadata`] (RFC 8414).
//! - [`AccessToken`], [`RefreshToken`], [`ClientSecret`] and other secrets, which have no `Display`
//!   and no `Serialize`, a redacted `Debug`, and one opening verb, `expose`.
//! - [`CredentialKey`] and [`Record`]: what is kept, and under which key.
//! - [`ServerSettings`]: what a user may set for one server, as plain data.
//!
//! # The ports
//!
//! - [`HttpClient`]: send one request with a redirect rule, a time limit and a body cap.
//! - [`CredentialStore`]: load by credential, lock a credential, save under that lock.
//! - [`Authorizer`]: sign a user (or a service) in when a server asks for it.
//! - [`TokenSource`]: tokens that are obtained elsewhere, in place of all of that.
//! - [`Clock`] and [`Entropy`]: time and randomness as inputs.
//! - [`Observer`]: is told of refreshes and sign-ins, for metrics.
//! - [`Diagnostic`]: what to do about an error, as a [`Remedy`] and [`Hint`]s.
//!
//! # Example
//!
//! ```
//! use hallpass_core::{Resource, ServerUrl};
//!
//! let server = ServerUrl::parse("https://mcp.example.com/mcp")?;
//! let published = Resource::parse("https://mcp.example.com")?;
//! // RFC 9728: the metadata's `resource` must identify the server it was read for.
//! assert!(published.matches_server(&server).is_ok());
//! // The text goes out as it came in: no slash is added.
//! assert_eq!(published.as_str(), "https://mcp.example.com");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod authorizer;
mod challenge;
mod client;
mod credential_key;
mod diagnostic;
mod future;
pub mod http;
mod issuer;
mod kind_error;
mod metadata;
mod observer;
pub mod record;
mod redact;
mod request_secrets;
mod resource;
mod sanitize;
mod scopes;
mod secret;
mod server_url;
mod server_words;
mod settings;
pub mod store;
mod time;
mod token_source;
mod unverified_claims;
mod url_text;

pub use address::{AddressClass, AddressRefused};
pub use authorizer::{
    AuthorizeError, Authorizer, NoAuthorizer, RegistrationSink, SignIn, SignInReason,
};
pub use challenge::{AuthScheme, Challenge};
pub use client::{ClientId, TokenEndpointAuthMethod};
pub use credential_key::{Account, AccountError, CredentialKey, Subject, SubjectError, Tenant};
pub use diagnostic::{Diagnostic, Hint, Remedy};
pub use future::{BoxFuture, block_on};
pub use http::{HttpClient, HttpError};
pub use issuer::Issuer;
pub use kind_error::{BoxError, ErrorKind, KindError};
pub use metadata::{ResourceMetadata, ServerMetadata};
pub use observer::{Event, Observer};
pub use record::{Generation, Grant, Record, Registration, State};
pub use redact::{redact_text, redacted_url, url_without_query};
pub use request_secrets::RequestSecrets;
pub use resource::{Resource, ResourceMismatch};
pub use sanitize::{is_printable, quote, sanitize_line, sanitize_text};
pub use scopes::{Scopes, ScopesError};
pub use secret::{
    AccessToken, ClientPrivateKey, ClientSecret, DpopKey, Entropy, RefreshToken,
    RegistrationAccessToken,
};
pub use server_url::{ServerUrl, is_loopback};
pub use server_words::ServerWords;
pub use settings::{
    CallbackSetting, ClientSetting, ClientSigningKey, DpopSetting, ExplicitEndpoints, PkceSetting,
    PreRegisteredClient, ResourceSetting, ServerSettings, SettingsFingerprint,
};
pub use store::{CredentialStore, StoreError, StoreFuture};
pub use time::{Clock, Timestamp};
pub use token_source::{FixedToken, TokenSource, TokenSourceError};
pub use unverified_claims::UnverifiedClaims;
pub use url_text::UrlError;

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
