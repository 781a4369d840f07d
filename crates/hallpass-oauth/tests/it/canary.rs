//! A secret that a server repeats, wherever it repeats it, shows up nowhere.

use std::error::Error as _;

use bytes::Bytes;
use hallpass_core::{
    AccessToken, AuthScheme, ClientId, ClientSecret, Diagnostic as _, Grant, RefreshToken,
    Registration, Scopes,
    record::{GrantKind, RegistrationOrigin},
};
use hallpass_oauth::{
    ClientAuthentication, DeviceAuthorization, IdentityAssertion, IdentityAssertionRequest,
    ProofKey, RevocationRequest, TokenRequest, TokenResponse, registration_from_http,
};
use http::Response;

use crate::{
    NOW, answer, assert_hidden,
    authorization::{REDIRECT, begin},
    metadata, parameter, url,
};

/// Tokens as servers make them, and some that no server should.
const CANARIES: &[&str] = &[
    "canary-refresh-token",
    "canary4711",
    "rt.1.AAAA_bbbb-CCCC",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl",
    "gho_16C7e42F292c6912E7710c838347Ae178B4a",
    "8xLOxBtZp8",
    "tGzv3JOkF0XGQx2TlKWIA",
    "abcdefghijklmnopqrstuvwxyz",
    "WDJB-MJHT",
    "2YotnFZFEjr1zCsicMWpAA==",
    "user:pass",
];

/// Bodies that repeat what they were sent. `TOKEN` stands for it.
const ECHOES: &[&str] = &[
    r#"{"error":"invalid_grant","error_description":"refresh token TOKEN is unknown"}"#,
    r#"{"error":"invalid_grant","error_description":"unknown: 'TOKEN'."}"#,
    r#"{"error":"invalid_grant","error_description":"(refresh_token=TOKEN)"}"#,
    r#"{"error":"invalid_grant","error_description":"TOKEN"}"#,
    r#"{"error":"TOKEN","error_description":"no"}"#,
    r#"{"error":"invalid_grant","error_uri":"https://as.example/?t=TOKEN"}"#,
    r#"{"message":"TOKEN"}"#,
    r#"{"access_token":"TOKEN","token_type":"TOKEN"}"#,
    r#"{"access_token":"TOKEN\n"}"#,
    "<p>TOKEN</p>",
    "TOKEN",
];

fn echoes() -> impl Iterator<Item = (u16, String)> {
    let statuses = [200, 400, 401, 500, 503];
    statuses.into_iter().flat_map(|status| {
        ECHOES.iter().flat_map(move |body| {
            CANARIES
                .iter()
                .map(move |canary| (status, body.replace("TOKEN", canary)))
        })
    })
}

/// Everything an error can say.
macro_rules! all_of {
    ($error:expr) => {
        all_of!($error, $error.description())
    };
    ($error:expr, $description:expr) => {{
        let (error, description) = ($error, $description);
        format!(
            "{error} {error:?} {error:#?} {:?} {description:?} {:?}",
            error.hints(),
            error.source().map(ToString::to_string),
        )
    }};
}

#[test]
fn token_error_hides_echoed_secrets() {
    let mut errors = 0;
    for (status, body) in echoes() {
        match TokenResponse::from_http(&answer(status, &body), AuthScheme::Bearer) {
            Ok(response) => assert_hidden(&format!("{response:?}"), CANARIES),
            Err(error) => {
                errors += 1;
                assert_hidden(&all_of!(&error), CANARIES);
                assert_hidden(error.code().unwrap_or_default(), CANARIES);
            }
        }
    }
    assert_eq!(errors, 5 * ECHOES.len() * CANARIES.len());
}

