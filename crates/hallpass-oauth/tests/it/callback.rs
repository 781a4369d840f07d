use hallpass_core::{Diagnostic as _, Remedy, ServerMetadata};
use hallpass_oauth::{CallbackError, ClientAuthentication};

use crate::{
    assert_hidden,
    authorization::{REDIRECT, begin},
    form, hints, metadata, parameter, url, with_words,
};

fn advertising() -> ServerMetadata {
    let mut metadata = metadata();
    metadata.authorization_response_iss_parameter_supported = true;
    metadata
}

/// What `receive` makes of `query`, in which `STATE` stands for the right one.
#[track_caller]
fn check(metadata: &ServerMetadata, query: &str, expected: &str) -> Option<CallbackError> {
    let pending = begin(metadata);
    let state = parameter(pending.url(), "state").unwrap();
    match pending.receive(&query.replace("STATE", &state)) {
        Ok(_) => {
            assert_eq!("code", expected, "{query}");
            None
        }
        Err(error) => {
            assert_eq!(with_words(&error), expected, "{query}");
            Some(error)
        }
    }
}

const ISSUER: &str = "https%3A%2F%2Fas.example";

#[test]
fn iss_is_checked_by_rfc_9207() {
    let wrong = |iss: &str| {
        format!(
            "the callback comes from the issuer `{iss}`, the sign-in was at `https://as.example` \
             (RFC 9207 §2.4)"
        )
    };
    let missing = "the callback holds no `iss`, although `https://as.example` says that it sends \
                   one (RFC 9207 §2.4)";
    let present = format!("code=c&state=STATE&iss={ISSUER}");
    let absent = "code=c&state=STATE";
    // Advertised, or not; present, or not.
    check(&advertising(), &present, "code");
    check(&advertising(), absent, missing);
    check(&metadata(), &present, "code");
    check(&metadata(), absent, "code");
    // Present and another's is refused whatever the metadata says. Nothing is normalized.
    for metadata in [advertising(), metadata()] {
        for (iss, shown) in [
            ("https%3A%2F%2Fevil.example", "https://evil.example"),
            ("https%3A%2F%2Fas.example%2F", "https://as.example/"),
            ("HTTPS%3A%2F%2Fas.example", "HTTPS://as.example"),
            ("https%3A%2F%2Fas.example%3A443", "https://as.example:443"),
            ("", "…"),
            ("%1B%5B31m", "…"),
        ] {
            let query = format!("code=c&state=STATE&iss={iss}");
            let error = check(&metadata, &query, &wrong(shown)).unwrap();
            assert!(error.is_fatal());
            assert_eq!(error.remedy(), Remedy::Report);
            // An error does not count either before `iss` is right.
            check(
                &metadata,
                &format!("error=access_denied&state=STATE&iss={iss}"),
                &wrong(shown),
            );
        }
        check(
            &metadata,
            &format!("code=c&state=STATE&iss={ISSUER}&iss={ISSUER}"),
            "the callback can't be read: it holds a parameter more than once",
        );
    }
    check(&advertising(), "error=access_denied&state=STATE", missing);
}

#[test]
fn stray_callback_does_not_end_the_login() {
    let none = "the callback holds no `state`, so it is not accepted";
    let wrong = "the callback belongs to another sign-in";
    for (query, expected) in [
        ("", none),
        ("?", none),
        ("SplxlOBeZQQYbYS6WxSbIA", none),
        ("code=c", none),
        ("error=access_denied", none),
        ("code=c&state=", wrong),
        ("code=c&state=other", wrong),
        ("code=c&state=STATEx", wrong),
        ("code=c&state=STATE&state=STATE", wrong),
        ("code=c&state=STATE&state=other", wrong),
        ("error=access_denied&state=other", wrong),
    ] {
        let error = check(&metadata(), query, expected).unwrap();
        assert!(!error.is_fatal(), "{query}");
    }
    let hint = hints(&check(&metadata(), "c0de", none).unwrap());
    assert!(
        hint.contains(&format!("it begins with `{REDIRECT}?`")),
        "{hint}"
    );
}

#[test]
fn callback_without_exactly_one_code_or_error_is_malformed() {
    let unreadable = |why: &str| format!("the callback can't be read: {why}");
    let m = &metadata();
    check(m, "?code=c&state=STATE&session_state=x", "code");
    check(m, "?code=c&state=STATE#_=_", "code");
    check(
        m,
        "state=STATE",
        &unreadable("it holds neither `code` nor `error`"),
    );
    check(m, "code=&state=STATE", &unreadable("its `code` is empty"));
    check(
        m,
        "code=c&error=e&state=STATE",
        &unreadable("it holds both `code` and `error`"),
    );
    check(
        m,
        "code=c&code=d&state=STATE",
        &unreadable("it holds a parameter more than once"),
    );
    let error = check(
        m,
        "error=a&error=b&state=STATE",
        &unreadable("it holds a parameter more than once"),
    );
    assert!(error.unwrap().is_fatal());
}

#[test]
fn callback_error_text_is_sanitized() {
    let m = &metadata();
    let refused = "the authorization server refused the sign-in";
    let error = check(
        m,
        "error=access_denied&error_description=The+user+said+no.&state=STATE",
        &format!("{refused}: access_denied; the server says: \"The user said no.\""),
    )
    .unwrap();
    assert_eq!(error.code(), Some("access_denied"));
    assert_eq!(error.remedy(), Remedy::SignIn);
    check(
        m,
        "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E%0D%0Ano&state=STATE",
        &format!("{refused}: access_denied; the server says: \"… no\""),
    );
    check(m, "error=%1B%5B31m&state=STATE", refused);
    check(
        m,
        "error=x&error_description=one&error_description=two&state=STATE",
        &format!("{refused}: x"),
    );
    let error = check(
        m,
        "error=invalid_target&state=STATE",
        &format!("{refused}: invalid_target"),
    );
    let error = error.unwrap();
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(hints(&error).contains("set `resource`"));
}

#[test]
fn code_becomes_one_token_request() {
    let pending = begin(&metadata());
    let state = parameter(pending.url(), "state").unwrap();
    let code = pending
        .receive(&format!("code=c%3A%26%2B1&state={state}"))
        .unwrap();
    let shown = format!("{pending:?} {code:?}");
    assert_hidden(&shown, &[&state, "c:&+1"]);
    let request = pending.redeem(code);
    assert_hidden(&format!("{request:?}"), &["c:&+1"]);
    let client_id = hallpass_core::ClientId::new("client");
    let request = request.into_http(
        &url("https://as.example/token?tenant=1#x"),
        &ClientAuthentication::none(&client_id),
    );
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "https://as.example/token?tenant=1");
    assert_eq!(
        request.headers()["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(request.headers()["accept"], "application/json");
    // The verifier is 32 bytes of 1.
    assert_eq!(
        form(&request),
        "grant_type=authorization_code\ncode=c:&+1\n\
         redirect_uri=http://127.0.0.1:7777/callback\n\
         code_verifier=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n\
         resource=https://mcp.example\nclient_id=client\n"
    );
}
