//! Where credentials are kept, which client there is, and where the account stands.

use hallpass_core::{
    CredentialStore, Diagnostic as _, Hint, Record, Remedy, Scopes, SignInReason, State,
    StoreError,
    record::SignInCause,
    store::{StoreDiagnostics, StoreErrorKind},
};
use hallpass_login::{LoginErrorKind, LoginInputs, PlannedClient, ReregistrationReason, TokenHost};
use hallpass_session::{RefusedRefresh, SessionError, SignInNeed};

use crate::{
    Code, Finding, ResponsibleParty, Severity, Step, StepName, clock, diagnosis::Diagnosis,
    metadata, token_endpoint,
};

impl Diagnosis<'_> {
    /// Where credentials are kept, whether they can be read, and which process holds a lock. Reads the record.
    pub(crate) async fn store(&mut self) -> Step {
        let mut step = Step::new(StepName::Store);
        let doctor = self.doctor;
        let description = doctor.store_description.clone();
        if let Some(error) = &doctor.store_error {
            if let Some(description) = description {
                step.push_fact("kept in", description);
            }
            step.push_finding(from_store_error(error));
            return step;
        }
        step.push_fact(
            "kept in",
            description.unwrap_or_else(|| described(&*doctor.parts.store)),
        );
        if !doctor.parts.is_persistent {
            let what = "credentials end with the program that holds them";
            step.push_finding(Finding::new(Code::StoreNotKept, what));
        }
        let session = doctor.parts.hallpass.session();
        let read = session.record().await;
        let is_read = read.is_ok();
        match read {
            // What is stored says nothing about tokens from elsewhere.
            Ok(record) => self.record = record.filter(|_| session.token_source().is_none()),
            Err(SessionError::Store(error)) => step.push_finding(from_store_error(&error)),
            Err(error) => step.push_finding(Finding::from_error(Code::StoreUnreadable, &error)),
        }
        if is_read {
            // Another account's problem does not stop this one.
            let problems = verify(&*doctor.parts.store).await;
            let as_it_is =
                |problem: &StoreError| from_store_error(problem).with_severity(Severity::Warning);
            step.findings.extend(problems.iter().map(as_it_is));
        }
        match session.lock_holders().await {
            Ok(holders) => {
                if let Some(holder) = holders.key {
                    let what = format!("{holder} holds the account's lock, as while it refreshes");
                    step.push_finding(Finding::new(Code::CredentialBusy, what).text(
                        "nothing, if it is gone soon; if that process hangs, end it: the lock goes \
                         with it",
                    ));
                }
                if let Some(holder) = holders.sign_in {
                    let what = format!("{holder} is asking a user to sign in");
                    step.push_finding(
                        Finding::new(Code::SignInUnderWay, what)
                            .text("finish that sign-in, or end that process"),
                    );
                }
            }
            Err(error) if is_read => {
                step.push_finding(Finding::from_error(Code::StoreUnreadable, &error));
            }
            // Said already.
            Err(_) => {}
        }
        step
    }

    /// The client that a sign-in would use, and whether its sign-in would get through at the token
    /// endpoint of `server`, the authorization server's step.
    pub(crate) async fn registration(&mut self, server: &mut Step) -> Step {
        let Some(discovered) = &self.discovered else {
            let why = "no authorization server is known to register with";
            return Step::skipped(StepName::Registration, why);
        };
        let mut step = Step::new(StepName::Registration);
        let inputs = LoginInputs {
            server: &self.key().server,
            settings: self.settings(),
            discovered,
            challenges: self.challenges(),
            previous: self.record.as_ref(),
            reason: SignInReason::Requested,
            added_scopes: &Scopes::none(),
            device_grant: false,
            another_account: false,
            now: self.doctor.parts.clock.now(),
        };
        if let Err(error) = inputs.check_addresses(&self.doctor.parts.http) {
            let found = Finding::from_error(Code::AddressRefused, &error);
            let found = found.with_party(ResponsibleParty::AuthorizationServer);
            server.push_finding(found.with_hints(error.hints()));
        }
        let plan = inputs.plan(inputs.scopes());
        if let Ok(plan) = &plan {
            self.token_endpoint(server, &inputs, plan).await;
            // A token from elsewhere needs no sign-in, and one that fails anyway asks nothing.
            let session = self.doctor.parts.hallpass.session();
            let has_sign_in = session.token_source().is_none() && server.is_passable();
            if let Some(token_host) = plan.token_host.as_ref().filter(|_| has_sign_in) {
                server.push_finding(confirmation(token_host));
            }
            self.authorization_endpoint(&mut step, server, &inputs, plan)
                .await;
            // A client that has signed in is taken as it is.
            if !self.record.as_ref().is_some_and(Record::is_signed_in) {
                let unlisted = token_endpoint::unlisted_authentication(plan, &discovered.server);
                step.findings.extend(unlisted);
            }
            step.findings
                .extend(self.refused_secret(&inputs, plan).await);
        }
        match plan.map(|plan| plan.client) {
            Ok(client @ PlannedClient::Configured(_)) => {
                step.push_fact("client", client.to_string());
            }
            Ok(PlannedClient::Reused(registration)) => {
                let id = &registration.client_id;
                step.push_fact(
                    "client",
                    format!("`{id}`, registered at an earlier sign-in"),
                );
                if let Some(uri) = &registration.redirect_uri {
                    step.push_fact("callback", uri.as_str());
                }
            }
            Ok(PlannedClient::Register(why)) => {
                step.push_fact("client", "registered at the next sign-in (RFC 7591)");
                step.findings.extend(why.map(reregistration));
            }
            Err(error) => {
                let code = match error.kind() {
                    LoginErrorKind::NoClient => Code::NoRegistration,
                    _ => Code::ClientUnusable,
                };
                let found = Finding::from_error(code, &error)
                    .with_remedy(error.remedy())
                    .with_hints(error.hints());
                // A user who is signed in needs no client yet.
                let is_signed_in = self.record.as_ref().is_some_and(Record::is_signed_in);
                let is_needed = !is_signed_in && !self.has_token_source();
                step.push_finding(if is_needed {
                    found
                } else {
                    found.with_severity(Severity::Warning)
                });
            }
            Ok(_) => {}
        }
        step
    }

    /// Where the account stands.
    pub(crate) async fn account(&mut self, store: &Step) -> Step {
        if !store.is_passable() {
            return Step::skipped(StepName::Account, "the store can't be read");
        }
        let mut step = Step::new(StepName::Account);
        if let Some(record) = &self.record {
            step.push_fact("issuer", record.issuer.as_str());
            if let Some(grant) = &record.grant {
                let age = self
                    .doctor
                    .parts
                    .clock
                    .now()
                    .saturating_since(grant.obtained_at);
                let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
                step.push_fact("token from", format!("{} ago", clock::format_seconds(age)));
                let scopes = grant.scopes();
                if !scopes.is_empty() {
                    step.push_fact("scopes", scopes.to_string());
                }
            }
        }
        match self.doctor.parts.hallpass.session().stored_token().await {
            Ok(token) => self.token = Some(token),
            Err(SessionError::SignInRequired(_)) if self.is_open() => {
                step.push_fact("signed in", "no, and the server does not ask for it");
            }
            Err(SessionError::SignInRequired(needed)) => {
                let found = sign_in_needed(&needed);
                let is_next = self.discovered.is_some() || found.code != Code::NotSignedIn;
                // Until there is somewhere to sign in, this is not what stands in the way.
                step.push_finding(if is_next {
                    found
                } else {
                    found.with_severity(Severity::Note)
                });
            }
            Err(error) => step.push_finding(
                Finding::from_error(Code::SignInRequired, &error)
                    .with_remedy(error.remedy())
                    .with_hints(&error.hints()),
            ),
        }
        self.changes_since_sign_in(&mut step);
        step
    }

    /// What has changed since, or will matter later.
    fn changes_since_sign_in(&self, step: &mut Step) {
        let Some(record) = self.record.as_ref().filter(|_| self.token.is_some()) else {
            return;
        };
        if let Some(discovered) = &self.discovered {
            let now = &discovered.server.issuer;
            if !record.issuer.eq_ignoring_trailing_slash(now) {
                let what = format!(
                    "the token is from `{}`, and `{now}` protects the server now",
                    record.issuer
                );
                step.push_finding(Finding::new(Code::IssuerChanged, what).hint(Hint::SignIn));
            }
            let kept = record.grant.as_ref().map(|grant| grant.resource.as_ref());
            if let Some(kept) = kept
                && kept != discovered.resource.as_ref()
            {
                let what = format!(
                    "the token was asked for with the resource {}, and the server wants {} now",
                    metadata::quoted_resource(kept),
                    metadata::quoted_resource(discovered.resource.as_ref())
                );
                step.push_finding(Finding::new(Code::ResourceChanged, what).hint(Hint::SignIn));
            }
        }
        let refused = self.refused_refresh();
        if record.state == State::OutcomeUnknown && refused.is_none() {
            let what =
                "a refresh was sent and its answer was lost: the refresh token may be used up";
            step.push_finding(
                Finding::new(Code::RefreshOutcomeUnknown, what)
                    .hint(Hint::Refresh)
                    .hint(Hint::SignIn),
            );
        }
        // Of a token that has ended, the next step tells.
        if let Some(refused) = refused
            && self
                .token
                .as_ref()
                .and_then(|token| self.ended_for(token))
                .is_none()
        {
            let found = Finding::new(Code::RefreshFailed, self.describe_refused(&refused))
                .with_severity(Severity::Warning)
                .hint(Hint::Refresh)
                .hint(Hint::SignIn)
                .with_hints(&refused.error().hints());
            step.push_finding(found.server_words(refused.error().description()));
        }
        let lacks = record
            .grant
            .as_ref()
            .is_some_and(|grant| grant.refresh_token.is_none());
        if lacks {
            let what = "no refresh token came with the grant: when the access token expires, the \
                        user has to sign in";
            step.push_finding(Finding::new(Code::NoRefreshToken, what).text(
                "some servers want the scope `offline_access` or the parameter \
                     `access_type=offline` at the sign-in",
            ));
        }
    }

    /// The refusal of the last refresh with these settings.
    pub(crate) fn refused_refresh(&self) -> Option<RefusedRefresh> {
        let refused = RefusedRefresh::from_record(self.record.as_ref()?)?;
        Some(refused).filter(|refused| refused.is_with(self.settings()))
    }

    /// Since when which answer refuses the refresh.
    pub(crate) fn describe_refused(&self, refused: &RefusedRefresh) -> String {
        let now = self.doctor.parts.clock.now();
        let age = now.saturating_since(refused.since()).as_secs();
        let age = clock::format_seconds(i64::try_from(age).unwrap_or(i64::MAX));
        let error = refused.error();
        let code = error.code().unwrap_or("without an error code");
        let status = error.status().as_u16();
        format!(
            "the authorization server refuses the refresh since {age} ago (status {status}): {code}"
        )
    }
}

