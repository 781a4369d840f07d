use hallpass_core::{
    ClientSecret, Diagnostic as _, Registration, RegistrationAccessToken, Remedy, Scopes,
    ServerMetadata, TokenEndpointAuthMethod,
    record::{RegistrationManagement, RegistrationOrigin},
};
use hallpass_oauth::{
    ClientMetadataDocument, RegistrationPart, RegistrationRequest, registration_from_http,
    unregister, unregistered_from_http,
};
use serde_json::{Value, json};

use crate::{answer, authorization::REDIRECT, metadata, url, with_words};

fn methods(names: &[&str]) -> Vec<TokenEndpointAuthMethod> {
    let names = names.iter().map(|name| (*name).to_owned());
    names.map(TokenEndpointAuthMethod::from).collect()
}

fn request<'a>(
    metadata: &'a ServerMetadata,
    uris: &'a [String],
    scopes: &'a Scopes,
) -> RegistrationRequest<'a> {
    RegistrationRequest {
        metadata,
        client_name: Some("Hallpass \"test\""),
        redirect_uris: uris,
        scopes,
        refresh: true,
        device: false,
        auth_method: None,
        minimal: false,
    }
}

fn body(request: RegistrationRequest<'_>) -> Value {
    let request = request.into_http(&url("https://as.example/register"));
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "https://as.example/register");
    assert_eq!(request.headers()["content-type"], "application/json");
    assert_eq!(request.headers()["accept"], "application/json");
    serde_json::from_slice(request.body()).unwrap()
}

#[test]
fn registration_request_is_for_a_native_client() {
    let uris = [REDIRECT.to_owned()];
    assert_eq!(
        body(request(&metadata(), &uris, &Scopes::from_server("b a"))),
        json!({
            "application_type": "native",
            "client_name": "Hallpass \"test\"",
            "redirect_uris": [REDIRECT],
            "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_basic",
            "scope": "a b",
        })
    );
    let (metadata, scopes) = (metadata(), Scopes::none());
    let ask = RegistrationRequest {
        device: true,
        ..request(&metadata, &[], &scopes)
    };
    assert_eq!(
        body(ask),
        json!({
            "application_type": "native",
            "client_name": "Hallpass \"test\"",
            "grant_types": ["refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            "token_endpoint_auth_method": "client_secret_basic",
        })
    );
}

#[test]
fn grant_types_and_method_follow_the_metadata() {
    let uris = [REDIRECT.to_owned()];
    for (listed, expected) in [
        // RFC 8414 §2.
        (None, "client_secret_basic"),
        (Some(&["none"][..]), "none"),
        (Some(&["client_secret_post", "none"]), "none"),
        (
            Some(&["client_secret_post", "client_secret_basic"]),
            "client_secret_basic",
        ),
        (Some(&["client_secret_post"]), "client_secret_post"),
        (Some(&["private_key_jwt"]), "none"),
        (Some(&[]), "none"),
    ] {
        let mut metadata = metadata();
        metadata.token_endpoint_auth_methods_supported = listed.map(methods);
        let scopes = Scopes::none();
        let ask = request(&metadata, &uris, &scopes);
        assert_eq!(body(ask)["token_endpoint_auth_method"], expected);
        let again = RegistrationRequest {
            auth_method: Some(&TokenEndpointAuthMethod::ClientSecretPost),
            ..ask
        };
        assert_eq!(
            body(again)["token_endpoint_auth_method"],
            "client_secret_post"
        );
    }
}

#[test]
fn refresh_grant_is_registered_whatever_the_server_lists() {
    let uris = [REDIRECT.to_owned()];
    let both = json!(["authorization_code", "refresh_token"]);
    for listed in [
        &["authorization_code"][..],
        &["authorization_code", "refresh_token", "implicit"],
    ] {
        let mut metadata = metadata();
        metadata.grant_types_supported = Some(listed.iter().map(|&t| t.to_owned()).collect());
        let ask = body(request(&metadata, &uris, &Scopes::none()));
        assert_eq!(ask["grant_types"], both);
    }
}

#[test]
fn minimal_registration_has_no_descriptions() {
    let (metadata, scopes, uris) = (metadata(), Scopes::none(), [REDIRECT.to_owned()]);
    let ask = RegistrationRequest {
        minimal: true,
        client_name: None,
        ..request(&metadata, &uris, &scopes)
    };
    assert_eq!(
        body(ask),
        json!({
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_basic",
        })
    );
}

#[test]
fn refused_metadata_names_parts_in_the_order_of_the_words() {
    use RegistrationPart::{AuthMethod, Description, GrantType, Scopes};

    let check = |status, code: &str, words: &str, refused: bool, named: &[RegistrationPart]| {
        let body = json!({ "error": code, "error_description": words }).to_string();
        let answer = answer(status, &body);
        let error = registration_from_http(&answer, REDIRECT, &metadata()).unwrap_err();
        assert_eq!(error.is_metadata_refused(), refused, "{words}");
        assert_eq!(error.named_parts().collect::<Vec<_>>(), named, "{words}");
    };
    let refused = "invalid_client_metadata";
    check(400, refused, "", true, &[]);
    // glewlwyd 2.7.5.
    let words = "grant_types must have one of the following values: 'authorization_code', \
                 'refresh_token', 'device_authorization'";
    check(400, refused, words, true, &[GrantType]);
    let words = "Unknown member application_type; scope is too wide";
    check(400, refused, words, true, &[Description, Scopes]);
    let words = "Scope or token_endpoint_auth_method is wrong";
    check(400, refused, words, true, &[Scopes, AuthMethod]);
    check(400, refused, "redirect_uris are bad", false, &[]);
    check(400, refused, "scope of the redirect", true, &[Scopes]);
    check(400, "invalid_redirect_uri", "scope", false, &[Scopes]);
    check(403, refused, "scope", false, &[Scopes]);
}

#[test]
fn registration_that_was_not_processed_is_repeated_after_a_while() {
    let now = hallpass_core::Timestamp::from_unix_seconds(0);
    let delay = |status, header: Option<&'static str>, repeats| {
        let mut answer = answer(status, "{}");
        if let Some(seconds) = header {
            let value = http::HeaderValue::from_static(seconds);
            answer.headers_mut().insert("retry-after", value);
        }
        let error = registration_from_http(&answer, REDIRECT, &metadata()).unwrap_err();
        error.retry_delay(repeats, now).map(|wait| wait.as_secs())
    };
    assert_eq!(delay(429, None, 0), Some(1));
    assert_eq!(delay(503, Some("7"), 1), Some(7));
    assert_eq!(delay(429, None, 2), None);
    assert_eq!(delay(429, Some("60"), 0), None);
    assert_eq!(delay(400, None, 0), None);
    assert_eq!(delay(500, None, 0), None);
}

