//! One login, from discovery to the record.

use std::time::Duration;

use hallpass_core::{
    Record, Registration, Remedy, Resource, Scopes, SignIn, SignInReason, State, quote,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_discovery::{Discovered, Discovery, DiscoveryErrorKind};
use hallpass_oauth::{AuthorizationRequest, ClientKey, PendingAuthorization, TokenError};

use crate::{
    BrowserLogin, BrowserRequest, LoginError, LoginErrorKind, LoginEvent, ReregistrationReason,
    address::{CallbackAddress, CallbackListener},
    await_callback::{self, CallbackOutcome, Waiting},
    callback_server::CallbackServer,
    client::{Candidates, Choice},
    code_exchange::ExchangeParams,
    page::Page,
    registration, scopes,
};

/// For how long a sign-in shows that the server knows the client. Servers forget clients when they
/// are set up anew or clean up, not from one hour to the next.
const PROOF_HOLDS: Duration = Duration::from_secs(24 * 3600);

/// What is fixed for a whole login, however often it has to register.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub(crate) host: &'a BrowserLogin,
    pub(crate) ask: SignIn<'a>,
    pub(crate) discovered: Discovered,
    /// What will be asked for.
    pub(crate) scopes: Scopes,
    wanted: CallbackAddress,
    /// The client's key from the settings, read.
    pub(crate) key: Option<ClientKey>,
}

/// How an attempt ended without a grant.
#[derive(Debug)]
pub(crate) enum FailedAttempt {
    Failed(Box<LoginError>),
    /// The dynamic registration does not serve, which showed too late for this attempt.
    ReregistrationReason(ReregistrationReason, Box<LoginError>),
}

impl From<LoginError> for FailedAttempt {
    fn from(error: LoginError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// A client with the port that its redirect URI names.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) registration: Registration,
    pub(crate) listener: CallbackListener,
    /// Whether it is a dynamic registration of an earlier login.
    pub(crate) again: bool,
}

impl<'a> Login<'a> {
    /// Finds the authorization server, and refuses what can be refused before anything is sent to
    /// it.
    pub(crate) async fn begin(host: &'a BrowserLogin, ask: SignIn<'a>) -> Result<Self, LoginError> {
        let wanted = CallbackAddress::from_setting(&ask.settings.callback)
            .map_err(|what| LoginError::new(LoginErrorKind::Setting, Remedy::Configure, what))?;
        let key = ask.settings.client.key.as_ref();
        let key = key.map(ClientKey::open).transpose().map_err(|error| {
            let what = "the key of the client can't be used";
            LoginError::new(LoginErrorKind::Setting, error.remedy(), what)
                .with_hint(error.hint())
                .with_source(error)
        })?;
        let server = &ask.key.server;
        host.interaction.event(LoginEvent::Discovering { server });
        let discovery = Discovery {
            http: &*host.http,
            clock: &*host.clock,
            settings: ask.settings,
        };
        let discovered = discovery
            .run(server, ask.challenges)
            .await
            .map_err(|error| {
                let kind = match error.kind() {
                    DiscoveryErrorKind::Unreachable => LoginErrorKind::Network,
                    DiscoveryErrorKind::Settings => LoginErrorKind::Setting,
                    _ => LoginErrorKind::Discovery,
                };
                let what =
                    format!("no sign-in to {server}: its authorization server was not found");
                let hint = error.hint().map(str::to_owned);
                LoginError::new(kind, error.remedy(), what)
                    .with_hint(hint)
                    .with_source(error)
            })?;
        let scopes = scopes::to_ask_for(
            &discovered.scopes(ask.challenges, ask.settings),
            ask.scopes,
            ask.settings,
            &discovered.server,
        );
        let scopes = host.interaction.choose_scopes(scopes);
        host.interaction.event(LoginEvent::Discovered {
            issuer: &discovered.server.issuer,
            resource: discovered.resource.as_ref(),
            scopes: &scopes,
        });
        Ok(Self {
            host,
            ask,
            discovered,
            scopes,
            wanted,
            key,
        })
    }

