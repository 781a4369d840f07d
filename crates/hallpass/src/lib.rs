//! The OAuth 2.1 client stack for MCP hosts.
//!
//! A remote MCP server is an OAuth protected resource. [`Hallpass`] takes a host from its URL to an
//! authorized rmcp transport, and keeps it authorized: it finds the authorization server, registers,
//! has the user sign in when the server asks for it, keeps the credentials, and refreshes them
//! once however many tasks and processes share them.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use hallpass::{ClientError, Diagnostic, Hallpass, store::{FileStore, KeyFile}};
//! use rmcp::ServiceExt;
//!
//! # async fn host(folder: &std::path::Path, my_interaction: Arc<dyn hallpass::login::Interaction>) -> Result<(), Box<dyn std::error::Error>> {
//! let store = FileStore::open(folder, KeyFile::in_folder(folder)).await?;
//! let hallpass = Hallpass::builder("https://mcp.example.com/mcp".parse()?)
//!     .store(Arc::new(store))
//!     .interactive(my_interaction)
//!     .build()?;
//!
//! let client = ().serve(hallpass.transport()).await?;
//! match client.list_all_tools().await.map_err(ClientError::from) {
//!     Ok(tools) => tools.iter().for_each(|tool| println!("{}", tool.name)),
//!     Err(error) => println!("{error}: {}", error.remedy().as_str()),
//! }
//! client.cancel().await?;
//! hallpass.close(std::time::Duration::from_secs(10)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A host may take the crates below one by one instead: `hallpass-discovery`, `hallpass-http`,
//! `hallpass-store` and `hallpass-session` serve hosts of their own. What this crate deliberately
//! does not do: read the environment, print, or open a browser. The host hands those in.

mod build;
mod error;
#[cfg(test)]
mod exports;
mod hallpass;
mod import;

pub use crate::{
    build::{BuildError, DiagnosisParts, HallpassBuilder},
    error::Error,
    hallpass::Hallpass,
    import::{ImportError, ImportedCredentials},
};

pub use hallpass_core::{
    AccessToken, Account, AccountError, AuthScheme, Authorizer, BoxFuture, ClientId, ClientSecret,
    Clock, CredentialKey, Diagnostic, Entropy, FixedToken, Hint, HttpClient, Issuer, Record,
    Remedy, Resource, ResourceMismatch, Scopes, ScopesError, ServerSettings, ServerUrl, Subject,
    SubjectError, Tenant, Timestamp, TokenSource, UrlError, block_on,
};
pub use hallpass_rmcp::{ClientError, Error as TransportError, Transport};
pub use hallpass_session::{
    OsEntropy, Session, SessionError, SignOut, SignedOut, SystemClock, Token,
};

/// From a URL to the authorization server: `hallpass-discovery`.
pub mod discovery {
    pub use hallpass_core::{Challenge, ResourceMetadata, ServerMetadata};
    pub use hallpass_discovery::{
        Attempt, CacheMode, Discovered, Discovery, DiscoveryError, DiscoveryErrorKind, Document,
        MetadataCache, MetadataSource, challenges, print_challenge,
    };
}

/// What every HTTP client of the stack takes and gives, for a host with a client of its own.
pub mod http {
    pub use hallpass_core::http::{
        Body, Chunks, HttpError, HttpErrorKind, Redirects, RequestOptions, RequestTarget,
    };
}

/// The stack's own HTTP client: `hallpass-http`.
pub mod http_client {
    pub use hallpass_http::{
        AddressClass, AddressRefused, CaBundle, CaBundleError, CaProblem, Certificate,
        CertificateFault, CertificateRefused, Client, ClientIdentity, ClientIdentityError,
        Handshake, HandshakeLog, HttpConfig, HttpConfigError, NoProxy, Origin, OriginError,
        OriginHeaders, Proxy, ProxyConfig, ProxyError, ProxyRefused, RedirectRefused, Resolver,
        SystemResolver, Trust, TrustAnchor,
    };
}

