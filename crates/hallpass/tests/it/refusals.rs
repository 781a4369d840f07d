//! What goes wrong at a server: a clear error, and nothing that was saved is lost.

use hallpass::Diagnostic as _;
use hallpass::Remedy;
use hallpass_testkit::{Behaviour, Callback, Endpoint, Fault, IssParameter, LeakCheck};

use crate::fixture::{Fixture, add, chain, connect};

/// A second login, at a server that has gone wrong meanwhile: it must fail with this remedy and
/// these words, and leave the account of the first as it was. Gives the token requests it made.
async fn check(spoil: impl FnOnce(&Fixture), remedy: Remedy, words: &[&str]) -> usize {
    let fixture = Fixture::new().await;
    let hallpass = fixture.host().build().unwrap();
    hallpass.login().await.unwrap();
    let before = hallpass.record().await.unwrap().unwrap();
    let exchanges = fixture.requests_to(Endpoint::CodeExchange).len();

    spoil(&fixture);
    let error = hallpass.login().await.expect_err("the login fails");
    let text = chain(&error);
    assert_eq!(error.remedy(), remedy, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    let mut leaks = LeakCheck::new();
    leaks.watch_record(fixture.issuer.recorder(), &[]);
    leaks
        .check("the error", &format!("{text} {error:?}"))
        .unwrap();

    let after = hallpass.record().await.unwrap().unwrap();
    assert_eq!(after.grant, before.grant);
    assert_eq!(after.registration, before.registration);
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 1, 1).await, "2");
    client.cancel().await.unwrap();
    fixture.requests_to(Endpoint::CodeExchange).len() - exchanges
}

fn behaving(change: impl FnOnce(&mut Behaviour)) -> impl FnOnce(&Fixture) {
    |fixture| fixture.issuer.change(change)
}

fn failing(endpoint: Endpoint, fault: Fault) -> impl FnOnce(&Fixture) {
    move |fixture| fixture.issuer.once(endpoint, fault)
}

#[tokio::test]
async fn wrong_iss_ends_the_login_without_a_token_request() {
    let iss = IssParameter::Exactly("https://evil.example".to_owned());
    let words = ["https://evil.example", "iss"];
    let exchanges = check(behaving(|it| it.iss = iss), Remedy::Report, &words).await;
    assert_eq!(exchanges, 0);
}

#[tokio::test]
async fn missing_promised_iss_ends_the_login_without_a_token_request() {
    let spoil = behaving(|it| it.iss = IssParameter::Missing);
    let exchanges = check(spoil, Remedy::Report, &["iss"]).await;
    assert_eq!(exchanges, 0);
}

#[tokio::test]
async fn denied_login_has_remedy_sign_in() {
    let callback = Callback::Error("access_denied".to_owned());
    let spoil = behaving(|it| it.callback = callback);
    let exchanges = check(spoil, Remedy::SignIn, &["access_denied"]).await;
    assert_eq!(exchanges, 0);
}

#[tokio::test]
async fn html_in_place_of_json_is_an_error() {
    let metadata = failing(Endpoint::ServerMetadata, Fault::Html);
    check(metadata, Remedy::Configure, &["HTML page", "RFC 8414"]).await;
    let token = failing(Endpoint::CodeExchange, Fault::Html);
    let exchanges = check(token, Remedy::Retry, &["not JSON"]).await;
    assert_eq!(exchanges, 1, "a code is tried once");
}

#[tokio::test]
async fn endless_body_is_an_error() {
    for endpoint in [Endpoint::ServerMetadata, Endpoint::CodeExchange] {
        let spoil = failing(endpoint, Fault::Endless);
        check(spoil, Remedy::Report, &["larger than allowed"]).await;
    }
}

#[tokio::test]
async fn stopped_authorization_server_keeps_the_grant() {
    let fixture = Fixture::new().await;
    let hallpass = fixture.host().build().unwrap();
    let client = connect(&hallpass).await;
    let before = hallpass.record().await.unwrap().unwrap();

    fixture.issuer.stop().await;
    fixture.issuer.expire_access_tokens();
    let arguments = serde_json::json!({ "a": 1, "b": 1 })
        .as_object()
        .cloned()
        .unwrap();
    let request = rmcp::model::CallToolRequestParams::new("add").with_arguments(arguments);
    let error = client.call_tool(request).await.unwrap_err();
    let error = hallpass::TransportError::find_in_chain(&error).unwrap();
    assert_eq!(error.remedy(), Remedy::Retry, "{}", chain(error));
    let after = hallpass.record().await.unwrap().unwrap();
    assert_eq!(after.grant, before.grant);
}

#[tokio::test]
async fn errors_and_debug_show_no_secret() {
    let fixture = Fixture::new().await;
    let hallpass = fixture.host().build().unwrap();
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 1, 1).await, "2");
    let grant = hallpass.record().await.unwrap().unwrap().grant.unwrap();
    let mut leaks = LeakCheck::new();
    leaks.watch_record(fixture.issuer.recorder(), &[]);
    assert!(
        leaks.watched() >= 4,
        "code, verifier, access and refresh token at least"
    );

    fixture.issuer.once(
        Endpoint::Refresh,
        Fault::Answer {
            status: 400,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: format!(
                r#"{{"error":"invalid_grant","error_description":"{}"}}"#,
                grant.refresh_token.as_ref().unwrap().expose()
            ),
        },
    );
    fixture.issuer.expire_access_tokens();
    let refused = hallpass.session().token().await.unwrap();
    let error = hallpass
        .session()
        .token_after_rejection(&refused, &[])
        .await
        .unwrap_err();
    let record = hallpass.record().await.unwrap();
    leaks
        .check("the error", &format!("{} {error:?}", chain(&error)))
        .unwrap();
    leaks
        .check("Debug", &format!("{hallpass:?} {record:?}"))
        .unwrap();
}
