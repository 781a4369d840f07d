//! What a login runs on and what is fixed for its whole run. The attempts are in
//! [`attempt`](crate::attempt).

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use hallpass_core::{
    Hint, Record, Registration, Remedy, Scopes, SignIn, SignInReason, State, Timestamp,
    record::SignInHosts,
};
use hallpass_discovery::{Discovered, DiscoveryErrorKind, MetadataSource};
use hallpass_oauth::{ClientKey, TokenError};
use hallpass_session::{
    DpopOnDemand, DpopSigner, Endpoint, OAuthClient, Ports, Retry, TokenClient,
};
use url::Url;

use crate::{
    Interaction, LoginError, LoginErrorKind, LoginEvent, ReregistrationReason,
    address::{CallbackAddress, CallbackListener},
    plan::{LoginInputs, LoginPlan},
};

/// For how long a sign-in shows that the server knows the client. Servers forget clients when they
/// are set up again or clean up, not from one hour to the next.
const PROOF_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The ports and options of the host program.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) ports: Ports,
    pub(crate) interaction: Arc<dyn Interaction>,
    pub(crate) timeout: Duration,
    pub(crate) client_name: String,
    pub(crate) device_grant: bool,
    pub(crate) another_account: bool,
}

/// What is fixed for a whole login, however often it has to register.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub(crate) host: &'a Host,
    pub(crate) request: SignIn<'a>,
    pub(crate) discovered: Discovered,
    /// The client's key from the settings, read.
    key: Option<ClientKey>,
    /// What the user has confirmed in this login.
    pub(crate) confirmed: Mutex<Vec<SignInHosts>>,
    /// When the user was asked for something first, as monotonic time.
    asked_at: OnceLock<Duration>,
}

/// How an attempt ended without a grant.
#[derive(Debug)]
pub(crate) enum FailedAttempt {
    Failed(Box<LoginError>),
    /// The dynamic registration can't be used, which showed too late for this attempt.
    Reregister(ReregistrationReason, Box<LoginError>),
    /// The server wants scopes named, and none were.
    ScopeMissing(Scopes, Box<LoginError>),
}

impl From<LoginError> for FailedAttempt {
    fn from(error: LoginError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl FailedAttempt {
    pub(crate) fn error(&self) -> &LoginError {
        match self {
            Self::Failed(error) | Self::Reregister(_, error) | Self::ScopeMissing(_, error) => {
                error
            }
        }
    }
}

/// A client with the port that its redirect URI names.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) registration: Registration,
    pub(crate) listener: CallbackListener,
    /// Whether it is a dynamic registration of an earlier login.
    pub(crate) is_reused: bool,
}

impl<'a> Login<'a> {
    /// Finds the authorization server, and refuses what can be refused before anything is sent to
    /// it.
    pub(crate) async fn start(host: &'a Host, request: SignIn<'a>) -> Result<Self, LoginError> {
        CallbackAddress::from_setting(&request.settings.callback)?;
        let key = request.settings.client.key.as_ref();
        let key = key.map(ClientKey::open).transpose().map_err(|error| {
            let what = "the key of the client can't be used";
            LoginError::new(LoginErrorKind::Setting, what).with_cause(error)
        })?;
        let server = &request.key.server;
        host.interaction.event(LoginEvent::Discovering { server });
        let discovery = host.ports.discovery(request.settings);
        let discovered = discovery.run(server, request.challenges).await;
        let discovered = discovered.map_err(|error| {
            let kind = match error.kind() {
                DiscoveryErrorKind::Unreachable => LoginErrorKind::Network,
                DiscoveryErrorKind::Settings => LoginErrorKind::Setting,
                _ => LoginErrorKind::Discovery,
            };
            let what = format!("no sign-in to {server}: its authorization server was not found");
            LoginError::new(kind, what).with_cause(error)
        })?;
        Ok(Self {
            host,
            request,
            discovered,
            key,
            confirmed: Mutex::default(),
            asked_at: OnceLock::new(),
        })
    }

    /// What the plan of this login is made from.
    pub(crate) fn inputs(&self) -> LoginInputs<'_> {
        LoginInputs {
            server: &self.request.key.server,
            settings: self.request.settings,
            discovered: &self.discovered,
            challenges: self.request.challenges,
            previous: self.request.previous,
            reason: self.request.reason,
            added_scopes: self.request.scopes,
            device_grant: self.host.device_grant,
            another_account: self.host.another_account,
            now: self.host.ports.clock.now(),
        }
    }

    /// How long the user may still take. One limit holds for questions and the sign-in together, from the
    /// first of them on.
    pub(crate) fn time_left(&self) -> Duration {
        let now = self.host.ports.clock.monotonic();
        let asked_at = *self.asked_at.get_or_init(|| now);
        self.host
            .timeout
            .saturating_sub(now.saturating_sub(asked_at))
    }

    /// What the user has confirmed in this login.
    pub(crate) fn confirmed_hosts(&self) -> Vec<SignInHosts> {
        let confirmed = self.confirmed.lock();
        confirmed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends requests to the authorization server.
    pub(crate) fn token_client(&self) -> TokenClient<'_> {
        self.host.ports.token_client(&self.request.key.server)
    }

