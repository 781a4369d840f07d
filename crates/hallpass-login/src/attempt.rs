//! One attempt of a login: the run of its plan.

use std::time::Duration;

use hallpass_core::{
    ClientId, Hint, Record, Registration, Remedy, quote,
    record::{GrantKind, RegistrationOrigin},
    redacted_url,
};
use hallpass_discovery::MetadataSource;
use hallpass_oauth::{AuthorizationRequestError, CallbackError, PendingAuthorization, TokenError};

use crate::{
    BrowserRequest, LoginError, LoginErrorKind, LoginEvent, LoginWarning, PlannedClient,
    ReregistrationReason,
    await_callback::{AwaitCallback, CallbackOutcome, PageRefusal, failure_page},
    callback_server::CallbackServer,
    client_check::{self, Refusal, Verdict},
    code_exchange::ExchangeParams,
    login::{Client, FailedAttempt, Login},
    page::Page,
    plan::LoginPlan,
};

/// When the authorization endpoint is asked why no callback comes, at the latest: before that, half the
/// time limit is over.
const CHECK_DELAY: Duration = Duration::from_secs(5);

impl Login<'_> {
    /// Client, port, browser, callback, code.
    pub(crate) async fn attempt(&self, plan: &LoginPlan) -> Result<Record, FailedAttempt> {
        let dpop = self.dpop(plan)?;
        self.check_authorization_request(plan)?;
        let client = self.client(plan).await?;
        let mut pending = self.authorization_request(plan, &client)?;
        let pushed = self.push(&mut pending, &client, plan, &dpop).await?;
        let is_checked = client.is_reused && !pushed && !self.is_proven(&client.registration);
        self.look_first(&client, &pending, is_checked).await?;
        let Client {
            registration,
            listener,
            is_reused,
        } = client;
        let params = ExchangeParams { is_reused, dpop };
        let device = self.start_device_grant(plan, &registration, &params.dpop);
        let device = match device.await {
            Ok(device) => device,
            Err(error) => return Err(self.without_scopes(plan, error)),
        };
        let proven_at = registration.proven_at;
        let is_proof_removed = is_reused && !pushed && proven_at.is_some();
        if is_proof_removed {
            self.save_proof(&registration, None).await;
        }
        let browser_request = BrowserRequest {
            url: pending.url(),
            redirect_uri: pending.redirect_uri(),
            port: listener.port,
        };
        let server = self.request.key.server.as_str();
        let waiting = AwaitCallback {
            host: self.host,
            time_left: self.time_left(),
            pending: &pending,
            browser_request,
            server,
            consent_hints: plan.consent_hints(),
            issuer_hints: self.explicit_issuer_hints(),
            timeout_hints: self.timeout_hints(plan, &registration, &pending),
        };
        if self.inputs().scopes_instead(plan).is_some() {
            let event = LoginEvent::Warning(LoginWarning::NoScopes);
            self.host.interaction.event(event);
        }
        let mut callbacks = CallbackServer::start(listener);
        let is_unknown = !is_checked && !pushed && !self.is_proven(&registration);
        let refused = Box::pin(self.refused_at_browser(is_unknown, &registration, &pending));
        let outcome = waiting.run(&mut callbacks, device, refused).await;
        // Later requests get the page that says so.
        callbacks.stop_listening();
        let (kind, tokens, responder) = match outcome {
            Ok(CallbackOutcome::Tokens(tokens)) => (GrantKind::DeviceCode, Ok(*tokens), None),
            Ok(CallbackOutcome::Code(code, responder)) => {
                self.host.interaction.event(LoginEvent::CodeReceived);
                let tokens = self
                    .exchange_code(pending, code, &registration, &params)
                    .await;
                (GrantKind::AuthorizationCode, tokens, responder)
            }
            Err(error) => {
                let failed = self.without_scopes(plan, error);
                (GrantKind::AuthorizationCode, Err(failed), None)
            }
        };
        if is_proof_removed
            && let Err(FailedAttempt::Failed(error)) = &tokens
            && !matches!(
                error.kind(),
                LoginErrorKind::Timeout | LoginErrorKind::CallbackPort
            )
        {
            // The callback came, so the server knows the client.
            self.save_proof(&registration, proven_at).await;
        }
        let outcome = tokens.map(|tokens| self.signed_in(plan, kind, tokens, registration, params));
        if let Some(responder) = responder {
            responder.send(match &outcome {
                Ok(_) => Page::SignedIn {
                    server: server.to_owned(),
                    client: self.host.client_name.clone(),
                },
                Err(failed) => failure_page(server, failed.error()),
            });
        }
        callbacks.close().await;
        outcome
    }

    /// Looks at the authorization endpoint before the browser opens: whether it still knows a registration,
    /// where `is_checked`, and whether a guessed one is there.
    async fn look_first(
        &self,
        client: &Client,
        pending: &PendingAuthorization,
        is_checked: bool,
    ) -> Result<(), FailedAttempt> {
        let server = &self.request.key.server;
        let http = &*self.host.ports.http;
        if is_checked {
            let is_accepted = match client_check::verdict(http, server, pending.url()).await {
                Verdict::Accepted => true,
                // The last login ended without a callback. Registering again costs little.
                Verdict::Unexplained => client.registration.proven_at.is_some(),
                Verdict::Refused { .. } => false,
            };
            if !is_accepted {
                return Err(self.registration_refused(None));
            }
        }
        if self.discovered.source == MetadataSource::Guessed
            && let Some(status) = client_check::absence(http, server, pending.url()).await
        {
            let what = format!(
                "no sign-in to {server}: the guessed {} answered {}",
                redacted_url(pending.url()),
                status.as_u16()
            );
            let error = LoginError::new(LoginErrorKind::Discovery, what);
            return Err(error.with_hints(self.guess_hints()).into());
        }
        Ok(())
    }

    /// What a failure means for a sign-in that named no scopes.
    pub(crate) fn without_scopes(&self, plan: &LoginPlan, error: LoginError) -> FailedAttempt {
        let source = std::error::Error::source(&error);
        let callback = source.and_then(<dyn std::error::Error>::downcast_ref::<CallbackError>);
        let answer = source.and_then(<dyn std::error::Error>::downcast_ref::<TokenError>);
        let code = callback
            .and_then(CallbackError::code)
            .or_else(|| answer.and_then(TokenError::code));
        match self.inputs().scopes_instead(plan) {
            Some(scopes) if code == Some("invalid_scope") => {
                FailedAttempt::ScopeMissing(scopes, Box::new(error))
            }
            _ => error.into(),
        }
    }

    /// Why the browser may not have come back.
    fn timeout_hints(
        &self,
        plan: &LoginPlan,
        registration: &Registration,
        pending: &PendingAuthorization,
    ) -> Vec<Hint> {
        let mut hints = plan.consent_hints();
        if self.inputs().scopes_instead(plan).is_some() {
            hints.extend(
                [
                    LoginWarning::NoScopes.hint(),
                    Some(Hint::text("if its page complained about the scope")),
                ]
                .into_iter()
                .flatten(),
            );
        }
        let why = timeout_hint(registration, pending.redirect_uri());
        hints.push(why.into());
        hints
    }

    /// The client and its port, registered and saved where that is needed.
    async fn client(&self, plan: &LoginPlan) -> Result<Client, LoginError> {
        let client = match &plan.client {
            PlannedClient::Configured(registration) => {
                let listener = self.listen(&plan.callback).await?;
                let mut registration = registration.clone();
                registration.redirect_uri = Some(listener.redirect_uri.clone());
                Client {
                    registration,
                    listener,
                    is_reused: false,
                }
            }
            PlannedClient::Reused(registration) => match plan.planned_callback().bind().await {
                Ok(listener) => Client {
                    registration: registration.clone(),
                    listener,
                    is_reused: true,
                },
                Err(error) => {
                    tracing::debug!(%error, "can't listen on the port of the registration");
                    let reason = ReregistrationReason::PortTaken;
                    self.register(plan, Some(reason)).await?
                }
            },
            PlannedClient::Register(reason) => self.register(plan, *reason).await?,
        };
        self.host.interaction.event(LoginEvent::Client {
            client_id: &client.registration.client_id,
            origin: client.registration.origin,
            reused: client.is_reused,
        });
        Ok(client)
    }

    /// The URL for the browser, and what its answer is checked against.
    fn authorization_request(
        &self,
        plan: &LoginPlan,
        client: &Client,
    ) -> Result<PendingAuthorization, LoginError> {
        let (id, redirect_uri) = (
            &client.registration.client_id,
            &client.listener.redirect_uri,
        );
        let inputs = self.inputs();
        let extra = inputs.parameters(plan.prompt.as_deref());
        let request = inputs.authorization_request(id, redirect_uri, &plan.scopes, &extra);
        let begun = request.begin(&*self.host.ports.entropy);
        begun.map_err(|error| self.impossible_request(error))
    }

    /// Refuses a request that can't be made before a client is registered for it.
    fn check_authorization_request(&self, plan: &LoginPlan) -> Result<(), LoginError> {
        let inputs = self.inputs();
        let extra = inputs.parameters(plan.prompt.as_deref());
        let id = ClientId::new("");
        let request = inputs.authorization_request(&id, "", &plan.scopes, &extra);
        let checked = request.check();
        checked.map_err(|error| self.impossible_request(error))
    }

    /// Ends when the authorization endpoint shows an error page, with which no browser comes back. It is
    /// asked once where `is_unknown`, and only a while after the browser: most users are back by then.
    async fn refused_at_browser(
        &self,
        is_unknown: bool,
        registration: &Registration,
        pending: &PendingAuthorization,
    ) -> PageRefusal {
        if is_unknown {
            let ports = &self.host.ports;
            ports
                .clock
                .sleep(CHECK_DELAY.min(self.host.timeout / 2))
                .await;
            let server = &self.request.key.server;
            let verdict = client_check::verdict(&*ports.http, server, pending.url()).await;
            if let Verdict::Refused {
                refusal,
                is_certain,
            } = verdict
            {
                return PageRefusal {
                    error: self.request_refused(refusal, registration, pending),
                    is_certain,
                };
            }
        }
        std::future::pending().await
    }

    /// The authorization endpoint shows an error page to the browser.
    fn request_refused(
        &self,
        refusal: Refusal,
        registration: &Registration,
        pending: &PendingAuthorization,
    ) -> LoginError {
        let issuer = &self.discovered.server.issuer;
        let id = quote(registration.client_id.as_str());
        let (what, hints) = match refusal {
            Refusal::Client => (
                format!("{issuer} does not know the client `{id}`"),
                vec![Hint::setting("client", None)],
            ),
            Refusal::RedirectUri(refused) => (
                format!(
                    "{issuer} does not accept the redirect URI {} of the client `{id}`",
                    pending.redirect_uri()
                ),
                self.redirect_uri_hints(refused, registration.origin),
            ),
        };
        LoginError::new(LoginErrorKind::Request, what)
            .with_remedy(Remedy::Configure)
            .with_hints(hints)
    }

    fn impossible_request(&self, error: AuthorizationRequestError) -> LoginError {
        let what = format!(
            "the authorization request for {} can't be made",
            self.request.key.server
        );
        LoginError::new(LoginErrorKind::Request, what).with_cause(error)
    }
}

/// Why the browser may not have come back.
fn timeout_hint(registration: &Registration, redirect_uri: &str) -> String {
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