#[test]
fn registration_device_exchange_and_par_errors_hide_echoed_secrets() {
    for (status, body) in echoes() {
        let response = answer(status, &body);
        if let Err(error) = registration_from_http(&response, REDIRECT, &metadata()) {
            assert_hidden(&all_of!(&error, &error.response()), CANARIES);
        }
        let error = DeviceAuthorization::from_http(&response, None, NOW).unwrap_err();
        assert_hidden(&all_of!(&error), CANARIES);
        let error = IdentityAssertion::from_http(&response, NOW).unwrap_err();
        assert_hidden(&all_of!(&error), CANARIES);
        let error = begin(&metadata()).pushed(&response).unwrap_err();
        assert_hidden(&all_of!(&error), CANARIES);
    }
}

#[test]
fn callback_error_hides_echoed_secrets() {
    for canary in CANARIES {
        for query in [
            "code=TOKEN",
            "code=TOKEN&state=other",
            "state=TOKEN&error=TOKEN",
            "code=TOKEN&code=TOKEN&state=STATE",
            "code=TOKEN&error=TOKEN&state=STATE",
            "code=TOKEN&state=STATE&iss=https://evil.example/?code=TOKEN",
            "code=TOKEN&state=STATE&iss=TOKEN",
            "error=TOKEN&error_description=code+TOKEN+unknown&state=STATE",
        ] {
            let pending = begin(&metadata());
            let state = parameter(pending.url(), "state").unwrap();
            let query = query.replace("STATE", &state).replace("TOKEN", canary);
            let error = pending.receive(&query).unwrap_err();
            assert_hidden(&all_of!(&error), CANARIES);
            assert_hidden(&all_of!(&error), &[&state]);
        }
    }
}

#[test]
fn debug_hides_secrets() {
    let canary = "canary4711";
    let id = ClientId::new("client");
    let secret = ClientSecret::new(canary);
    let mut registration = Registration::new(RegistrationOrigin::Dynamic, id.clone());
    registration.client_secret = Some(secret.clone());
    let mut grant = Grant::new(GrantKind::AuthorizationCode, AccessToken::new(canary), NOW);
    grant.refresh_token = Some(RefreshToken::new(canary));
    let refresh = TokenRequest::refresh(&grant).unwrap();
    let key = ProofKey::generate().unwrap();
    let device = format!(
        r#"{{"device_code":"{canary}","user_code":"{canary}","expires_in":60,
            "verification_uri":"https://as.example/device",
            "verification_uri_complete":"https://as.example/device?code={canary}"}}"#
    );
    let shown = [
        format!("{:?}", ClientAuthentication::basic(&id, &secret)),
        format!("{:?}", ClientAuthentication::post(&id, &secret)),
        format!("{:?}", ClientAuthentication::assertion(&id, canary)),
        format!(
            "{:?}",
            ClientAuthentication::from_registration(&registration)
        ),
        format!("{refresh:?}"),
        format!(
            "{:?}",
            TokenRequest::jwt_bearer(canary, &Scopes::none(), None)
        ),
        format!(
            "{:?}",
            RevocationRequest::for_access_token(&grant.access_token)
        ),
        format!("{:?}", ProofKey::open(&key).unwrap()),
        format!(
            "{:?}",
            DeviceAuthorization::from_http(&answer(200, &device), None, NOW).unwrap()
        ),
        format!(
            "{:?}",
            IdentityAssertionRequest {
                id_token: canary,
                audience: &metadata().issuer,
                resource: None,
                scopes: &Scopes::none(),
            }
        ),
        // The header of a request is shown by `http` itself, which hides what is sensitive.
        format!(
            "{:?}",
            refresh
                .into_http(
                    &url("https://as.example/token"),
                    &ClientAuthentication::basic(&id, &secret)
                )
                .headers()
        ),
    ]
    .join("\n");
    assert_hidden(&shown, &[canary, key.expose(), "Y2xpZW50OmNhbmFyeTQ3MTE"]);
}

#[test]
fn long_echo_is_redacted_in_linear_time() {
    let body = format!(
        r#"{{"error":"invalid_grant","error_description":"{}"}}"#,
        "canary4711 ".repeat(50_000)
    );
    let response = Response::new(Bytes::from(body));
    let error = TokenResponse::from_http(&response, AuthScheme::Bearer).unwrap_err();
    assert_eq!(error.description(), None);
}
