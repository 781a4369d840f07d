//! Where credentials are kept, which client there is, and where the account stands.

use hallpass_core::{
    CredentialStore, Record, Remedy, Scopes, SignInReason, State, StoreError,
    record::{PostEnd, RegistrationOrigin, SignInCause},
    store::StoreErrorKind,
};
use hallpass_login::{LoginErrorKind, LoginInputs, PlannedClient, ReregistrationReason};
use hallpass_session::{SessionError, SignInNeed};

use crate::{Code, Finding, Fix, Severity, Step, StepName, clock, diagnosis::Diagnosis};

impl Diagnosis<'_> {
    /// Where credentials are kept, whether they can be read, and who is at them. Reads the record.
    pub(crate) async fn store(&mut self) -> Step {
        let mut step = Step::new(StepName::Store);
        let doctor = self.doctor;
        let words = doctor.store_description.clone();
        if let Some(trouble) = &doctor.store_error {
            if let Some(words) = words {
                step.fact("kept in", words);
            }
            step.found(of_store(trouble));
            return step;
        }
        step.fact(
            "kept in",
            words.unwrap_or_else(|| described(&*doctor.parts.store)),
        );
        if !doctor.parts.is_persistent {
            let what = "credentials end with the program that holds them";
            step.found(Finding::new(Code::StoreNotKept, what));
        }
        let session = doctor.parts.hallpass.session();
        let read = session.record().await;
        let is_read = read.is_ok();
        match read {
            Ok(record) => self.record = record,
            Err(SessionError::Store(error)) => step.found(of_store(&error)),
            Err(error) => step.found(Finding::of_error(Code::StoreUnreadable, &error)),
        }
        if is_read {
            // Another account's trouble is none of this one.
            let problems = verify(&*doctor.parts.store).await;
            let as_it_is = |problem: &StoreError| of_store(problem).weighing(Severity::Warning);
            step.findings.extend(problems.iter().map(as_it_is));
        }
        match session.lock_holders().await {
            Ok(holders) => {
                if let Some(holder) = holders.key {
                    let what = format!("{holder} holds the account's lock, as while it refreshes");
                    step.found(Finding::new(Code::CredentialBusy, what).words(
                        "nothing, if it is gone soon; if that process hangs, end it: the lock goes \
                         with it",
                    ));
                }
                if let Some(holder) = holders.sign_in {
                    let what = format!("{holder} is asking a person to sign in");
                    step.found(
                        Finding::new(Code::SignInUnderWay, what)
                            .words("finish that sign-in, or end that process"),
                    );
                }
            }
            Err(error) if is_read => step.found(Finding::of_error(Code::StoreUnreadable, &error)),
            // Said already.
            Err(_) => {}
        }
        step
    }

    /// The client that a sign-in would use.
    pub(crate) async fn registration(&mut self) -> Step {
        let Some(discovered) = &self.discovered else {
            let why = "no authorization server is known to register with";
            return Step::skipped(StepName::Registration, why);
        };
        let mut step = Step::new(StepName::Registration);
        let issuer = &discovered.server.issuer;
        let inputs = LoginInputs {
            server: &self.key().server,
            settings: self.settings(),
            discovered,
            challenges: self.challenges(),
            previous: self.record.as_ref(),
            reason: SignInReason::Requested,
            added_scopes: &Scopes::none(),
            device_grant: false,
            now: self.doctor.parts.clock.now(),
        };
        match inputs.plan(inputs.scopes()).map(|plan| plan.client) {
            Ok(PlannedClient::Configured(registration)) => {
                let how = match registration.origin {
                    RegistrationOrigin::MetadataDocument => "its metadata document",
                    _ => "registered by hand",
                };
                let method = registration.auth_method.as_str();
                let id = registration.client_id;
                step.fact(
                    "client",
                    format!("`{id}`, {how}, authenticates by {method}"),
                );
            }
            Ok(PlannedClient::Reused(registration)) => {
                let id = &registration.client_id;
                step.fact(
                    "client",
                    format!("`{id}`, registered at an earlier sign-in"),
                );
                if let Some(uri) = &registration.redirect_uri {
                    step.fact("callback", uri.as_str());
                }
                let http = &self.doctor.parts.http;
                let entropy = &*self.doctor.parts.entropy;
                let known = inputs
                    .is_registration_accepted(&registration, http, entropy)
                    .await;
                step.exchanges = http.exchanges();
                if known == Some(false) {
                    let what = format!("`{issuer}` does not know the client `{id}` any more");
                    step.found(
                        Finding::new(Code::RegistrationForgotten, what)
                            .mend(Fix::SignIn)
                            .mend(Fix::ForgetClient),
                    );
                }
            }
            Ok(PlannedClient::Register(why)) => {
                step.fact("client", "registered at the next sign-in (RFC 7591)");
                step.found_if(why.map(anew));
            }
            Err(error) => {
                let code = match error.kind() {
                    LoginErrorKind::NoClient => Code::NoRegistration,
                    _ => Code::ClientUnusable,
                };
                let found = Finding::of_error(code, &error)
                    .remedy(error.remedy())
                    .setting("client", None);
                let found = match error.hint() {
                    Some(hint) => found.words(hint),
                    None => found,
                };
                // Somebody who is signed in needs no client yet.
                let is_needed = !self.record.as_ref().is_some_and(Record::is_signed_in);
                step.found(if is_needed {
                    found
                } else {
                    found.weighing(Severity::Warning)
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
            step.fact("issuer", record.issuer.as_str());
            if let Some(grant) = &record.grant {
                let age = self
                    .doctor
                    .parts
                    .clock
                    .now()
                    .saturating_since(grant.obtained_at);
                let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
                step.fact("token from", format!("{} ago", clock::in_words(age)));
                let scopes = grant.scopes();
                if !scopes.is_empty() {
                    step.fact("scopes", scopes.to_string());
                }
            }
        }
        match self.doctor.parts.hallpass.session().stored_token().await {
            Ok(token) => self.token = Some(token),
            Err(SessionError::SignInRequired(_)) if self.is_open() => {
                step.fact("signed in", "no, and the server does not ask for it");
            }
            Err(SessionError::SignInRequired(needed)) => {
                let found = sign_in_needed(&needed);
                let is_next = self.discovered.is_some() || found.code != Code::NotSignedIn;
                // Until there is somewhere to sign in, this is not what stands in the way.
                step.found(if is_next {
                    found
                } else {
                    found.weighing(Severity::Note)
                });
            }
            Err(error) => step.found(Finding::of_error(Code::SignInRequired, &error)),
        }
        self.since_the_sign_in(&mut step);
        step
    }

    /// What has changed since, or will matter later.
    fn since_the_sign_in(&self, step: &mut Step) {
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
                step.found(Finding::new(Code::IssuerChanged, what).mend(Fix::SignIn));
            }
            let kept = record.grant.as_ref().map(|grant| grant.resource.as_ref());
            if let Some(kept) = kept
                && kept != discovered.resource.as_ref()
            {
                let name = |resource: Option<&hallpass_core::Resource>| {
                    resource.map_or_else(|| "none".to_owned(), |it| format!("`{}`", it.as_str()))
                };
                let what = format!(
                    "the token was asked for with the resource {}, and the server wants {} now",
                    name(kept),
                    name(discovered.resource.as_ref())
                );
                step.found(Finding::new(Code::ResourceChanged, what).mend(Fix::SignIn));
            }
        }
        if record.state == State::OutcomeUnknown {
            let what =
                "a refresh was sent and its answer was lost: the refresh token may be used up";
            step.found(
                Finding::new(Code::RefreshOutcomeUnknown, what)
                    .mend(Fix::Refresh)
                    .mend(Fix::SignIn),
            );
        }
        let fence = record.fence.as_ref();
        let refusal = fence
            .filter(|fence| fence.ended == PostEnd::Refused)
            .and_then(|fence| fence.refusal.as_ref());
        if let Some(refusal) = refusal {
            let code = refusal.code.as_deref().unwrap_or("without an error code");
            let what = format!(
                "the authorization server refused the last refresh (status {}): {code}",
                refusal.status
            );
            let found = Finding::new(Code::RefreshError, what).weighing(Severity::Warning);
            let found = found.mend(Fix::Refresh).mend(Fix::SignIn);
            step.found(match &refusal.description {
                Some(words) => found.words(format!("it says: {words}")),
                None => found,
            });
        }
        let lacks = record
            .grant
            .as_ref()
            .is_some_and(|grant| grant.refresh_token.is_none());
        if lacks {
            let what = "no refresh token came with the grant: when the access token ends, somebody \
                        has to sign in";
            step.found(Finding::new(Code::NoRefreshToken, what).words(
                "some servers want the scope `offline_access` or the parameter \
                     `access_type=offline` at the sign-in",
            ));
        }
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
    let found = Finding::of_error(code, needed).weighing(Severity::Fault);
    let found = match needed.setting() {
        Some(name) => found.words(format!("set `{name}` back to what it was at the sign-in")),
        None => found,
    };
    found.mend(Fix::SignIn)
}

fn anew(why: ReregistrationReason) -> Finding {
    let code = match why {
        ReregistrationReason::SecretExpired => Code::ClientSecretExpired,
        _ => Code::RegistrationOutdated,
    };
    let what = format!("the client that is registered does not serve any more: {why}");
    Finding::new(code, what).mend(Fix::SignIn)
}

fn described(store: &dyn CredentialStore) -> String {
    let diagnostics = store.diagnostics();
    diagnostics.map_or_else(|| "a store of the host".to_owned(), |it| it.describe())
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

fn of_store(error: &StoreError) -> Finding {
    let code = match error.kind() {
        StoreErrorKind::Key => Code::StoreKey,
        StoreErrorKind::Damaged => Code::StoreDamaged,
        StoreErrorKind::Newer => Code::StoreNewer,
        StoreErrorKind::Refused => Code::StoreNotPrivate,
        StoreErrorKind::Busy => Code::CredentialBusy,
        _ => Code::StoreUnreadable,
    };
    let found = Finding::of_error(code, error).weighing(Severity::Fault);
    let found = match error.remedy() {
        Remedy::Retry => found.remedy(Remedy::Retry),
        _ => found,
    };
    match error.hint() {
        Some(hint) => found.words(hint),
        None => found,
    }
}
