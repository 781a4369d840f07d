use hallpass_core::{
    Authorizer, Diagnostic as _, HttpError, Issuer, NoAuthorizer, Record, RegistrationSink, Scopes,
    ServerSettings, ServerUrl, SignIn, SignInReason, StoreFuture, block_on,
    http::{HttpErrorKind, RequestTarget},
    record::SignInCause,
    store::StoreErrorKind,
};
use url::Url;

use super::*;

fn key() -> CredentialKey {
    CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp").unwrap())
}

fn needed(need: SignInNeed) -> SessionError {
    SessionError::SignInRequired(SignInRequired::new(&key(), need))
}

fn ended(why: TerminationReason) -> SessionError {
    SessionError::Terminated(SessionTerminated::new(why))
}

/// The error of a host without an authorizer.
fn non_interactive() -> AuthorizeError {
    let (key, settings, scopes) = (key(), ServerSettings::default(), Scopes::default());
    let reason = SignInReason::StepUp;
    let request = SignIn::new(&key, &settings, reason, &scopes, &NoSink);
    block_on(NoAuthorizer.authorize(request)).unwrap_err()
}

#[derive(Debug)]
struct NoSink;

impl RegistrationSink for NoSink {
    fn save<'a>(&'a self, _: &'a Record) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// The text of an error and of its sources, in order.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts
}

#[track_caller]
fn check(error: &SessionError, remedy: Remedy, has_hint: bool, text: &[&str]) {
    assert_eq!(error.remedy(), remedy, "{error}");
    assert_eq!(!error.hints().is_empty(), has_hint, "{error}");
    assert_eq!(chain(error), text);
}

#[test]
fn every_error_has_a_remedy_and_does_not_repeat_its_source() {
    check(
        &needed(SignInNeed::First),
        Remedy::SignIn,
        false,
        &["a sign-in to https://mcp.example.com/mcp is needed: not signed in"],
    );
    check(
        &needed(SignInNeed::Ended(SignInCause::RefreshOutcomeUnknown)),
        Remedy::SignIn,
        false,
        &[
            "a sign-in to https://mcp.example.com/mcp is needed: a refresh was interrupted, and its \
           refresh token is no longer accepted",
        ],
    );
    check(
        &needed(SignInNeed::RefreshRequestRefused),
        Remedy::SignIn,
        false,
        &[
            "a sign-in to https://mcp.example.com/mcp is needed: the authorization server refuses to \
           refresh the access token",
        ],
    );
    check(
        &needed(SignInNeed::SettingChanged("resource".to_owned())),
        Remedy::SignIn,
        true,
        &[
            "a sign-in to https://mcp.example.com/mcp is needed: the setting `resource` has \
           changed since the last sign-in",
        ],
    );
    check(
        &needed(SignInNeed::Migrated(
            Issuer::parse("https://new.example.com").unwrap(),
        )),
        Remedy::SignIn,
        false,
        &[
            "a sign-in to https://mcp.example.com/mcp is needed: the authorization server \
           https://new.example.com protects the server now",
        ],
    );
    check(
        &SessionError::sign_in(&key(), AuthorizeError::new(Remedy::Configure, "no browser")),
        Remedy::Configure,
        false,
        &[
            "signing in to https://mcp.example.com/mcp failed",
            "no browser",
        ],
    );
    check(
        &SessionError::sign_in(&key(), non_interactive()),
        Remedy::SignIn,
        false,
        &[
            "a sign-in to https://mcp.example.com/mcp is needed",
            "the server wants scopes that the sign-in did not grant",
        ],
    );
    check(
        &SessionError::store(
            StoreError::new(StoreErrorKind::Busy, "locking the credential").with_hint("wait"),
        ),
        Remedy::Retry,
        true,
        &["the credential store failed", "locking the credential"],
    );
    let url = Url::parse("https://as.example.com/token").unwrap();
    let http = HttpError::new(
        HttpErrorKind::Connect,
        RequestTarget::AuthorizationServer,
        &url,
    );
    check(
        &SessionError::Refresh(RefreshError::http(&key(), http)),
        Remedy::Retry,
        false,
        &[
            "the token for https://mcp.example.com/mcp could not be refreshed",
            "authorization server request to https://as.example.com/token: no connection",
        ],
    );
    check(
        &ended(TerminationReason::FreshTokenRefused),
        Remedy::Report,
        true,
        &["the server refuses a token that was issued just now"],
    );
    check(
        &ended(TerminationReason::ScopesAskedBefore(Scopes::from_server(
            "a b",
        ))),
        Remedy::Configure,
        true,
        &["the server requires the scopes `a b`, which were already requested"],
    );
    check(
        &SessionError::closed(&key()),
        Remedy::Report,
        false,
        &["the session for https://mcp.example.com/mcp is closed, or no tokio runtime is running"],
    );
}

#[test]
fn concurrent_update_differs_from_closed() {
    check(
        &SessionError::concurrent_update(&key()),
        Remedy::Retry,
        false,
        &[
            "other calls for https://mcp.example.com/mcp completed first each time, with results that \
             this call can't use",
        ],
    );
}
