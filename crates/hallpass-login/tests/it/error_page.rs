//! An authorization endpoint that shows an error page in the place of the sign-in.

use std::sync::Arc;

use hallpass_core::{
    AuthScheme, ClientId, CredentialKey, Hint, Record, Registration, ServerMetadata, ServerUrl,
    SettingsFingerprint, record::RegistrationOrigin,
};
use hallpass_login::{BrowserLogin, LoginError, LoginErrorKind};
use hallpass_testkit::ScriptedResponse;
use serde_json::json;

use crate::{
    fixture::quiet_port,
    scripted_server::{ISSUER, SERVER, ScriptedServer, answer, error, tokens},
};

const BEARER: AuthScheme = AuthScheme::Bearer;

fn page(status: u16, text: &str) -> ScriptedResponse {
    ScriptedResponse::new(status).with_chunk(text.to_owned())
}

/// A server whose browser does not come back.
fn without_browser(shown: ScriptedResponse) -> ScriptedServer {
    let mut server = ScriptedServer::new(&json!({}));
    server.declines = true;
    server.on("/authorize", [shown]);
    server
}

/// A login during which the time limit passes, a good while after the page was looked at.
async fn failed(server: ScriptedServer) -> LoginError {
    let server = Arc::new(server);
    let passing = async {
        while server.sent("/authorize").is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        server.clock.advance(BrowserLogin::TIMEOUT);
    };
    let (outcome, ()) = tokio::join!(server.login(BEARER, None), passing);
    assert_eq!(server.sent("/authorize").len(), 1);
    outcome.unwrap_err()
}

fn names_the_client(error: &LoginError) -> bool {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    error.hints().contains(&Hint::setting("client", None))
        && format!("{error} {cause:?}").contains("does not know the client `the-client`")
}

#[tokio::test]
async fn error_page_ends_the_wait_for_the_browser() {
    for shown in [
        error(400, "invalid_client"),
        error(401, "unauthorized_client"),
        page(400, "<h1>Unknown client</h1>"),
        ScriptedResponse::new(302).with_header("location", "/error?error=invalid_client"),
    ] {
        let error = failed(without_browser(shown)).await;
        assert_eq!(error.kind(), LoginErrorKind::Request);
        assert!(names_the_client(&error), "{error:?}");
    }
}

#[tokio::test]
async fn page_with_a_form_is_named_only_at_the_time_limit() {
    for status in [400, 401] {
        let form = "<h1>Unknown client</h1><form><input name=user></form>";
        let error = failed(without_browser(page(status, form))).await;
        assert_eq!(error.kind(), LoginErrorKind::Timeout);
        assert!(names_the_client(&error), "{error:?}");
    }
}

#[tokio::test]
async fn sign_in_that_begins_with_401_is_no_refusal() {
    let form = "<form><input type=hidden name=redirect_uri value=x><input name=user></form>";
    let shown = page(401, form).with_header("www-authenticate", "Negotiate");
    let error = failed(without_browser(shown)).await;
    assert_eq!(error.kind(), LoginErrorKind::Timeout);
    assert!(std::error::Error::source(&error).is_none(), "{error:?}");
}

/// A server with a device grant whose error page is certain.
fn with_device() -> ScriptedServer {
    let server = crate::grants::device(false);
    server.on("/authorize", [error(400, "invalid_redirect_uri")]);
    server
}

#[tokio::test]
async fn error_page_leaves_the_device_grant() {
    let server = with_device();
    let pending = || error(400, "authorization_pending");
    let polls = [(); 8].map(|()| pending());
    server.on("/token", polls);
    let server = Arc::new(server);
    let approving = async {
        while server.sent("/authorize").is_empty() || server.sent("/token").len() < 8 {
            tokio::task::yield_now().await;
        }
        server.on("/token", [answer(200, &tokens("Bearer"))]);
    };
    let (outcome, ()) = tokio::join!(server.login(BEARER, None), approving);
    assert!(outcome.unwrap().is_signed_in());
}

#[tokio::test]
async fn error_page_ends_the_wait_once_the_device_grant_has_failed() {
    let server = with_device();
    server.on("/token", [error(400, "expired_token")]);
    let error = failed(server).await;
    assert_eq!(error.kind(), LoginErrorKind::Request);
}

#[tokio::test]
async fn unexplained_page_replaces_a_client_whose_login_had_no_callback() {
    for (body, is_proven, registered) in [
        ("", false, 1),
        ("<h1>Client inconnu</h1>", false, 1),
        ("<h1>Client inconnu</h1>", true, 0),
        (r#"{"error":"invalid_scope"}"#, false, 0),
    ] {
        let server = ScriptedServer::new(&json!({}));
        server.on("/authorize", [page(400, body)]);
        let metadata = ServerMetadata::new(ISSUER.parse().unwrap());
        let key = CredentialKey::new(ServerUrl::parse(SERVER).unwrap());
        let mut record = Record::new(key, metadata, SettingsFingerprint::default());
        let id = ClientId::new("before");
        let mut registration = Registration::new(RegistrationOrigin::Dynamic, id);
        let port = quiet_port().await;
        registration.redirect_uri = Some(format!("http://127.0.0.1:{port}/callback"));
        // Long ago, so that the client is looked at.
        registration.proven_at =
            is_proven.then(|| hallpass_core::Timestamp::from_unix_seconds(1_000_000_000));
        record.registration = Some(registration);
        let server = Arc::new(server);
        let login = server.login(BEARER, Some(&record)).await;
        assert!(login.unwrap().is_signed_in(), "{body}");
        assert_eq!(server.sent("/register").len(), registered, "{body}");
    }
}
