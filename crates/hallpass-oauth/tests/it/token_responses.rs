use bytes::Bytes;
use hallpass_core::{
    AccessToken, AuthScheme, Diagnostic as _, Grant, RefreshToken, Remedy, Resource, Scopes,
    Timestamp, record::GrantKind,
};
use hallpass_oauth::{TokenErrorClass, TokenResponse};
use http::Response;

use crate::{NOW, answer, hints};

fn describe(grant: &Grant) -> String {
    let expires = grant
        .expires_at
        .map(|at| at.saturating_since(NOW).as_secs().to_string());
    format!(
        "{} {} {} {} {}",
        grant.scheme.as_str(),
        grant.access_token.expose(),
        expires.as_deref().unwrap_or("-"),
        grant
            .refresh_token
            .as_ref()
            .map_or("-", RefreshToken::expose),
        grant
            .granted_scopes
            .as_ref()
            .map_or("-".to_owned(), ToString::to_string),
    )
}

fn grant(response: &Response<Bytes>) -> Grant {
    read_grant(response, AuthScheme::Bearer)
}

fn read_grant(response: &Response<Bytes>, asked: AuthScheme) -> Grant {
    TokenResponse::from_http(response, asked)
        .unwrap()
        .into_grant(
            GrantKind::AuthorizationCode,
            &Scopes::from_server("a b"),
            None,
            NOW,
        )
}

/// Scheme, token, seconds to live, refresh token, scopes.
#[track_caller]
fn check(body: &str, expected: &str) {
    let asked = if expected.starts_with("DPoP") {
        AuthScheme::Dpop
    } else {
        AuthScheme::Bearer
    };
    for status in [200, 201] {
        let grant = read_grant(&answer(status, body), asked);
        assert_eq!(describe(&grant), expected, "{body}");
    }
}

#[test]
fn full_token_response_is_read() {
    check(
        r#"{"access_token":"t","token_type":"Bearer","expires_in":3600,"refresh_token":"r",
            "scope":"b a","id_token":"x","unheard_of":{"of":[1,2]}}"#,
        "Bearer t 3600 r a b",
    );
}