    /// One way through: client, port, browser, callback, code. `anew` gives up the registration
    /// that there is.
    pub(crate) async fn attempt(
        &self,
        anew: Option<ReregistrationReason>,
    ) -> Result<Record, FailedAttempt> {
        let dpop = self.dpop_signer()?;
        let client = self.client(anew).await?;
        let mut pending = self.authorization_request(&client)?;
        let pushed = self.push(&mut pending, &client).await?;
        let unproven = client.again && !pushed && !self.is_proven(&client.registration);
        let server = &self.ask.key.server;
        if unproven && !registration::still_known(&*self.host.http, server, pending.url()).await {
            return Err(self.forgotten(None));
        }
        let visit = BrowserRequest {
            url: pending.url(),
            redirect_uri: pending.redirect_uri(),
            port: client.listener.port,
        };
        let server = server.as_str();
        let waiting = Waiting {
            host: self.host,
            pending: &pending,
            visit,
            server,
            hint: late_hint(&client.registration, pending.redirect_uri()),
        };
        let mut door = CallbackServer::open(client.listener);
        let registration = client.registration;
        let terms = ExchangeParams {
            again: client.again,
            dpop,
        };
        let device = self.device_road(&registration, terms.dpop.as_ref());
        let answered = waiting.run(&mut door, device).await;
        // Whoever comes now is too late, and is told so.
        door.stop_listening();
        let (kind, tokens, visitor) = match answered {
            Ok(CallbackOutcome::Tokens(tokens)) => (GrantKind::DeviceCode, Ok(*tokens), None),
            Ok(CallbackOutcome::Code(code, visitor)) => {
                self.host.interaction.event(LoginEvent::CodeReceived);
                let tokens = self.redeem(pending, code, &registration, &terms).await;
                (GrantKind::AuthorizationCode, tokens, visitor)
            }
            Err(error) => {
                if error.kind() == LoginErrorKind::Timeout && client.again {
                    self.doubt(&registration).await;
                }
                (GrantKind::AuthorizationCode, Err(error.into()), None)
            }
        };
        let outcome = tokens.map(|tokens| self.signed_in(kind, tokens, registration, terms));
        if let Some(visitor) = visitor {
            visitor.show(match &outcome {
                Ok(_) => Page::SignedIn {
                    server: server.to_owned(),
                    client: self.host.client_name.clone(),
                },
                Err(
                    FailedAttempt::Failed(error) | FailedAttempt::ReregistrationReason(_, error),
                ) => await_callback::failed(server, error),
            });
        }
        door.close().await;
        outcome
    }

    /// The client and its port, registered and kept where that is needed.
    async fn client(&self, anew: Option<ReregistrationReason>) -> Result<Client, LoginError> {
        let candidates = Candidates {
            settings: self.ask.settings,
            metadata: &self.discovered.server,
            previous: self.ask.previous,
            scopes: &self.scopes,
            wanted: &self.wanted,
            reason: self.ask.reason,
            now: self.host.clock.now(),
        };
        let client = match candidates.choose(anew)? {
            Choice::Known(mut registration) => {
                let listener = self.listen().await?;
                registration.redirect_uri = Some(listener.redirect_uri.clone());
                Client {
                    registration,
                    listener,
                    again: false,
                }
            }
            Choice::Again(registration, address) => match address.bind().await {
                Ok(listener) => Client {
                    registration,
                    listener,
                    again: true,
                },
                Err(error) => {
                    tracing::debug!(%error, "the port of the registration can't be had");
                    self.register(Some(ReregistrationReason::PortTaken)).await?
                }
            },
            Choice::Register(why) => self.register(why).await?,
        };
        self.host.interaction.event(LoginEvent::Client {
            client_id: &client.registration.client_id,
            origin: client.registration.origin,
            reused: client.again,
        });
        Ok(client)
    }

    /// The URL for the browser, and what its answer is checked against.
    fn authorization_request(&self, client: &Client) -> Result<PendingAuthorization, LoginError> {
        let mut extra = self.host.parameters.clone();
        if extra.iter().all(|(name, _)| name != "prompt") {
            let prompt = self.prompt();
            extra.extend(prompt.map(|prompt| ("prompt".to_owned(), prompt)));
        }
        let request = AuthorizationRequest {
            metadata: &self.discovered.server,
            client_id: &client.registration.client_id,
            redirect_uri: &client.listener.redirect_uri,
            resource: self.resource(),
            scopes: &self.scopes,
            pkce_waived: self.discovered.pkce_waived(self.ask.settings),
            extra: &extra,
        };
        request.begin(&*self.host.entropy).map_err(|error| {
            let what = format!("no sign-in to {} can be asked for", self.ask.key.server);
            LoginError::new(LoginErrorKind::Request, error.remedy(), what)
                .with_hint(error.hint())
                .with_source(error)
        })
    }

