use hallpass_core::{
    AccessToken, ClientId, ClientSecret, RefreshToken, Registration, TokenEndpointAuthMethod,
    record::RegistrationOrigin,
};
use hallpass_oauth::{
    ClientAuthentication, RevocationAuthMethods, RevocationRequest, TokenErrorClass,
    revocation_from_http,
};
use serde_json::json;

use crate::{answer, form, metadata, url};

#[test]
fn revocation_request_has_one_token() {
    let endpoint = url("https://as.example/revoke");
    let (id, secret) = (ClientId::new("client"), ClientSecret::new("s"));
    let refresh = RefreshToken::new("r:1");
    let request = RevocationRequest::for_refresh_token(&refresh)
        .into_http(&endpoint, &ClientAuthentication::none(&id));
    assert_eq!(
        form(&request),
        "token=r:1\ntoken_type_hint=refresh_token\nclient_id=client\n"
    );
    let access = AccessToken::new("a");
    let request = RevocationRequest::for_access_token(&access)
        .into_http(&endpoint, &ClientAuthentication::basic(&id, &secret));
    assert_eq!(
        form(&request),
        "token=a\ntoken_type_hint=access_token\nclient_id=client\n"
    );
    assert!(request.headers().contains_key("authorization"));
}

#[test]
fn revocation_succeeds_with_any_2xx() {
    for (status, body) in [(200, ""), (200, "{}"), (200, "<html>"), (204, "")] {
        assert!(revocation_from_http(&answer(status, body)).is_ok());
    }
    for (status, body, class) in [
        (503, "", TokenErrorClass::NotProcessed),
        (500, "", TokenErrorClass::Unknown),
        (
            400,
            r#"{"error":"unsupported_token_type"}"#,
            TokenErrorClass::Refused,
        ),
        (404, "", TokenErrorClass::Refused),
    ] {
        let error = revocation_from_http(&answer(status, body)).unwrap_err();
        assert_eq!(error.class(), class);
    }
}

/// The first method and the fallback of a client that is registered with `registered`.
#[track_caller]
fn check_methods(
    registered: &str,
    (has_secret, has_key): (bool, bool),
    listed: Option<&[&str]>,
    expected: (&str, Option<&str>),
) {
    let mut metadata = metadata();
    if let Some(listed) = listed {
        let name = "revocation_endpoint_auth_methods_supported".to_owned();
        metadata.other.insert(name, json!(listed));
    }
    let mut registration =
        Registration::new(RegistrationOrigin::PreRegistered, ClientId::new("client"));
    registration.client_secret = has_secret.then(|| ClientSecret::new("s"));
    registration.auth_method = TokenEndpointAuthMethod::from(registered.to_owned());
    let methods = RevocationAuthMethods::new(&metadata, &registration, has_key);
    let refused = answer(401, r#"{"error":"invalid_client"}"#);
    let error = revocation_from_http(&refused).unwrap_err();
    let fallback = methods.fallback_after(&error);
    assert_eq!(
        (
            methods.first.as_str(),
            fallback.map(TokenEndpointAuthMethod::as_str)
        ),
        expected,
        "{registered}, {listed:?}"
    );
}

const SECRET: (bool, bool) = (true, false);
const KEY: (bool, bool) = (false, true);
const NOTHING: (bool, bool) = (false, false);
const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";
const JWT: &str = "private_key_jwt";

#[test]
fn auth_methods_without_list_are_the_registered_one_and_the_other_form_of_a_secret() {
    check_methods(BASIC, SECRET, None, (BASIC, Some(POST)));
    check_methods(POST, SECRET, None, (POST, Some(BASIC)));
    check_methods(BASIC, SECRET, Some(&[]), (BASIC, Some(POST)));
    // There is no secret to send.
    check_methods(BASIC, NOTHING, None, (BASIC, None));
    // A secret of a client with another method stays where it is.
    check_methods("none", NOTHING, None, ("none", None));
    check_methods("none", SECRET, None, ("none", None));
    check_methods(JWT, (true, true), None, (JWT, None));
    check_methods("tls_client_auth", SECRET, None, ("tls_client_auth", None));
}

#[test]
fn auth_methods_obey_the_list() {
    check_methods(BASIC, SECRET, Some(&[BASIC, POST]), (BASIC, Some(POST)));
    check_methods(BASIC, SECRET, Some(&[POST]), (POST, Some(BASIC)));
    check_methods(POST, SECRET, Some(&[JWT, BASIC]), (BASIC, Some(POST)));
    check_methods(BASIC, SECRET, Some(&["none"]), ("none", Some(BASIC)));
    check_methods("none", SECRET, Some(&[POST]), (POST, None));
    check_methods("none", NOTHING, Some(&[POST, BASIC]), ("none", None));
    check_methods("none", KEY, Some(&[JWT]), (JWT, None));
    check_methods(JWT, (true, true), Some(&[BASIC]), (BASIC, None));
    check_methods(JWT, KEY, Some(&[BASIC]), (JWT, None));
    check_methods("tls_client_auth", SECRET, Some(&[POST]), (POST, None));
    // Nothing in the list is available: the registered method is the best guess.
    check_methods(
        BASIC,
        SECRET,
        Some(&["tls_client_auth"]),
        (BASIC, Some(POST)),
    );
}

#[test]
fn auth_method_falls_back_after_two_answers_only() {
    let mut registration = Registration::new(RegistrationOrigin::Dynamic, ClientId::new("client"));
    registration.client_secret = Some(ClientSecret::new("s"));
    registration.auth_method = TokenEndpointAuthMethod::ClientSecretBasic;
    let methods = RevocationAuthMethods::new(&metadata(), &registration, false);
    for (status, body, expected) in [
        (400, r#"{"error":"invalid_request"}"#, true),
        (401, r#"{"error":"invalid_client"}"#, true),
        (400, r#"{"error":"unsupported_token_type"}"#, false),
        (400, "", false),
        (401, "", false),
        (401, r#"{"error":"invalid_request"}"#, false),
        (403, r#"{"error":"invalid_client"}"#, false),
        (500, r#"{"error":"invalid_client"}"#, false),
        (503, "", false),
    ] {
        let error = revocation_from_http(&answer(status, body)).unwrap_err();
        let falls_back = methods.fallback_after(&error).is_some();
        assert_eq!(falls_back, expected, "{status} {body}");
    }
}