#[test]
fn token_response_with_missing_or_odd_fields_is_read() {
    for (fields, expected) in [
        ("", "Bearer t - - -"),
        (r#","token_type":"bearer""#, "Bearer t - - -"),
        (r#","token_type":"BEARER""#, "Bearer t - - -"),
        (r#","token_type":"""#, "Bearer t - - -"),
        (r#","token_type":null"#, "Bearer t - - -"),
        (r#","token_type":"DPoP""#, "DPoP t - - -"),
        (r#","token_type":"dpop""#, "DPoP t - - -"),
        (r#","expires_in":3599.7"#, "Bearer t 3599 - -"),
        (r#","expires_in":"3600""#, "Bearer t 3600 - -"),
        (r#","expires_in":" 60.0 ""#, "Bearer t 60 - -"),
        (r#","expires_in":0"#, "Bearer t 0 - -"),
        (r#","expires_in":-1"#, "Bearer t - - -"),
        (r#","expires_in":"-1""#, "Bearer t - - -"),
        (r#","expires_in":1e300"#, "Bearer t - - -"),
        (r#","expires_in":"NaN""#, "Bearer t - - -"),
        (r#","expires_in":"soon""#, "Bearer t - - -"),
        (r#","expires_in":null"#, "Bearer t - - -"),
        (r#","expires_in":[60]"#, "Bearer t - - -"),
        (r#","refresh_token":"""#, "Bearer t - - -"),
        (r#","refresh_token":null"#, "Bearer t - - -"),
        (r#","scope":"""#, "Bearer t - - -"),
        (r#","scope":" ""#, "Bearer t - - -"),
        (r#","scope":"a""#, "Bearer t - - a"),
        (r#","scope":["b","a"]"#, "Bearer t - - a b"),
        (r#","scope":null"#, "Bearer t - - -"),
        (r#","error":null"#, "Bearer t - - -"),
        (r#","error":"""#, "Bearer t - - -"),
    ] {
        check(&format!(r#"{{"access_token":"t"{fields}}}"#), expected);
    }
    check(r#"{"access_token":"a:b/c+d=="}"#, "Bearer a:b/c+d== - - -");
    check("\u{feff}{\"access_token\":\"t\"}", "Bearer t - - -");
}

#[test]
fn form_encoded_token_response_is_read() {
    let response = |content_type: &str| {
        Response::builder()
            .header("content-type", content_type)
            .body(Bytes::from_static(
                b"access_token=gho_16&expires_in=28800&scope=repo%20gist&token_type=bearer",
            ))
            .unwrap()
    };
    assert_eq!(
        describe(&grant(&response(
            "Application/X-WWW-Form-Urlencoded; charset=utf-8"
        ))),
        "Bearer gho_16 28800 - gist repo"
    );
    assert!(TokenResponse::from_http(&response("text/plain"), AuthScheme::Bearer).is_err());
}

#[test]
fn json_without_content_type_is_read() {
    let response = Response::new(Bytes::from_static(br#"{"access_token":"t"}"#));
    assert_eq!(describe(&grant(&response)), "Bearer t - - -");
}

#[test]
fn first_grant_has_the_requested_scopes_and_resource() {
    let resource = Resource::parse("https://mcp.example").unwrap();
    let response = TokenResponse::from_http(
        &answer(
            200,
            r#"{"access_token":"t","scope":"a","expires_in":9223372036854775807}"#,
        ),
        AuthScheme::Bearer,
    )
    .unwrap();
    let grant = response.into_grant(
        GrantKind::DeviceCode,
        &Scopes::from_server("a b"),
        Some(&resource),
        NOW,
    );
    assert_eq!(grant.kind, GrantKind::DeviceCode);
    assert_eq!(grant.obtained_at, NOW);
    assert_eq!(grant.resource, Some(resource));
    assert_eq!(grant.requested_scopes.to_string(), "a b");
    assert_eq!(grant.scopes().to_string(), "a");
    // For ever is not an overflow.
    assert_eq!(
        grant.expires_at,
        Some(Timestamp::from_unix_seconds(i64::MAX))
    );
}

#[test]
fn renewed_grant_keeps_what_the_answer_omits() {
    let mut old = Grant::new(GrantKind::AuthorizationCode, AccessToken::new("old"), NOW);
    old.refresh_token = Some(RefreshToken::new("r-old"));
    old.expires_at = Some(NOW);
    old.requested_scopes = Scopes::from_server("a b c");
    old.granted_scopes = Some(Scopes::from_server("a b"));
    old.resource = Some(Resource::parse("https://mcp.example").unwrap());
    let later = Timestamp::from_unix_seconds(NOW.as_unix_seconds() + 100);
    let renew = |body: &str| {
        TokenResponse::from_http(&answer(200, body), AuthScheme::Bearer)
            .unwrap()
            .renew(&old, later)
    };

    let silent = renew(r#"{"access_token":"new"}"#);
    assert_eq!(describe(&silent), "Bearer new - r-old a b");
    assert_eq!(silent.obtained_at, later);
    assert_eq!(silent.resource, old.resource);
    assert_eq!(silent.requested_scopes, old.requested_scopes);

    let rotated =
        renew(r#"{"access_token":"new","refresh_token":"r-new","expires_in":60,"scope":"a"}"#);
    assert_eq!(describe(&rotated), "Bearer new 160 r-new a");

    let empty = renew(r#"{"access_token":"new","refresh_token":"","scope":""}"#);
    assert_eq!(describe(&empty), "Bearer new - r-old a b");
}

#[test]
fn token_of_another_type_than_requested_is_refused() {
    let read = |kind: &str, asked| {
        let body = format!(r#"{{"access_token":"t","token_type":"{kind}"}}"#);
        TokenResponse::from_http(&answer(200, &body), asked)
    };
    let (bearer, dpop) = (AuthScheme::Bearer, AuthScheme::Dpop);
    assert_eq!(read("DPoP", dpop).unwrap().scheme(), dpop);
    assert_eq!(read("Bearer", bearer).unwrap().scheme(), bearer);
    let text = "the authorization server gave another type of token (status 200, ";
    for (kind, asked, why, hint) in [
        (
            "Bearer",
            dpop,
            "a bearer token where one bound by DPoP is required)",
            "",
        ),
        (
            "DPoP",
            bearer,
            "a DPoP token where a bearer token was asked for)",
            "set `dpop` to `always`",
        ),
    ] {
        let error = read(kind, asked).unwrap_err();
        assert_eq!(error.class(), TokenErrorClass::WrongType);
        assert_eq!(error.remedy(), Remedy::Configure);
        assert_eq!(error.to_string(), format!("{text}{why}"));
        assert_eq!(hints(&error), hint);
    }
}