/// Why there is no token.
fn sign_in_needed(needed: &hallpass_session::SignInRequired) -> Finding {
    let code = match needed.need() {
        SignInNeed::First | SignInNeed::Ended(SignInCause::SignedOut) => Code::NotSignedIn,
        SignInNeed::SettingChanged(_) | SignInNeed::Ended(SignInCause::SettingsChanged) => {
            Code::SettingsChanged
        }
        SignInNeed::SecretExpired => Code::ClientSecretExpired,
        SignInNeed::ClientForgotten => Code::RegistrationForgotten,
        SignInNeed::Migrated(_) | SignInNeed::Ended(SignInCause::IssuerChanged) => {
            Code::IssuerChanged
        }
        _ => Code::SignInRequired,
    };
    let found = Finding::from_error(code, needed).with_severity(Severity::Fault);
    let found = match needed.setting() {
        Some(_) => found.text("if the new setting is not meant, set it back to what it was"),
        None => found,
    };
    found.hint(Hint::SignIn)
}

/// A sign-in that asks the user first where its result may go.
fn confirmation(token_host: &TokenHost) -> Finding {
    let what = format!(
        "{token_host}: a sign-in asks the user first whether both have one operator, and is refused where \
         no user can answer"
    );
    Finding::new(Code::ConfirmationAsked, what).with_hints(&token_host.hints())
}

