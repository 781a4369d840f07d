//! For hosts that keep rmcp's own
//! [`AuthorizationManager`](rmcp::transport::auth::AuthorizationManager): its credentials in a
//! Hallpass store, its requests through a Hallpass HTTP client.
//!
//! [`Bridge`] is both ends. rmcp still discovers, registers, signs in and decides when to refresh;
//! the bridge is where it keeps and sends things.
//!
//! # What a host gains
//!
//! - Each OAuth request goes through the one [`HttpClient`](hallpass_core::HttpClient) of the host:
//!   its certificate authorities, headers per origin, proxy, address policy, caps and time limits.
//!   rmcp says of each request whether redirects may be followed; they never leave the origin, and a
//!   POST follows none (RFC 9700 §4.12).
//! - Credentials lie in any [`CredentialStore`](hallpass_core::CredentialStore): sealed files,
//!   written atomically, or a store of the host's own.
//! - A refresh holds the credential's lock, over all processes. rmcp refreshes for each request that was
//!   refused, one after another; a request that was refused with a token that another process has replaced
//!   meanwhile gets the new one instead, and no refresh token is sent twice for it.
//! - A refresh whose caller is gone is carried through and saved all the same.
//! - A refresh token that the server refused (`invalid_grant`, RFC 6749 §5.2) is not sent again, by
//!   no process.
//!
//! # What it does not do
//!
//! It knows no browser and no terminal, and changes nothing in the manager itself. rmcp's stored
//! credentials are a client identifier, the token answer, scopes, a time and an issuer. They have no
//! place for
//!
//! - the client's **secret** and its authentication method: after a restart rmcp takes the client
//!   for a public one. A host with a confidential client calls `configure_client` again, with the
//!   secret from its own configuration, after `initialize_from_store`;
//! - the **redirect URI**: rmcp puts the server's URL in its place after a restart, which matters
//!   only to a sign-in, and a sign-in brings its own;
//! - the server's metadata, so that each start runs discovery again;
//! - a key: a grant that is bound to one (RFC 9449) is not handed to rmcp, which would send it as a
//!   bearer token, and the user has to sign in.
//!
//! What a Hallpass session or program kept of that in the same record stays there when rmcp saves.
//! The other way round, members of a token answer that RFC 6749 does not know are not kept, and a
//! record that rmcp began holds too little for a session: the facade signs in once more.
//!
//! When the answer to a refresh is lost, it is not known whether the server has acted on it, and the next
//! refresh sends the same token again. A Hallpass session keeps count of that; rmcp's refresh does not.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use hallpass_core::{CredentialStore, HttpClient, CredentialKey};
//! use hallpass_rmcp_bridge::Bridge;
//! use rmcp::transport::{AuthError, auth::AuthorizationManager};
//!
//! async fn manager(
//!     key: CredentialKey,
//!     store: Arc<dyn CredentialStore>,
//!     http: Arc<dyn HttpClient>,
//! ) -> Result<AuthorizationManager, AuthError> {
//!     let mut manager = Bridge::new(key, store, http).manager().await?;
//!     manager.initialize_from_store().await?;
//!     Ok(manager)
//! }
//! ```

mod bridge;
mod credentials;
mod http_client;
mod refresh_session;
mod store;

pub use bridge::Bridge;
pub use http_client::BridgeHttpClient;
pub use store::BridgeStore;