    /// What the authorization server shall ask the person (`OpenID` Connect Core §3.1.2.1).
    fn prompt(&self) -> Option<String> {
        let another_account = self.host.another_account.then_some("select_account");
        // OpenID Connect Core §11: without a consent there is no offline access.
        let offline = self.scopes.contains(scopes::OFFLINE_ACCESS);
        let words: Vec<_> = another_account
            .into_iter()
            .chain(offline.then_some("consent"))
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Takes a port as the settings want it.
    pub(crate) async fn listen(&self) -> Result<CallbackListener, LoginError> {
        self.wanted.bind().await.map_err(|error| {
            let callback = &self.ask.settings.callback;
            let what = match callback.port {
                Some(port) => format!("the callback port {port} of {} can't be had", callback.host),
                None => format!("no callback port of {} can be had", callback.host),
            };
            let hint = callback.port.map(|port| {
                format!(
                    "end the program that listens on port {port}, or set another callback port \
                     (the client's registration has to name it)"
                )
            });
            LoginError::new(LoginErrorKind::CallbackPort, Remedy::Configure, what)
                .with_hint(hint)
                .with_source(error)
        })
    }

    pub(crate) fn resource(&self) -> Option<&Resource> {
        self.discovered.resource.as_ref()
    }

    /// The credential's record for this authorization server, if the one before is of it: what it holds
    /// beyond this login survives.
    pub(crate) fn record_before(&self) -> Option<&Record> {
        let issuer = &self.discovered.server.issuer;
        self.ask.previous.filter(|record| record.issuer == *issuer)
    }

    /// A record to be filled: the one before, or an empty one.
    pub(crate) fn record(&self) -> Record {
        let metadata = self.discovered.server.clone();
        let settings = self.ask.settings.fingerprint();
        match self.record_before() {
            Some(before) => {
                let mut record = before.clone();
                record.metadata = metadata;
                record.settings = settings;
                record
            }
            None => Record::new(self.ask.key.clone(), metadata, settings),
        }
    }

    /// Saves a fresh registration before the browser opens, so that a login that is broken off does
    /// not register again. Not where a usable grant stands: its refresh token belongs to the client
    /// before, and must survive a login that comes to nothing; but for a migration, where the
    /// server has refused that grant for good.
    pub(crate) async fn keep(&self, registration: &Registration) -> Result<(), LoginError> {
        let has_grant = self.ask.previous.is_some_and(Record::is_signed_in);
        if has_grant && self.ask.reason != SignInReason::Migration {
            return Ok(());
        }
        let mut record = self.record();
        record.registration = Some(registration.clone());
        record.grant = None;
        record.fence = None;
        if !matches!(record.state, State::SignInRequired(_)) {
            record.state = State::Registered;
        }
        self.ask.keep.save(&record).await.map_err(|error| {
            let what = "the new registration could not be saved";
            let hint = error.hint().map(str::to_owned);
            LoginError::new(LoginErrorKind::Store, error.remedy(), what)
                .with_hint(hint)
                .with_source(error)
        })
    }

    /// Nobody came back: perhaps the server has forgotten the client after all, so the next login
    /// asks in advance.
    async fn doubt(&self, registration: &Registration) {
        let mut doubted = registration.clone();
        if doubted.proven_at.take().is_some()
            && let Err(error) = self.keep(&doubted).await
        {
            tracing::debug!(%error, "the doubt was not saved");
        }
    }

    /// Whether the server is known to know the registration: by the grant that asks for more, or by
    /// a sign-in not long ago.
    pub(crate) fn is_proven(&self, registration: &Registration) -> bool {
        let now = self.host.clock.now();
        let lately = |proven_at| now.saturating_since(proven_at) < PROOF_HOLDS;
        self.ask.reason == SignInReason::StepUp || registration.proven_at.is_some_and(lately)
    }

    /// The server does not know the dynamic registration that was used again.
    pub(crate) fn forgotten(&self, answer: Option<TokenError>) -> FailedAttempt {
        let what = format!(
            "{} no longer accepts the client that was registered there",
            self.discovered.server.issuer
        );
        let mut error = LoginError::new(LoginErrorKind::Registration, Remedy::Report, what);
        if let Some(answer) = answer {
            error = error.with_source(answer);
        }
        FailedAttempt::ReregistrationReason(ReregistrationReason::Refused, Box::new(error))
    }
}

/// Why a person may not have come back.
fn late_hint(registration: &Registration, redirect_uri: &str) -> String {
    let registered = match registration.origin {
        RegistrationOrigin::PreRegistered => format!(
            "if its page complained about the redirect URI, register {redirect_uri} with the client \
             `{}` or set the callback that is registered",
            quote(registration.client_id.as_str())
        ),
        RegistrationOrigin::MetadataDocument => format!(
            "if its page complained about the redirect URI, the client's metadata document has to \
             list {redirect_uri}"
        ),
        _ => "if its page complained about the client, forget the registration and sign in \
                    again"
            .to_owned(),
    };
    format!("if the browser runs on another machine, paste the address it ended at; {registered}")
}
