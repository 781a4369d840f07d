//! The authorizer: a user in a browser.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hallpass_core::{
    AuthorizeError, Authorizer, BoxFuture, Clock, Entropy, HttpClient, Record, Scopes, SignIn,
};

use hallpass_discovery::MetadataSource;
use hallpass_session::{MAX_SIGN_IN_TIME, Ports};

use crate::{
    Interaction, LoginError, LoginErrorKind, LoginEvent, LoginWarning,
    login::{FailedAttempt, Host, Login},
};

/// Signs a user in through a browser, with the authorization code grant (RFC 6749 §4.1, PKCE,
/// RFC 8252).
///
/// It is the usual [`Authorizer`] of an interactive program. One login runs discovery, finds
/// or registers the client, takes the callback port, has the [`Interaction`] open the browser, waits
/// for the callback (or its pasted URL), and exchanges the code.
///
/// It runs on a tokio runtime with time and I/O enabled. Dropping the future ends the login and
/// frees the port; a registration that was made is kept.
#[derive(Debug, Clone)]
pub struct BrowserLogin(Host);

/// Puts a [`BrowserLogin`] together.
#[derive(Debug, Clone)]
#[must_use]
pub struct BrowserLoginBuilder(Host);

/// A login that runs; its end is an event, also where its future is dropped.
struct End<'a>(&'a dyn Interaction);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.event(LoginEvent::Ended);
    }
}

impl BrowserLogin {
    /// How long the user may take by default: five minutes.
    pub const TIMEOUT: Duration = Duration::from_secs(300);

    /// How long the user may take at most. Other processes wait as long for the sign-in, and no longer.
    pub const MAX_TIMEOUT: Duration = MAX_SIGN_IN_TIME;

    /// Starts with the ports of the host.
    pub fn builder(
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        interaction: Arc<dyn Interaction>,
    ) -> BrowserLoginBuilder {
        BrowserLoginBuilder(Host {
            ports: Ports {
                http,
                clock,
                entropy,
            },
            interaction,
            timeout: Self::TIMEOUT,
            client_name: "Hallpass".to_owned(),
            device_grant: false,
            another_account: false,
        })
    }

    /// Runs the login; the error says how far it came.
    ///
    /// # Errors
    ///
    /// A [`LoginError`]. Whatever was saved before is still there.
    pub async fn run(&self, request: SignIn<'_>) -> Result<Record, LoginError> {
        let _end = End(&*self.0.interaction);
        let login = Login::start(&self.0, request).await?;
        let mut scopes = self.choose_scopes(&login);
        let mut reregister = None;
        loop {
            let plan = login.inputs().plan_again(scopes.clone(), reregister)?;
            login.inputs().check_addresses(&*self.0.ports.http)?;
            if let Some(token_host) = &plan.token_host {
                login.confirm(token_host).await?;
            }
            match login.attempt(&plan).await {
                Ok(record) => return Ok(record),
                Err(FailedAttempt::Failed(error)) => return Err(*error),
                // Once: the next attempt names scopes.
                Err(FailedAttempt::ScopeMissing(instead, error)) => {
                    tracing::debug!(%error, %instead, "the sign-in begins again with scopes");
                    scopes = instead;
                }
                // Once for each reason: a server that refuses what it has just registered is not
                // asked without end.
                Err(FailedAttempt::Reregister(reason, error)) => {
                    if reregister.is_some_and(|tried| tried >= reason) {
                        return Err(*error);
                    }
                    reregister = Some(reason);
                }
            }
        }
    }

    /// The scopes of the login, as the host chooses them.
    fn choose_scopes(&self, login: &Login<'_>) -> Scopes {
        let interaction = &self.0.interaction;
        let scopes = interaction.choose_scopes(login.inputs().scopes());
        interaction.event(LoginEvent::Discovered {
            issuer: &login.discovered.server.issuer,
            resource: login.discovered.resource.as_ref(),
            scopes: &scopes,
        });
        if let Some(status) = login.request.unexpected_status {
            let server = login.request.key.server.clone();
            let warning = LoginWarning::UnexpectedStatus { server, status };
            interaction.event(LoginEvent::Warning(warning));
        }
        let discovered = &login.discovered;
        if let Some(origin) = discovered.resource_metadata_origin.clone() {
            let warning = LoginWarning::MetadataElsewhere { origin };
            interaction.event(LoginEvent::Warning(warning));
        }
        if discovered.source == MetadataSource::Guessed {
            interaction.event(LoginEvent::Warning(LoginWarning::GuessedEndpoints));
        }
        if self.0.device_grant && !login.inputs().offers_device_grant() {
            let issuer = discovered.server.issuer.clone();
            let warning = LoginWarning::NoDeviceGrant { issuer };
            interaction.event(LoginEvent::Warning(warning));
        }
        scopes
    }
}

impl BrowserLoginBuilder {
    /// How long the user may take, from the first question or from the moment the browser is asked to open. So
    /// long the login also waits for another process that asks the user already. More than
    /// [`MAX_TIMEOUT`](BrowserLogin::MAX_TIMEOUT) counts as that.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout.min(BrowserLogin::MAX_TIMEOUT);
        self
    }

    /// The program's name: for the consent page, where the server's settings name none, and for the
    /// page the browser ends at.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.0.client_name = name.into();
        self
    }

    /// Whether the device grant (RFC 8628) is offered beside the browser, where the server has it: for
    /// machines without a browser. It costs a request, and shows the user a second way to sign in. A
    /// client that this login registers is registered for both grants.
    pub fn device_grant(mut self, offered: bool) -> Self {
        self.0.device_grant = offered;
        self
    }

    /// Whether the user has another account on the server already, so that the authorization
    /// server should ask which one it is to be (`prompt=select_account`, `OpenID` Connect Core
    /// §3.1.2.1) instead of taking the one that the browser is signed in with. A `prompt` among the
    /// settings' [`authorize_parameters`](hallpass_core::ServerSettings::authorize_parameters) takes
    /// its place.
    pub fn another_account(mut self, another: bool) -> Self {
        self.0.another_account = another;
        self
    }

    /// The authorizer.
    #[must_use]
    pub fn build(self) -> BrowserLogin {
        BrowserLogin(self.0)
    }
}

impl Authorizer for BrowserLogin {
    fn authorize<'a>(
        &'a self,
        request: SignIn<'a>,
    ) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        Box::pin(async move { self.run(request).await.map_err(AuthorizeError::from) })
    }

    /// The user has as much time for the sign-in of another process as for one of this login.
    fn waits_for_process<'a>(&'a self, holder: Option<&'a str>) -> BoxFuture<'a, AuthorizeError> {
        let shown = self.0.interaction.waits_for_process(holder);
        let timeout = self.0.timeout;
        let limit = self.0.ports.clock.sleep(timeout);
        Box::pin(async move {
            let shown = async {
                shown.await;
                std::future::pending::<Infallible>().await
            };
            tokio::select! {
                biased;
                never = shown => match never {},
                () = limit => {}
            }
            let holder = holder.unwrap_or("another process");
            let what = format!(
                "{holder} asks the user to sign in, and that was not finished within {} s",
                timeout.as_secs()
            );
            LoginError::new(LoginErrorKind::Timeout, what).into()
        })
    }
}
