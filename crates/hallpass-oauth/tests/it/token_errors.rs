use std::time::Duration;

use bytes::Bytes;
use hallpass_core::{AuthScheme, Diagnostic as _, Remedy};
use hallpass_oauth::{
    RetryAfter, TokenError,
    TokenErrorClass::{self, Definitive, NotProcessed, Refused, Unknown},
    TokenResponse,
};
use http::Response;

use crate::{NOW, answer, hints, with_words};

fn error(status: u16, body: &str) -> TokenError {
    TokenResponse::from_http(&answer(status, body), AuthScheme::Bearer).unwrap_err()
}

#[track_caller]
fn check(status: u16, body: &str, class: TokenErrorClass, remedy: Remedy) {
    let error = error(status, body);
    assert_eq!(
        (error.class(), error.remedy()),
        (class, remedy),
        "{status} {body}"
    );
    assert_eq!(error.status().as_u16(), status);
}

const INVALID_GRANT: &str = r#"{"error":"invalid_grant"}"#;

#[test]
fn busy_status_is_not_processed() {
    for status in [408, 425, 429, 503] {
        for body in [
            "",
            "<html>busy</html>",
            INVALID_GRANT,
            r#"{"error":"slow_down"}"#,
        ] {
            check(status, body, NotProcessed, Remedy::Retry);
        }
    }
}

#[test]
fn other_5xx_is_unknown() {
    for status in [500, 501, 502, 504, 507, 520, 599] {
        for body in [
            "",
            "<html>oops</html>",
            INVALID_GRANT,
            r#"{"error":"server_error"}"#,
        ] {
            check(status, body, Unknown, Remedy::Retry);
        }
    }
}

#[test]
fn unreadable_2xx_is_unknown() {
    for status in [200, 201, 202, 204] {
        for body in [
            "",
            "<!doctype html><title>Sign in</title>",
            "null",
            "[]",
            "{}",
            r#"{"access_token":"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":null,"refresh_token":"r"}"#,
            r#"{"access_token":"a\nb"}"#,
            r#"{"access_token":"é"}"#,
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"error":{"code":"invalid_grant"}}"#,
        ] {
            check(status, body, Unknown, Remedy::Retry);
        }
    }
}

#[test]
fn invalid_grant_is_definitive() {
    for status in [400, 401, 403, 200, 201] {
        check(status, INVALID_GRANT, Definitive, Remedy::SignIn);
    }
    // GitHub's words for it, with GitHub's status.
    check(
        200,
        r#"{"error":"bad_refresh_token"}"#,
        Definitive,
        Remedy::SignIn,
    );
    check(
        200,
        r#"{"error":"bad_verification_code"}"#,
        Definitive,
        Remedy::SignIn,
    );
}

