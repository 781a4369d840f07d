//! Waits for the user: the callback port, a pasted URL, the device grant and the timeout, whichever
//! comes first.

use std::{future::pending as never, time::Duration};

use hallpass_core::{BoxFuture, Hint};
use hallpass_oauth::{
    AuthorizationCode, CallbackError, CallbackErrorKind, PendingAuthorization, TokenResponse,
};

use crate::{
    BrowserRequest, LoginError, LoginErrorKind, LoginEvent, ManualCallbackError,
    callback_server::{CallbackServer, Responder},
    login::Host,
    manual_callback,
    page::Page,
};

/// One wait, from the authorization URL to its answer.
#[derive(Debug)]
pub(crate) struct AwaitCallback<'a> {
    pub(crate) host: &'a Host,
    /// How long the user may still take.
    pub(crate) time_left: Duration,
    pub(crate) pending: &'a PendingAuthorization,
    pub(crate) browser_request: BrowserRequest<'a>,
    /// The MCP server's URL, for the page.
    pub(crate) server: &'a str,
    /// What to tell the user where asking for consent may be what failed.
    pub(crate) consent_hints: Vec<Hint>,
    /// What to tell the user where the callback's `iss` is not the issuer.
    pub(crate) issuer_hints: Vec<Hint>,
    /// What to tell the user after the timeout.
    pub(crate) timeout_hints: Vec<Hint>,
}

/// An error page of the authorization endpoint, from which no callback comes.
#[derive(Debug)]
pub(crate) struct PageRefusal {
    pub(crate) error: LoginError,
    /// Whether no user can go on from the page.
    pub(crate) is_certain: bool,
}

/// How the user came back.
#[derive(Debug)]
pub(crate) enum CallbackOutcome {
    /// A code whose `state` and `iss` are right, and the browser that waits for a page, if it came
    /// by the port.
    Code(AuthorizationCode, Option<Responder>),
    /// Tokens, by the device grant.
    Tokens(Box<TokenResponse>),
}