    /// An endpoint that the client authenticates at, for a user who waits.
    pub(crate) fn endpoint<'e>(
        &'e self,
        url: &'e Url,
        registration: &'e Registration,
        dpop: Option<&'e DpopSigner>,
    ) -> Endpoint<'e> {
        let issuer = &self.discovered.server.issuer;
        Endpoint {
            url,
            client: OAuthClient::new(registration).with_key(self.key.as_ref(), issuer),
            dpop,
            retry: Retry::WhileUserWaits,
        }
    }

    /// Takes a port.
    pub(crate) async fn listen(
        &self,
        address: &CallbackAddress,
    ) -> Result<CallbackListener, LoginError> {
        address.bind().await.map_err(|error| {
            let callback = &self.request.settings.callback;
            let what = match callback.port {
                Some(port) => format!(
                    "can't listen on the callback port {port} of {}",
                    callback.host
                ),
                None => format!("can't listen on any callback port of {}", callback.host),
            };
            let hint = callback.port.map(|port| {
                format!(
                    "end the program that listens on port {port}, or set another callback port \
                     (the client's registration has to name it)"
                )
            });
            LoginError::new(LoginErrorKind::CallbackPort, what)
                .with_remedy(Remedy::Configure)
                .with_hints(hint)
                .with_source(error)
        })
    }

    /// What helps where the endpoints are guesses: none where there is a document, or the user named
    /// them.
    pub(crate) fn guess_hints(&self) -> Vec<Hint> {
        if self.discovered.source != MetadataSource::Guessed {
            return Vec::new();
        }
        vec![
            Hint::text(
                "there is no metadata anywhere, and the endpoints are guesses (MCP 2025-03-26): the \
                 server's operator knows the right ones, or the URL of their metadata",
            ),
            Hint::setting("endpoints", None),
            Hint::setting("server_metadata_url", None),
        ]
    }

    /// What helps where the endpoints that the user named answer as another issuer than that of the token
    /// endpoint's host: the issuer of the settings, which the MCP server may name.
    pub(crate) fn explicit_issuer_hints(&self) -> Vec<Hint> {
        let is_set = self.request.settings.issuer.is_some();
        if self.discovered.source != MetadataSource::Explicit || is_set {
            return Vec::new();
        }
        let metadata = self.discovered.resource_metadata.as_ref();
        let listed = metadata.map_or(&[][..], |metadata| &metadata.authorization_servers);
        let issuer = match listed {
            [only] => Some(only.as_str()),
            _ => None,
        };
        vec![
            Hint::setting("issuer", issuer),
            Hint::text("if that is the issuer of the endpoints that are set"),
        ]
    }

    /// The record that the session saves.
    pub(crate) fn record(&self) -> Record {
        let mut record = self.request.record(self.discovered.server.clone());
        record.confirm_hosts(self.confirmed_hosts());
        record
    }

    /// Saves a registration without a grant, so that a login that is broken off does not register
    /// again.
    ///
    /// A usable grant is not replaced: its refresh token belongs to the earlier client, and must
    /// survive a login that fails. After a migration the server has refused that grant for good.
    pub(crate) async fn save_registration(
        &self,
        registration: &Registration,
    ) -> Result<(), LoginError> {
        let has_grant = self.request.previous.is_some_and(Record::is_signed_in);
        if has_grant && self.request.reason != SignInReason::Migration {
            return Ok(());
        }
        let mut record = self.record();
        record.registration = Some(registration.clone());
        record.grant = None;
        record.pending_refresh = None;
        if !matches!(record.state, State::SignInRequired(_)) {
            record.state = State::Registered;
        }
        self.request.keep.save(&record).await.map_err(|error| {
            let what = "the new registration could not be saved";
            LoginError::new(LoginErrorKind::Store, what).with_cause(error)
        })
    }

    /// Saves when the client was last proven. The proof is removed before the browser opens, until a
    /// callback comes: a server that has forgotten the client shows an error page, and the user waits
    /// for the time limit or gives up. The next login checks first then.
    pub(crate) async fn save_proof(
        &self,
        registration: &Registration,
        proven_at: Option<Timestamp>,
    ) {
        let mut record = self.record();
        let mut registration = registration.clone();
        registration.proven_at = proven_at;
        record.registration = Some(registration);
        if let Err(error) = self.request.keep.save_proof(&record).await {
            tracing::debug!(%error, "the proof of the registration was not saved");
        }
    }

    /// Whether the server is known to know the registration: by the grant that asks for more, or by
    /// a recent sign-in. Not where a sign-in since then ended without a callback.
    pub(crate) fn is_proven(&self, registration: &Registration) -> bool {
        let now = self.host.ports.clock.now();
        registration.proven_at.is_some_and(|proven_at| {
            self.request.reason == SignInReason::StepUp
                || now.saturating_since(proven_at) < PROOF_LIFETIME
        })
    }

    /// The server does not accept the reused dynamic registration.
    pub(crate) fn registration_refused(&self, answer: Option<TokenError>) -> FailedAttempt {
        let what = format!(
            "{} no longer accepts the client that was registered there",
            self.discovered.server.issuer
        );
        let mut error =
            LoginError::new(LoginErrorKind::Registration, what).with_remedy(Remedy::Report);
        if let Some(answer) = answer {
            error = error.with_source(answer);
        }
        FailedAttempt::Reregister(ReregistrationReason::Refused, Box::new(error))
    }

    /// The key that the tokens will be bound to, as the plan says.
    pub(crate) fn dpop(&self, plan: &LoginPlan) -> Result<DpopOnDemand<'_>, LoginError> {
        let metadata = &self.discovered.server;
        if !plan.dpop {
            return Ok(DpopOnDemand::new(metadata, None));
        }
        let signer = DpopSigner::for_new_grant(metadata, None);
        let made = signer.map(|signer| DpopOnDemand::new(metadata, Some(signer)));
        made.map_err(|error| {
            let what = "the tokens can't be bound to a key";
            LoginError::new(LoginErrorKind::Request, what).with_cause(error)
        })
    }
}
