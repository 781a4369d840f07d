//! A person signs in: loopback listener, browser port, registration and the code grant.
//!
//! [`BrowserLogin`] is the usual [`Authorizer`](hallpass_core::Authorizer) of a program that people
//! sit at. One login is
//!
//! 1. discovery, by `hallpass-discovery`;
//! 2. a client: the configured one (for its own issuer alone), a client ID metadata document, the
//!    registration of an earlier login with its redirect URI, a new dynamic registration (RFC 7591)
//!    which is kept before the browser opens;
//! 3. a port of this machine (RFC 8252 §7.3), taken before the authorization URL is built: what is
//!    bound is what the redirect URI names;
//! 4. the browser, opened by the host's [`Interaction`];
//! 5. the callback, by that port or pasted by a person whose browser is on another machine. Its
//!    `state` and `iss` (RFC 9207) are checked before anything it says counts; everything else that
//!    comes to the port gets an answer and changes nothing;
//!    Where the host wants it, the device grant (RFC 8628) runs beside them, and whichever ends first
//!    wins;
//! 6. the code exchange, with the same `resource` (RFC 8707) as before, and a
//!    [`Record`](hallpass_core::Record) that the session saves.
//!
//! [`LoginEvent`]s tell the host where it is; a [`LoginError`] says how far it came, what to do and
//! a hint for the person.
//!
//! # What it does not do
//!
//! It opens no browser, prints nothing and reads no environment: [`open_commands`] only names the
//! program that would open a URL. It saves nothing but by [`RegistrationSink`](hallpass_core::RegistrationSink), and never
//! over a grant that still works. It refreshes nothing: that is `hallpass-session`'s.
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
//!         Box::pin(async { Err(OpenError::declined()) })
//!     }
//!
//!     fn event(&self, event: LoginEvent<'_>) {
//!         if let LoginEvent::OpenUrl(visit) = event {
//!             println!("Open {}", visit.url);
//!             println!("over SSH: ssh {} HOST", visit.ssh_forward());
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
mod await_callback;
mod browser_login;
mod callback_server;
mod client;
mod code_exchange;
mod device;
mod error;
mod event;
mod interaction;
mod login;
mod manual_callback;
mod opener;
mod page;
mod par;
mod plan;
mod registration;
mod scopes;
mod token_request;

pub use browser_login::{BrowserLogin, BrowserLoginBuilder};
pub use error::{LoginError, LoginErrorKind};
pub use event::{
    BrowserRequest, DeviceCode, LoginEvent, LoginWarning, NoRefreshToken, ReregistrationReason,
};
pub use interaction::{Interaction, OpenError};
pub use manual_callback::ManualCallbackError;
pub use opener::{Desktop, open_commands};
pub use plan::{LoginPlan, PlannedClient};

/// What a host publishes to be known by a client ID metadata document.
pub use hallpass_oauth::ClientMetadataDocument;
