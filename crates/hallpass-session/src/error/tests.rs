use hallpass_core::{
    Authorizer, BoxFuture, HttpError, Issuer, Keep, NoAuthorizer, Record, Scopes, ServerSettings,
    ServerUrl, SignIn, SignInReason, block_on,
    http::{HttpErrorKind, Leg},
    record::SignInCause,
    store::StoreErrorKind,
};
use url::Url;

use super::*;

fn slot() -> Slot {
    Slot::new(ServerUrl::parse("https://mcp.example.com/mcp").unwrap())
}

fn needed(need: Need) -> SessionError {
    SessionError::SignInNeeded(SignInNeeded::new(&slot(), need))
}

fn ended(why: EndedWhy) -> SessionError {
    SessionError::Ended(Ended::new(why))
}

/// What a host without an authorizer is told.
fn nobody_asked() -> AuthorizeError {
    let (slot, settings, scopes) = (slot(), ServerSettings::default(), Scopes::default());
    let reason = SignInReason::StepUp;
    let ask = SignIn::new(&slot, &settings, reason, &scopes, &KeepsNothing);
    block_on(NoAuthorizer.authorize(ask)).unwrap_err()
}

#[derive(Debug)]
struct KeepsNothing;

impl Keep for KeepsNothing {
    fn keep<'a>(&'a self, _: &'a Record) -> BoxFuture<'a, Result<(), StoreError>> {
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
    assert_eq!(error.hint().is_some(), has_hint, "{error}");
    assert_eq!(chain(error), text);
}

#[test]
fn every_error_says_what_to_do_and_never_repeats_its_source() {
    check(
        &needed(Need::First),
        Remedy::SignIn,
        false,
        &["a sign-in to https://mcp.example.com/mcp is needed: nobody has signed in yet"],
    );
    check(
        &needed(Need::Ended(SignInCause::RefreshOutcomeUnknown)),
        Remedy::SignIn,
        false,
        &[
            "a sign-in to https://mcp.example.com/mcp is needed: a refresh was interrupted, and its \
           refresh token is no longer accepted",
        ],
    );
    check(
        &needed(Need::SettingChanged("resource".to_owned())),
        Remedy::SignIn,
        true,
        &[
            "a sign-in to https://mcp.example.com/mcp is needed: the setting `resource` is another \
           than at the last sign-in",
        ],
    );
    check(
        &needed(Need::Migrated(
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
        &SessionError::sign_in(
            &slot(),
            AuthorizeError::new(Remedy::Configure, "no browser"),
        ),
        Remedy::Configure,
        false,
        &[
            "signing in to https://mcp.example.com/mcp did not come to a grant",
            "no browser",
        ],
    );
    check(
        &SessionError::sign_in(&slot(), nobody_asked()),
        Remedy::SignIn,
        false,
        &[
            "a sign-in to https://mcp.example.com/mcp is needed",
            "the server wants scopes that the sign-in did not grant",
        ],
    );
    check(
        &SessionError::store(
            StoreError::new(StoreErrorKind::Busy, "locking the slot").with_hint("wait"),
        ),
        Remedy::Retry,
        true,
        &["the credential store is in trouble", "locking the slot"],
    );
    let url = Url::parse("https://as.example.com/token").unwrap();
    let http = HttpError::new(HttpErrorKind::Connect, Leg::AuthorizationServer, &url);
    check(
        &SessionError::Refresh(RefreshFailed::http(&slot(), http)),
        Remedy::Retry,
        false,
        &[
            "the token for https://mcp.example.com/mcp could not be refreshed",
            "authorization server request to https://as.example.com/token: no connection",
        ],
    );
    check(
        &ended(EndedWhy::FreshTokenRefused),
        Remedy::Report,
        true,
        &["the server refuses a token that was issued just now"],
    );
    check(
        &ended(EndedWhy::ScopesAskedBefore(Scopes::from_server("a b"))),
        Remedy::Configure,
        true,
        &["the server wants the scopes `a b`, which were asked for already"],
    );
    check(
        &SessionError::closed(&slot()),
        Remedy::Report,
        false,
        &["the session for https://mcp.example.com/mcp is closed, or its runtime has gone"],
    );
}

#[test]
fn a_call_that_others_overtook_is_no_call_on_a_closed_session() {
    check(
        &SessionError::overtaken(&slot()),
        Remedy::Retry,
        false,
        &[
            "other calls for https://mcp.example.com/mcp came first each time, and got something else",
        ],
    );
}