fn reregistration(why: ReregistrationReason) -> Finding {
    let code = match why {
        ReregistrationReason::SecretExpired => Code::ClientSecretExpired,
        _ => Code::RegistrationOutdated,
    };
    let what = format!("the registered client can no longer be used: {why}");
    Finding::new(code, what).hint(Hint::SignIn)
}

fn described(store: &dyn CredentialStore) -> String {
    let diagnostics = store.diagnostics();
    diagnostics.map_or_else(
        || "a store of the host".to_owned(),
        StoreDiagnostics::describe,
    )
}

/// All problems of a store.
async fn verify(store: &dyn CredentialStore) -> Vec<StoreError> {
    if let Some(diagnostics) = store.diagnostics() {
        return diagnostics.verify().await;
    }
    match store.list().await {
        Ok(listing) => listing.problems,
        Err(error) => vec![error],
    }
}

fn from_store_error(error: &StoreError) -> Finding {
    let code = match error.kind() {
        StoreErrorKind::Key => Code::StoreKey,
        StoreErrorKind::Damaged => Code::StoreDamaged,
        StoreErrorKind::Newer => Code::StoreNewer,
        StoreErrorKind::Refused => Code::StoreNotPrivate,
        StoreErrorKind::Busy => Code::CredentialBusy,
        _ => Code::StoreUnreadable,
    };
    let found = Finding::from_error(code, error).with_severity(Severity::Fault);
    let found = match error.remedy() {
        Remedy::Retry => found.with_remedy(Remedy::Retry),
        _ => found,
    };
    found.with_hints(error.hints())
}