impl AwaitCallback<'_> {
    /// Opens the browser and waits. Stray requests are answered and change nothing; the first is an event,
    /// and at the end their number. `device` is the
    /// device grant beside the browser, which needs no callback. `refused` ends when the authorization
    /// endpoint shows an error page: where the user can still finish the login, that is the reason of
    /// the timeout.
    pub(crate) async fn run(
        &self,
        callbacks: &mut CallbackServer,
        device: Option<BoxFuture<'_, Result<Option<TokenResponse>, LoginError>>>,
        refused: BoxFuture<'_, PageRefusal>,
    ) -> Result<CallbackOutcome, LoginError> {
        let mut strays = 0;
        let outcome = self.wait(callbacks, device, refused, &mut strays).await;
        if strays > 1 {
            let event = LoginEvent::Strays { count: strays };
            self.host.interaction.event(event);
        }
        outcome
    }

    async fn wait(
        &self,
        callbacks: &mut CallbackServer,
        mut device: Option<BoxFuture<'_, Result<Option<TokenResponse>, LoginError>>>,
        refused: BoxFuture<'_, PageRefusal>,
        strays: &mut u64,
    ) -> Result<CallbackOutcome, LoginError> {
        let interaction = &*self.host.interaction;
        interaction.event(LoginEvent::OpenUrl(self.browser_request));
        // Raced as well: an opener may not return before its browser ends.
        let mut opening = Some(interaction.open(self.browser_request.url));
        let mut pasting = Some(interaction.pasted());
        let mut looking = Some(refused);
        let mut refusal: Option<PageRefusal> = None;
        let mut limit = self.host.ports.clock.sleep(self.time_left);
        loop {
            if device.is_none()
                && let Some(refusal) = refusal.take_if(|refusal| refusal.is_certain)
            {
                return Err(refusal.error);
            }
            tokio::select! {
                callback = callbacks.next() => {
                    let Some(callback) = callback else {
                        let what = "the callback port closed by itself";
                        return Err(LoginError::new(LoginErrorKind::CallbackPort, what));
                    };
                    match self.pending.receive(&callback.query.0) {
                        Ok(code) => {
                            return Ok(CallbackOutcome::Code(code, Some(callback.responder)));
                        }
                        Err(error) if error.is_fatal() => {
                            let error = self.refused(error);
                            callback.responder.send(failure_page(self.server, &error));
                            return Err(error);
                        }
                        Err(error) => {
                            callback.responder.send(Page::Stray(http::StatusCode::BAD_REQUEST));
                            *strays += 1;
                            if *strays == 1 {
                                let reason = error.to_string();
                                interaction.event(LoginEvent::Stray { reason: &reason });
                            }
                        }
                    }
                }
                text = or_never(&mut pasting) => {
                    // `None`: no user will paste anything.
                    pasting = text.is_some().then(|| interaction.pasted());
                    let Some(text) = text else { continue };
                    match self.receive_pasted(&text) {
                        Ok(code) => return Ok(CallbackOutcome::Code(code, None)),
                        Err(Pasted::Ends(error)) => return Err(*error),
                        Err(Pasted::Refused(error)) => {
                            interaction.event(LoginEvent::PasteRefused { error: &error });
                        }
                    }
                }
                opened = or_never(&mut opening) => {
                    opening = None;
                    interaction.event(match &opened {
                        Ok(()) => LoginEvent::BrowserOpened,
                        Err(error) => LoginEvent::BrowserNotOpened { error },
                    });
                }
                tokens = or_never(&mut device) => {
                    device = None;
                    if let Some(tokens) = tokens? {
                        return Ok(CallbackOutcome::Tokens(Box::new(tokens)));
                    }
                }
                found = or_never(&mut looking) => {
                    looking = None;
                    refusal = Some(found);
                }
                () = &mut limit => return Err(self.timed_out(refusal)),
            }
        }
    }

    fn receive_pasted(&self, text: &str) -> Result<AuthorizationCode, Pasted> {
        let query = manual_callback::parse(
            text,
            self.browser_request.redirect_uri,
            self.browser_request.url,
        )
        .map_err(Pasted::Refused)?;
        self.pending.receive(&query).map_err(|error| {
            if error.is_fatal() {
                Pasted::Ends(Box::new(self.refused(error)))
            } else {
                Pasted::Refused(ManualCallbackError::stray(
                    self.browser_request.redirect_uri,
                    error.to_string(),
                ))
            }
        })
    }

    /// The authorization server's refusal, or a callback that can't be trusted.
    fn refused(&self, error: CallbackError) -> LoginError {
        let kind = match error.kind() {
            CallbackErrorKind::Refused => LoginErrorKind::Denied,
            _ => LoginErrorKind::Callback,
        };
        let what = format!("the sign-in to {} was refused", self.server);
        let hints: &[Hint] = match (error.kind(), error.code()) {
            (CallbackErrorKind::Issuer, _) => &self.issuer_hints,
            (_, Some("access_denied" | "consent_required" | "interaction_required")) => {
                &self.consent_hints
            }
            _ => &[],
        };
        LoginError::new(kind, what)
            .with_hints(hints.iter().cloned())
            .with_cause(error)
    }

    fn timed_out(&self, refusal: Option<PageRefusal>) -> LoginError {
        let seconds = self.host.timeout.as_secs();
        let what = format!(
            "the sign-in to {} was not finished within {seconds} s",
            self.server
        );
        let error = LoginError::new(LoginErrorKind::Timeout, what);
        let error = match refusal {
            Some(refusal) => error.with_cause(refusal.error),
            None => error,
        };
        error.with_hints(self.timeout_hints.iter().cloned())
    }
}

enum Pasted {
    Refused(ManualCallbackError),
    Ends(Box<LoginError>),
}

/// The page for a sign-in that failed.
pub(crate) fn failure_page(server: &str, error: &LoginError) -> Page {
    let why = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Page::Failed {
        server: server.to_owned(),
        why,
    }
}

/// The future's output; never, where there is no future.
async fn or_never<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => never().await,
    }
}