/// A user signs in: `hallpass-login`.
pub mod login {
    pub use hallpass_core::{AuthorizeError, NoAuthorizer, RegistrationSink, SignIn, SignInReason};
    pub use hallpass_login::{
        BrowserLogin, BrowserLoginBuilder, BrowserRequest, ClientMetadataDocument, Desktop,
        DeviceCode, Interaction, LoginError, LoginErrorKind, LoginEvent, LoginPlan, LoginWarning,
        ManualCallbackError, NoRefreshToken, OpenError, PlannedClient, ReregistrationReason,
        TokenHost, open_commands,
    };
}

/// What a store keeps of an account.
pub mod record {
    pub use hallpass_core::{
        DpopKey, RefreshToken, RegistrationAccessToken,
        record::{
            Generation, Grant, GrantKind, PendingRefresh, PostEnd, Refusal, Registration,
            RegistrationManagement, RegistrationOrigin, SignInCause, State, document,
        },
    };
}

/// A service signs in: `hallpass-service`.
pub mod service {
    pub use hallpass_oauth::{ClientKey, ClientKeyError};
    pub use hallpass_service::{
        Assertion, AssertionError, AssertionFile, AssertionSource, CommandSource, IdentityProvider,
        ServiceClient, ServiceError, ServiceErrorKind, ServiceGrant, ServiceLogin, TokenFile,
    };
}

/// One fresh token, and each reason why there is none: `hallpass-session`.
pub mod session {
    pub use hallpass_core::TokenSourceError;
    pub use hallpass_oauth::{TokenError, TokenErrorClass};
    pub use hallpass_session::{
        CircuitBreakers, Closed, ConcurrentUpdate, Counters, ExternalTokenError, LockHolders,
        ProofError, RefreshError, RefusedRefresh, Revocation, RevocationError, SessionBuilder,
        SessionTerminated, SignInError, SignInNeed, SignInRequest, SignInRequired,
        TerminationReason, Waiting,
    };
}

/// What a user may set for one server.
pub mod settings {
    pub use hallpass_core::{
        CallbackSetting, ClientPrivateKey, ClientSetting, ClientSigningKey, DpopSetting,
        ExplicitEndpoints, PkceSetting, PreRegisteredClient, ResourceSetting, SettingsFingerprint,
        TokenEndpointAuthMethod,
    };
}

/// Credentials at rest: `hallpass-store`.
pub mod store {
    pub use hallpass_core::store::{
        CredentialStore, Guard, Lease, Listing, LockKind, Saved, StoreDiagnostics, StoreError,
        StoreErrorKind,
    };
    pub use hallpass_store::{
        Exported, FilePermissions, FileStore, Forgotten, Imported, Inventory, KeyError,
        KeyErrorKind, KeyFile, KeyId, KeyLocation, KeySource, KeySources, MemoryStore, Passphrase,
        Rekeyed, SealingKey, UndoneReset, Unreadable, read_private, replace_file,
    };
}

/// Foreign text, made safe to show.
pub mod text {
    pub use hallpass_core::{
        RequestSecrets, ServerWords, is_loopback, is_printable, quote, redact_text, redacted_url,
        sanitize_line, sanitize_text, url_without_query,
    };
}

/// MCP's streamable HTTP as bytes, and the same authorized by a session: `hallpass-mcp`.
pub mod mcp {
    pub use hallpass_mcp::{
        Anonymous, AttemptBudget, Authorization, AuthorizationError, AuthorizedEndpoint,
        BodyTooLarge, ChallengeResponse, Content, DEFAULT_MAX_MESSAGE_BYTES, Endpoint,
        EndpointError, Error, Event, EventParser, EventStream, EventTooLarge, Interactivity,
        InvalidHeader, InvalidMessage, LAST_EVENT_ID, MCP_PROTOCOL_VERSION, MCP_SESSION_ID,
        Reconnection, RedirectError, RedirectReason, Request, RequestError, RequestRefusal,
        Response, ServerStream, SessionLost, SessionRenewals, SseConnection, SseError,
        StreamResponse, TokenAuthorization, TooManyChallenges, TransportKind, Unanswered,
        UnexpectedStatus,
    };
}
