//! From the parts of a session to the session.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{
    Authorizer, Clock, CredentialStore, Entropy, HttpClient, NoAuthorizer, Remedy, ServerSettings,
    Slot, TokenSource,
};
use hallpass_oauth::{ClientKey, ClientKeyError};

use super::Session;
use crate::{
    shared::{Parts, Shared},
    system::{OsEntropy, SystemClock},
};

/// Puts a [`Session`] together.
#[derive(Debug)]
#[must_use]
pub struct SessionBuilder {
    slot: Slot,
    settings: ServerSettings,
    store: Option<Arc<dyn CredentialStore>>,
    http: Option<Arc<dyn HttpClient>>,
    authorizer: Option<Arc<dyn Authorizer>>,
    token_source: Option<Arc<dyn TokenSource>>,
    clock: Option<Arc<dyn Clock>>,
    entropy: Option<Arc<dyn Entropy>>,
    refreshes_ahead: bool,
}

impl SessionBuilder {
    pub(super) fn new(slot: Slot, settings: ServerSettings) -> Self {
        Self {
            slot,
            settings,
            store: None,
            http: None,
            authorizer: None,
            token_source: None,
            clock: None,
            entropy: None,
            refreshes_ahead: false,
        }
    }

    /// Where the credentials are kept.
    pub fn store(mut self, store: Arc<dyn CredentialStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// What sends the requests.
    pub fn http(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// Who signs in. Without one every sign-in is refused.
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// Takes every token from `source`. Nobody signs in then, nothing is refreshed and nothing is
    /// kept: the store and the authorizer are not asked.
    pub fn token_source(mut self, source: Arc<dyn TokenSource>) -> Self {
        self.token_source = Some(source);
        self
    }

    /// Refreshes a token some time before it has to be, so that no request waits for that: at a
    /// random moment, lest all hosts come at once, and only if the token was used since the last
    /// refresh. An idle session refreshes nothing.
    pub fn refresh_ahead(mut self) -> Self {
        self.refreshes_ahead = true;
        self
    }

    /// What tells the time; the computer's clocks by default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where the random part of a proof of possession comes from; the operating system by default.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = Some(entropy);
        self
    }

    /// The session. Nothing is read or sent yet.
    ///
    /// # Errors
    ///
    /// When the store or the HTTP client is missing, or the client's key can't be read.
    pub fn build(self) -> Result<Session, IncompleteSession> {
        let missing = |what| IncompleteSession(Lack::Part(what));
        let key = self.settings.client.key.as_ref();
        let client_key = key
            .map(ClientKey::open)
            .transpose()
            .map_err(|error| IncompleteSession(Lack::Key(error)))?;
        Ok(Session(Arc::new(Shared::new(Parts {
            slot: self.slot,
            settings: self.settings,
            client_key,
            store: self.store.ok_or(missing("credential store"))?,
            http: self.http.ok_or(missing("HTTP client"))?,
            authorizer: self.authorizer.unwrap_or_else(|| Arc::new(NoAuthorizer)),
            token_source: self.token_source,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            entropy: self.entropy.unwrap_or_else(|| Arc::new(OsEntropy)),
            refreshes_ahead: self.refreshes_ahead,
        }))))
    }
}

/// A session that lacks something it can't do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncompleteSession(Lack);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    Part(&'static str),
    Key(ClientKeyError),
}

impl IncompleteSession {
    /// What to do about it: the host's code has to give what is missing, or the person another key.
    pub fn remedy(&self) -> Remedy {
        match &self.0 {
            Lack::Part(_) => Remedy::Report,
            Lack::Key(error) => error.remedy(),
        }
    }

    /// Advice for a person, if there is any.
    pub fn hint(&self) -> Option<String> {
        match &self.0 {
            Lack::Part(_) => None,
            Lack::Key(error) => error.hint(),
        }
    }
}

impl fmt::Display for IncompleteSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Lack::Part(missing) => write!(f, "a session needs a {missing}"),
            Lack::Key(_) => f.write_str("the key of the client can't be used"),
        }
    }
}

impl Error for IncompleteSession {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Lack::Part(_) => None,
            Lack::Key(error) => Some(error),
        }
    }
}
