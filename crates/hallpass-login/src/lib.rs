//! A user signs in: loopback callback, browser, registration and the code grant.
//!
//! [`BrowserLogin`] is the usual [`Authorizer`](hallpass_core::Authorizer) of an interactive program. One
//! login is
//!
//! 1. discovery, by `hallpass-discovery`;
//! 2. a [plan](LoginPlan), which is pure: the client (the configured one for its own issuer alone, a
//!    client ID metadata document, the registration of an earlier login with its redirect URI, or a new
//!    dynamic registration), the scopes, the grants, the redirect URI;
//! 3. a look at the hosts: the address policy judges where the browser would go, and the user confirms a
//!    token endpoint that may be another operator's than the page (RFC 9700 §4.4), which the record keeps;
//! 4. a dynamic registration (RFC 7591) where the plan says so, saved before the browser opens. Its redirect
//!    URI has a path of its own for each issuer;
//! 5. a port of this machine (RFC 8252 §7.3), taken before the authorization URL is built: the redirect
//!    URI names the port that is bound;
//! 6. the browser, opened by the host's [`Interaction`];
//! 7. the callback, by that port or pasted by a user whose browser is on another machine. Its `state` and
//!    `iss` (RFC 9207) are checked before anything else in it counts. Other requests to the port are
//!    answered and change nothing. Where the host offers it, the device grant (RFC 8628) runs at the same
//!    time, and the first to finish wins;
//! 8. the code exchange, with the same `resource` (RFC 8707) as before, and a
//!    [`Record`](hallpass_core::Record) that the session saves.
//!
//! [`LoginEvent`]s tell the host about each step. A [`LoginError`] says which step failed, what to do, and
//! has a hint for the user. A diagnosis makes the same plan by [`LoginInputs::plan`].
//!
//! # What it does not do
//!
//! It opens no browser, prints nothing and reads no environment: [`open_commands`] only names the
//! program that would open a URL. It saves only by [`RegistrationSink`](hallpass_core::RegistrationSink), and never
//! replaces a grant that still works. It refreshes nothing: that is `hallpass-session`'s.
//!
//! # Example
//!
//! A host on a terminal, without a browser of its own:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use hallpass_core::{BoxFuture, Clock, Entropy, HttpClient};
//! use hallpass_login::{BrowserLogin, Interaction, LoginEvent, OpenError};
//! use url::Url;
//!
//! #[derive(Debug)]
//! struct Terminal;
//!
//! impl Interaction for Terminal {
//!     fn open<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
//!         Box::pin(async { Err(OpenError::Declined) })
//!     }
//!
//!     fn event(&self, event: LoginEvent<'_>) {
//!         if let LoginEvent::OpenUrl(request) = event {
//!             println!("Open {}", request.url);
//!             println!("over SSH: ssh {} HOST", request.ssh_forward());
//!         }
//!     }
//! }
//!
//! fn authorizer(
//!     http: Arc<dyn HttpClient>,
//!     clock: Arc<dyn Clock>,
//!     entropy: Arc<dyn Entropy>,
//! ) -> BrowserLogin {
//!     BrowserLogin::builder(http, clock, entropy, Arc::new(Terminal))
//!         .client_name("Example")
//!         .timeout(Duration::from_secs(120))
//!         .build()
//! }
//! ```

mod address;
mod attempt;
mod authorization_endpoint;
mod await_callback;
mod browser_login;
mod callback_server;
mod client;
mod client_check;
mod code_exchange;
mod confirmation;
mod device;
mod error;
mod event;
mod interaction;
mod login;
mod manual_callback;
mod moved_endpoint;
mod opener;
mod page;
mod par;
mod plan;
mod refused_client;
mod registration;
mod scopes;
mod token_endpoint;
mod token_host;

pub use authorization_endpoint::AuthorizationEndpointVerdict;
pub use browser_login::{BrowserLogin, BrowserLoginBuilder};
pub use client::PlannedClient;
pub use error::{LoginError, LoginErrorKind};
pub use event::{
    BrowserRequest, DeviceCode, LoginEvent, LoginWarning, NoRefreshToken, ReregistrationReason,
};
pub use interaction::{Interaction, OpenError};
pub use manual_callback::ManualCallbackError;
pub use moved_endpoint::moved_endpoint_hints;
pub use opener::{Desktop, open_commands};
pub use plan::{LoginInputs, LoginPlan};
pub use token_endpoint::{TokenEndpointAnswer, TokenEndpointVerdict};
pub use token_host::TokenHost;

/// What a host publishes to be known by a client ID metadata document.
pub use hallpass_oauth::ClientMetadataDocument;

/// What an [`AuthorizationEndpointVerdict`] holds.
pub use hallpass_oauth::{CallbackError, CallbackErrorKind, RedirectUriRefusal};
