//! Why a server does not work: a diagnosis, step by step.
//!
//! A [`Doctor`] goes the way that a host goes (network, endpoint, metadata, client, account, token,
//! MCP) and says at each step what was asked, what came, and what that means: a [`Report`] of
//! [`Step`]s, each with its [`Finding`]s. A finding has a stable [`Code`], the rule behind it, whose
//! it is, and what mends it. What needs no sign-in is done without one.
//!
//! It changes nothing: it registers no client, keeps nothing, opens no browser, and uses up no
//! refresh token unless it is [told to](Doctor::with_refresh). It does send the kept access token to
//! the MCP server that it is for, as the next call would, and begins an MCP session there, which it
//! ends. Where a client is registered it asks the authorization endpoint once whether that client is
//! still known, as a sign-in does.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use hallpass::Hallpass;
//!
//! let builder = Hallpass::builder("https://mcp.example.com/mcp".parse()?);
//! let report = builder.doctor()?.examine().await;
//! if let Some(fault) = report.first_fault() {
//!     println!("{}: {}", fault.code.as_str(), fault.what);
//! }
//! println!("{report}");
//! # Ok(())
//! # }
//! ```

mod account;
mod authorization_server;
mod calls;
mod certificates;
mod claims;
mod clock;
mod code;
mod diagnosis;
mod endpoint;
mod finding;
mod lifecycle;
mod mcp;
mod metadata;
mod network;
mod opening;
mod recording_client;
mod reply;
mod report;
mod text;
mod token;
mod unanswered;

use std::{fmt, sync::Arc, time::Duration};

use hallpass_core::{Clock, CredentialStore, Entropy, StoreError};
use hallpass_http::{Client, HandshakeLog};
use url::Url;

use crate::Hallpass;

use self::diagnosis::Diagnosis;
pub(crate) use self::{claims::Claims, recording_client::RecordingClient};

pub use self::{
    code::Code,
    finding::{Finding, Fix, ResponsibleParty, Severity},
    report::{Exchange, Fact, Report, Step, StepName, Verdict},
    text::{Style, Tone},
};

/// How long an answer may take, unless the host says otherwise. Somebody waits for the report.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// Examines one account on one server. Made by [`HallpassBuilder::doctor`](crate::HallpassBuilder::doctor)
/// from the configuration that [`build`](crate::HallpassBuilder::build) takes.
pub struct Doctor {
    pub(crate) hallpass: Hallpass,
    pub(crate) watched: RecordingClient,
    /// The client below, where the stack made it itself.
    pub(crate) client: Option<Client>,
    pub(crate) handshakes: HandshakeLog,
    pub(crate) store: Arc<dyn CredentialStore>,
    pub(crate) keeps: bool,
    pub(crate) store_trouble: Option<StoreError>,
    pub(crate) store_words: Option<String>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) refreshes: bool,
}

impl Doctor {
    /// Lets it refresh a token that has ended, which uses up a refresh token where the server rotates
    /// them. The new one is kept, as after any refresh.
    #[must_use]
    pub fn with_refresh(mut self) -> Self {
        self.refreshes = true;
        self
    }

    /// The store can't be opened, or its key not be had, and this is why; an empty one stands in its
    /// place.
    #[must_use]
    pub fn with_store_error(mut self, trouble: StoreError) -> Self {
        self.store_trouble = Some(trouble);
        self
    }

    /// Where credentials are kept, in the host's own words instead of the store's.
    #[must_use]
    pub fn with_store_description(mut self, words: impl Into<String>) -> Self {
        self.store_words = Some(words.into());
        self
    }

    /// The session that is examined, to be [closed](Hallpass::close) where a refresh was allowed.
    pub fn hallpass(&self) -> &Hallpass {
        &self.hallpass
    }

    /// Examines.
    pub async fn examine(&self) -> Report {
        let examination = Diagnosis {
            doctor: self,
            anonymous: None,
            discovered: None,
            record: None,
            token: None,
        };
        Box::pin(examination.run()).await
    }

    /// The proxy that a URL is reached through.
    fn proxy_for(&self, url: &Url) -> Option<String> {
        let proxy = self.client.as_ref()?.proxy_for(url)?;
        Some(proxy.to_string())
    }
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor")
            .field("key", self.hallpass.key())
            .field("refreshes", &self.refreshes)
            .finish_non_exhaustive()
    }
}