fn read(status: u16, body: &str) -> Registration {
    registration_from_http(&answer(status, body), REDIRECT, &metadata()).unwrap()
}

/// Identifier, secret, method, expiry, scopes.
#[track_caller]
fn check(body: &str, expected: &str) {
    for status in [200, 201] {
        let got = read(status, body);
        assert_eq!(got.origin, RegistrationOrigin::Dynamic);
        assert_eq!(got.redirect_uri.as_deref(), Some(REDIRECT));
        let got = format!(
            "{} {} {} {} {}",
            got.client_id,
            got.client_secret.as_ref().map_or("-", ClientSecret::expose),
            got.auth_method,
            got.secret_expires_at
                .map_or("never".to_owned(), |at| at.as_unix_seconds().to_string()),
            got.scopes
                .map_or("-".to_owned(), |scopes| scopes.to_string()),
        );
        assert_eq!(got, expected, "{body}");
    }
}

#[test]
fn registered_values_replace_requested_ones() {
    for (fields, expected) in [
        ("", "c - none never -"),
        (
            r#","token_endpoint_auth_method":"none""#,
            "c - none never -",
        ),
        (
            r#","client_secret":"s","token_endpoint_auth_method":"client_secret_post","client_secret_expires_at":0"#,
            "c s client_secret_post never -",
        ),
        (
            r#","client_secret":"s","token_endpoint_auth_method":"client_secret_basic","client_secret_expires_at":1900000000"#,
            "c s client_secret_basic 1900000000 -",
        ),
        (
            r#","client_secret":"s","client_secret_expires_at":"1900000000""#,
            "c s client_secret_basic 1900000000 -",
        ),
        (r#","client_secret":"s""#, "c s client_secret_basic never -"),
        (
            r#","client_secret":"s","token_endpoint_auth_method":"none""#,
            "c s none never -",
        ),
        // An echo of the default, without a secret, is a public client.
        (
            r#","token_endpoint_auth_method":"client_secret_basic""#,
            "c - none never -",
        ),
        (
            r#","client_secret":"","token_endpoint_auth_method":"client_secret_post""#,
            "c - none never -",
        ),
        (
            r#","client_secret":null,"client_secret_expires_at":5"#,
            "c - none never -",
        ),
        (r#","scope":"b a""#, "c - none never a b"),
        (r#","scope":"""#, "c - none never -"),
        (r#","unheard_of":[1]"#, "c - none never -"),
    ] {
        check(&format!(r#"{{"client_id":"c"{fields}}}"#), expected);
    }
    check(r#"{"client_id":4711}"#, "4711 - none never -");
}

#[test]
fn registration_management_needs_uri_and_token() {
    let uri = r#""registration_client_uri":"https://as.example/register/c""#;
    let token = r#""registration_access_token":"canary4711""#;
    let both = read(201, &format!(r#"{{"client_id":"c",{uri},{token}}}"#));
    assert!(!format!("{both:?}").contains("canary4711"));
    let management = both.management.unwrap();
    assert_eq!(management.uri.as_str(), "https://as.example/register/c");
    assert_eq!(management.token.expose(), "canary4711");
    for half in [
        uri,
        token,
        r#""registration_client_uri":"x","registration_access_token":"y""#,
    ] {
        assert_eq!(
            read(201, &format!(r#"{{"client_id":"c",{half}}}"#)).management,
            None
        );
    }
}

#[track_caller]
fn check_refused(status: u16, body: &str, expected: &str, remedy: Remedy) {
    let error = registration_from_http(&answer(status, body), REDIRECT, &metadata()).unwrap_err();
    assert_eq!(with_words(&error), expected);
    assert_eq!(error.remedy(), remedy, "{expected}");
    assert_eq!(
        !error.hints().is_empty(),
        remedy == Remedy::Configure,
        "{expected}"
    );
}

#[test]
fn registration_error_has_remedy_and_hint() {
    let refused = "the authorization server refused to register the client";
    for (status, body, tail, remedy) in [
        (
            400,
            r#"{"error":"invalid_client_metadata"}"#,
            ": invalid_client_metadata",
            Remedy::Configure,
        ),
        (
            200,
            r#"{"error":"access_denied","client_id":"c"}"#,
            ": access_denied",
            Remedy::Configure,
        ),
        (401, "", "", Remedy::Configure),
        (403, "<html>", "", Remedy::Configure),
        (404, "", "", Remedy::Configure),
        (307, "", "", Remedy::Configure),
        (429, "", "", Remedy::Retry),
        (500, "", "", Remedy::Retry),
        (503, "", "", Remedy::Retry),
    ] {
        check_refused(
            status,
            body,
            &format!("{refused} (status {status}){tail}"),
            remedy,
        );
    }
    check_refused(
        400,
        r#"{"error":"invalid_redirect_uri","error_description":"No."}"#,
        "the authorization server does not accept the redirect URI (status 400): \
         invalid_redirect_uri; the server says: \"No.\"",
        Remedy::Configure,
    );
    for body in [
        "",
        "<html>",
        "{}",
        r#"{"client_id":""}"#,
        r#"{"client_id":null}"#,
    ] {
        check_refused(
            201,
            body,
            "the answer to the registration names no client (status 201)",
            Remedy::Report,
        );
    }
    for method in ["private_key_jwt", "tls_client_auth"] {
        check_refused(
            201,
            &format!(r#"{{"client_id":"c","token_endpoint_auth_method":"{method}"}}"#),
            "the client was registered with an authentication method that it can't use (status 201)",
            Remedy::Configure,
        );
    }
}

#[test]
fn deletion_is_read_by_status() {
    let management = RegistrationManagement {
        uri: url("https://as.example/register/c?v=1"),
        token: RegistrationAccessToken::new("canary4711"),
    };
    let request = unregister(&management);
    assert_eq!(request.method(), "DELETE");
    assert_eq!(request.uri(), "https://as.example/register/c?v=1");
    assert_eq!(request.headers()["authorization"], "Bearer canary4711");
    assert!(!format!("{request:?}").contains("canary4711"));

    for status in [200, 204, 404, 410] {
        assert!(
            unregistered_from_http(&answer(status, "")).is_ok(),
            "{status}"
        );
    }
    for (status, remedy) in [
        (403, Remedy::Configure),
        (405, Remedy::Configure),
        (429, Remedy::Retry),
        (500, Remedy::Retry),
    ] {
        let error = unregistered_from_http(&answer(status, "")).unwrap_err();
        assert_eq!(error.remedy(), remedy);
        assert_eq!(
            error.to_string(),
            format!("the authorization server did not delete the registration (status {status})")
        );
    }
    let error = unregistered_from_http(&answer(401, "")).unwrap_err();
    assert_eq!(error.remedy(), Remedy::Report);
    assert_eq!(
        error.to_string(),
        "the server no longer accepts the registration's token: the client is gone, or its token is \
         (status 401)"
    );
}

#[test]
fn client_metadata_document_describes_a_public_client() {
    let client_id = url("https://app.example/client.json");
    let document = ClientMetadataDocument {
        client_id: &client_id,
        client_name: "App",
        redirect_uris: &["http://127.0.0.1/callback".to_owned()],
        scopes: &Scopes::from_server("b a"),
    };
    assert_eq!(
        document.to_json(),
        json!({
            "client_id": "https://app.example/client.json",
            "client_name": "App",
            "application_type": "native",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "scope": "a b",
        })
    );
}
