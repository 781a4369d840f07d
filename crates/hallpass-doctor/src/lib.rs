//! Why a server does not work: a diagnosis, step by step.
//!
//! A [`Doctor`] takes the steps that a host takes (network, endpoint, metadata, client, account,
//! token, MCP) and reports each request, its outcome and what that means: a [`Report`] of [`Step`]s,
//! each with its [`Finding`]s. A finding has a stable [`Code`], a specification, a responsible party
//! and [`Hint`](hallpass_core::Hint)s that say what fixes it. What needs no sign-in works without one.
//!
//! It changes nothing: it registers no client, saves nothing, opens no browser, and uses no refresh
//! token unless [it may](Doctor::with_refresh). It does send the stored access token to its MCP
//! server, as the next call would, and starts an MCP session there, which it ends. Where a client is
//! registered or configured it sends the authorization endpoint once what a sign-in would, and reads an
//! error in the redirect or on a page. It posts to the token endpoint once, with a code that was not issued and without a secret.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use hallpass::Hallpass;
//! use hallpass_doctor::Doctor;
//!
//! let builder = Hallpass::builder("https://mcp.example.com/mcp".parse()?);
//! let report = Doctor::new(builder)?.diagnose().await;
//! if let Some(fault) = report.first_fault() {
//!     println!("{}: {}", fault.code.as_str(), fault.message);
//! }
//! println!("{report}");
//! # Ok(())
//! # }
//! ```

mod account;
mod authorization_endpoint;
mod authorization_server;
mod bounds;
mod calls;
mod certificates;
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
mod refused_client;
mod reply;
mod report;
mod text;
mod token;
mod token_endpoint;
mod unanswered;

use std::{fmt, time::Duration};

use hallpass::{BuildError, DiagnosisParts, Hallpass, HallpassBuilder};
use hallpass_core::StoreError;
use http::StatusCode;
use url::Url;

use self::{diagnosis::Diagnosis, recording_client::RecordingClient};

pub use self::{
    code::Code,
    finding::{Finding, ResponsibleParty, Severity},
    refused_client::RefusedClient,
    report::{Exchange, Fact, Report, Step, StepName, Verdict},
    text::{Style, Tone},
};

/// How long each answer may take, unless the host says otherwise: a user waits for the report.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

/// Diagnoses one account on one server.
pub struct Doctor {
    parts: DiagnosisParts<RecordingClient>,
    store_error: Option<StoreError>,
    store_description: Option<String>,
    refused_client: Option<RefusedClient>,
    may_refresh: bool,
}

impl Doctor {
    /// Takes the configuration that [`HallpassBuilder::build`] takes. An authorizer is not used: a
    /// diagnosis never signs in. Each answer may take 20 s.
    ///
    /// # Errors
    ///
    /// As [`HallpassBuilder::build`].
    pub fn new(builder: HallpassBuilder) -> Result<Self, BuildError> {
        Self::with_response_timeout(builder, RESPONSE_TIMEOUT)
    }

    /// As [`new`](Self::new), with another limit for each answer.
    ///
    /// # Errors
    ///
    /// As [`HallpassBuilder::build`].
    pub fn with_response_timeout(
        builder: HallpassBuilder,
        limit: Duration,
    ) -> Result<Self, BuildError> {
        let record = |below, clock| RecordingClient::new(below, clock, limit);
        Ok(Self {
            parts: builder.build_for_diagnosis(record)?,
            store_error: None,
            store_description: None,
            refused_client: None,
            may_refresh: false,
        })
    }

    /// Lets it refresh a token that has ended, which uses up a refresh token where the server rotates
    /// them. The new one is kept, as after any refresh.
    #[must_use]
    pub fn with_refresh(mut self) -> Self {
        self.may_refresh = true;
        self
    }

    /// The reason why the store, or its key, can't be opened. The builder then has an empty store.
    #[must_use]
    pub fn with_store_error(mut self, error: StoreError) -> Self {
        self.store_error = Some(error);
        self
    }

    /// Describes where credentials are kept, instead of the store's own description.
    #[must_use]
    pub fn with_store_description(mut self, description: impl Into<String>) -> Self {
        self.store_description = Some(description.into());
        self
    }

    /// The refusal of the configured client at the last sign-in, which a diagnosis can't find out: it
    /// sends no secret.
    #[must_use]
    pub fn with_refused_client(mut self, refused: RefusedClient) -> Self {
        self.refused_client = Some(refused);
        self
    }

    /// The server that is diagnosed, to be [closed](Hallpass::close) where a refresh was allowed.
    pub fn hallpass(&self) -> &Hallpass {
        &self.parts.hallpass
    }

    /// Runs every step. It takes a few minutes at most, also where a server answers slowly.
    pub async fn diagnose(&self) -> Report {
        Box::pin(self.diagnosis().run()).await
    }

    /// Whether the server begins MCP without a token. `None` if it does not answer, or with a status that
    /// says nothing about tokens: 403, 429, 5xx.
    pub async fn answers_without_token(&self) -> Option<bool> {
        let mut diagnosis = self.diagnosis();
        Box::pin(diagnosis.network()).await;
        let anonymous = diagnosis.anonymous?;
        let status = anonymous.status;
        let says_nothing = status.is_server_error()
            || matches!(
                status,
                StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
            );
        (!says_nothing || !anonymous.challenges.is_empty()).then_some(anonymous.is_open)
    }

    fn diagnosis(&self) -> Diagnosis<'_> {
        self.parts.http.start();
        Diagnosis {
            doctor: self,
            anonymous: None,
            discovered: None,
            record: None,
            token: None,
        }
    }

    /// The proxy that a URL is reached through.
    fn proxy_for(&self, url: &Url) -> Option<String> {
        let proxy = self.parts.client.as_ref()?.proxy_for(url)?;
        Some(proxy.to_string())
    }
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor")
            .field("key", self.parts.hallpass.key())
            .field("may_refresh", &self.may_refresh)
            .finish_non_exhaustive()
    }
}
