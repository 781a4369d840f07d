//! The authorizer: a person in a browser.

use std::{sync::Arc, time::Duration};

use hallpass_core::{
    AuthorizeError, Authorizer, BoxFuture, Clock, Entropy, HttpClient, Record, SignIn,
};

use crate::{
    Interaction, LoginError,
    login::{FailedAttempt, Login},
};

/// Signs a person in through a browser, with the authorization code grant (RFC 6749 §4.1, PKCE,
/// RFC 8252).
///
/// It is the usual [`Authorizer`] of a program that people sit at. One login runs discovery, finds
/// or registers the client, takes the callback port, has the [`Interaction`] open the browser, waits
/// for the callback (or its pasted URL), and redeems the code.
///
/// It runs on a tokio runtime with time and I/O enabled. Dropping the future ends the login and
/// frees the port; a registration that was made is kept.
#[derive(Debug, Clone)]
pub struct BrowserLogin {
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) interaction: Arc<dyn Interaction>,
    pub(crate) timeout: Duration,
    pub(crate) client_name: String,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) device: bool,
    pub(crate) another_account: bool,
}

/// Puts a [`BrowserLogin`] together.
#[derive(Debug, Clone)]
#[must_use]
pub struct BrowserLoginBuilder(BrowserLogin);

impl BrowserLogin {
    /// How long a person may take unless the host says otherwise: five minutes.
    pub const TIMEOUT: Duration = Duration::from_secs(300);

    /// Begins with the ports of the host.
    pub fn builder(
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        interaction: Arc<dyn Interaction>,
    ) -> BrowserLoginBuilder {
        BrowserLoginBuilder(Self {
            http,
            clock,
            entropy,
            interaction,
            timeout: Self::TIMEOUT,
            client_name: "Hallpass".to_owned(),
            parameters: Vec::new(),
            device: false,
            another_account: false,
        })
    }

    /// The login, with an error that says how far it came.
    ///
    /// # Errors
    ///
    /// A [`LoginError`]. Whatever was saved before is still there.
    pub async fn run(&self, ask: SignIn<'_>) -> Result<Record, LoginError> {
        let login = Login::begin(self, ask).await?;
        let mut anew = None;
        loop {
            match login.attempt(anew).await {
                Ok(record) => return Ok(record),
                Err(FailedAttempt::Failed(error)) => return Err(*error),
                // Once for each reason, and a fresh registration can't have been forgotten: a server
                // that refuses what it has just registered is not asked for ever.
                Err(FailedAttempt::ReregistrationReason(why, error)) => {
                    if anew.is_some_and(|tried| tried >= why) {
                        return Err(*error);
                    }
                    anew = Some(why);
                }
            }
        }
    }
}

impl BrowserLoginBuilder {
    /// How long the person may take from the moment the browser is asked.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.timeout = limit;
        self
    }

    /// The program's name: for the consent page, where the server's settings name none, and for the
    /// page the browser ends at.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.0.client_name = name.into();
        self
    }

    /// One more parameter of the authorization URL, for the odd server (`access_type=offline`,
    /// `audience`, `prompt`). A login refuses those that it sets itself.
    pub fn authorize_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.0.parameters.push((name.into(), value.into()));
        self
    }

    /// Whether the device grant (RFC 8628) is offered beside the browser, where the server has it:
    /// for machines that no browser can reach. It costs a request, and shows the person a second
    /// way; a client that is registered for it is registered so from then on.
    pub fn device_grant(mut self, offered: bool) -> Self {
        self.0.device = offered;
        self
    }

    /// Whether the person has another account on the server already, so that the authorization
    /// server should ask which one it is to be (`prompt=select_account`, `OpenID` Connect Core
    /// §3.1.2.1) instead of taking the one that the browser is signed in with. A `prompt` of the
    /// host's own [parameters](Self::authorize_parameter) takes its place.
    pub fn another_account(mut self, another: bool) -> Self {
        self.0.another_account = another;
        self
    }

    /// The authorizer.
    #[must_use]
    pub fn build(self) -> BrowserLogin {
        self.0
    }
}

impl Authorizer for BrowserLogin {
    fn authorize<'a>(&'a self, ask: SignIn<'a>) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        Box::pin(async move { self.run(ask).await.map_err(AuthorizeError::from) })
    }
}
