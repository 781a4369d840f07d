//! The user interface of a login, as a trait.

use std::fmt;

use hallpass_core::{BoxError, BoxFuture, Diagnostic, Remedy, Scopes};
use url::Url;

use crate::{LoginEvent, TokenHost};

/// User interface of a login: a terminal, a window, a test.
///
/// A login opens nothing and prints nothing by itself. An implementation never hands a URL to a
/// shell; [`open_commands`](crate::open_commands) names the program to start instead.
pub trait Interaction: Send + Sync + fmt::Debug {
    /// Opens `url`, which is `http` or `https`, in the user's browser.
    ///
    /// It returns once the browser was asked, not once the user has signed in. An error does not end
    /// the login: the URL was in [`LoginEvent::OpenUrl`] already, and the user may open it by hand.
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>>;

    /// Receives the login's events. Must not block.
    fn event(&self, event: LoginEvent<'_>);

    /// Which scopes to ask for, out of those that a login found: the setting's, else the challenge's,
    /// else the resource metadata's, and what a step-up adds. A host may leave some out or add to
    /// them. The record keeps what was asked for, so that a later step-up asks for it again.
    fn choose_scopes(&self, found: Scopes) -> Scopes {
        found
    }

    /// Asks the user whether the result of the sign-in may go where `token_host` says, which may be another
    /// operator's server than the one of the sign-in page, or of the page for a device code. `None`: no user
    /// can answer, which ends the login, or the device grant, with the setting that answers it. Each pair of
    /// hosts is asked about before the browser opens, and [`pasted`](Self::pasted) is not called meanwhile.
    fn confirm_token_host<'a>(&'a self, token_host: &'a TokenHost) -> BoxFuture<'a, Option<bool>> {
        let _ = token_host;
        Box::pin(async { None })
    }

    /// Another process asks the user to sign in to the same account. The session waits for the result, and
    /// this login begins only if that fails to give what is needed. `holder` is that process, as the store
    /// describes it. What this returns runs beside the wait and is dropped when that ends.
    fn waits_for_process<'a>(&'a self, holder: Option<&'a str>) -> BoxFuture<'a, ()> {
        let _ = holder;
        Box::pin(async {})
    }

    /// The next text that the user pasted: the whole URL where the browser ended, for a browser on
    /// another machine that can't reach the callback port. `None`: no text will be pasted.
    ///
    /// It is raced with the callback port, and dropped when that wins. A text that is refused comes
    /// back as [`LoginEvent::PasteRefused`], and the next one is awaited.
    fn pasted(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async { None })
    }
}

/// A browser that was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The host opens no browser on purpose (`--no-browser`, no display): not a fault.
    #[error("no browser is opened here")]
    Declined,
    /// No browser came up.
    #[error("{what}")]
    Failed {
        /// What was tried, in lower case and without a full stop.
        what: String,
        /// The cause, if it is known.
        source: Option<BoxError>,
    },
}

impl OpenError {
    /// No browser came up; `what` says what was tried, in lower case and without a full stop.
    pub fn new(what: impl Into<String>) -> Self {
        Self::Failed {
            what: what.into(),
            source: None,
        }
    }

    /// No browser came up, because of `cause`.
    pub fn with_cause(what: impl Into<String>, cause: impl Into<BoxError>) -> Self {
        Self::Failed {
            what: what.into(),
            source: Some(cause.into()),
        }
    }
}

impl Diagnostic for OpenError {
    /// The host has to be told how a browser is started here.
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}