#[test]
fn other_error_is_refused() {
    for (status, body, remedy) in [
        (400, r#"{"error":"invalid_request"}"#, Remedy::Report),
        (400, r#"{"error":"invalid_target"}"#, Remedy::Configure),
        (400, r#"{"error":"invalid_scope"}"#, Remedy::Configure),
        (400, r#"{"error":"unauthorized_client"}"#, Remedy::Configure),
        (400, r#"{"error":"use_dpop_nonce"}"#, Remedy::Retry),
        (400, r#"{"error":"authorization_pending"}"#, Remedy::Retry),
        (400, r#"{"error":"expired_token"}"#, Remedy::SignIn),
        (400, r#"{"error":"access_denied"}"#, Remedy::SignIn),
        (401, r#"{"error":"invalid_client"}"#, Remedy::Configure),
        (400, r#"{"error":"invalid_grant_type"}"#, Remedy::Configure),
        (400, r#"{"error":"INVALID_GRANT"}"#, Remedy::Configure),
        (400, r#"{"error":"what_is_this"}"#, Remedy::Configure),
        (400, r#"{"error":42}"#, Remedy::Configure),
        (
            200,
            r#"{"error":"incorrect_client_credentials"}"#,
            Remedy::Configure,
        ),
        (
            200,
            r#"{"error":"x","access_token":"a"}"#,
            Remedy::Configure,
        ),
        (400, "", Remedy::Configure),
        (401, "", Remedy::Configure),
        (403, "<html>blocked</html>", Remedy::Configure),
        (404, INVALID_GRANT, Remedy::Configure),
        (405, "", Remedy::Configure),
        (422, INVALID_GRANT, Remedy::Configure),
        (302, "", Remedy::Configure),
        (307, "", Remedy::Configure),
    ] {
        check(status, body, Refused, remedy);
    }
}

#[test]
fn token_error_text_has_class_status_and_words() {
    for (status, body, expected) in [
        (
            429,
            "",
            "the authorization server is not ready (status 429)",
        ),
        (
            200,
            "<html>",
            "the authorization server gave no usable answer (status 200, not JSON)",
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Token  has\nexpired."}"#,
            "the authorization server no longer accepts the grant (status 400): invalid_grant; \
             the server says: \"Token has expired.\"",
        ),
        (
            401,
            r#"{"error":"invalid_client"}"#,
            "the authorization server refused the request (status 401): invalid_client",
        ),
    ] {
        assert_eq!(with_words(&error(status, body)), expected);
    }
}

#[test]
fn hints_name_the_setting() {
    for body in [
        r#"{"error":"invalid_target"}"#,
        r#"{"error":"invalid_request","error_description":"AADSTS9010010: The resource parameter"}"#,
    ] {
        let hint = hints(&error(400, body));
        assert!(
            hint.contains("set `allow_mismatch` to `true` and `resource`;")
                && hint.starts_with("set `resource` to `none`"),
            "{hint}"
        );
    }
    let longer = r#"{"error":"invalid_request","error_description":"AADSTS90100109: Another"}"#;
    assert_eq!(hints(&error(400, longer)), "");
    let body = r#"{"error":"invalid_request","error_description":"AADSTS90009: Application asks"}"#;
    assert!(hints(&error(400, body)).contains("set `refresh_scope` to `true`"));
    let body = r#"{"error":"invalid_request","error_description":"AADSTS901002: not supported"}"#;
    assert!(hints(&error(400, body)).starts_with("set `resource` to `none`"));
    assert!(hints(&error(400, r#"{"error":"invalid_scope"}"#)).contains("`scopes`"));
    let body =
        r#"{"error":"access_denied","error_description":"Service not found: https://a.example"}"#;
    assert!(hints(&error(400, body)).starts_with("set `authorize_parameters` to `audience="));
    assert!(hints(&error(302, "")).contains("no redirect"));
    assert_eq!(hints(&error(400, INVALID_GRANT)), "");
}

#[test]
fn retry_after_and_dpop_nonce_are_read() {
    let response = |headers: &[(&str, &str)]| {
        let mut response = Response::builder().status(400);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let body = Bytes::from_static(br#"{"error":"use_dpop_nonce"}"#);
        TokenResponse::from_http(&response.body(body).unwrap(), AuthScheme::Bearer).unwrap_err()
    };
    let error = response(&[("retry-after", "7"), ("dpop-nonce", "n-1")]);
    assert_eq!(
        error.retry_after(),
        Some(RetryAfter::Seconds(Duration::from_secs(7)))
    );
    assert_eq!(error.dpop_nonce(), Some("n-1"));
    assert_eq!(error.code(), Some("use_dpop_nonce"));
    assert_eq!(error.dpop_nonce_challenge(), Some("n-1"));
    // Two nonces, an empty one and one that can't be a nonce are none.
    assert_eq!(
        response(&[("dpop-nonce", "a"), ("dpop-nonce", "b")]).dpop_nonce(),
        None
    );
    assert_eq!(response(&[("dpop-nonce", "")]).dpop_nonce(), None);
    assert_eq!(response(&[("dpop-nonce", "a b")]).dpop_nonce(), None);
    assert_eq!(response(&[]).dpop_nonce_challenge(), None);
}

#[test]
fn nonce_beside_another_error_is_no_challenge() {
    let response = Response::builder().status(400).header("dpop-nonce", "n-1");
    let body = Bytes::from_static(br#"{"error":"invalid_grant"}"#);
    let error =
        TokenResponse::from_http(&response.body(body).unwrap(), AuthScheme::Bearer).unwrap_err();
    assert_eq!(error.dpop_nonce(), Some("n-1"));
    assert_eq!(error.dpop_nonce_challenge(), None);
}

#[test]
fn retry_delay_is_limited_while_a_user_waits() {
    let check = |status: u16, retry_after: Option<&str>, repeats, expected: Option<u64>| {
        let mut response = Response::builder().status(status);
        if let Some(retry_after) = retry_after {
            response = response.header("retry-after", retry_after);
        }
        let error =
            TokenResponse::from_http(&response.body(Bytes::new()).unwrap(), AuthScheme::Bearer)
                .unwrap_err();
        assert_eq!(
            error.retry_delay(repeats, NOW),
            expected.map(Duration::from_secs),
            "{status} {retry_after:?} {repeats}"
        );
    };
    check(503, None, 0, Some(1));
    check(429, Some("0"), 1, Some(0));
    check(503, Some("10"), 1, Some(10));
    check(503, Some("11"), 0, None);
    check(503, None, 2, None);
    check(500, None, 0, None);
    check(400, Some("1"), 0, None);
}
