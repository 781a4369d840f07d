use hallpass_core::{ClientId, ClientSecret};
use hallpass_oauth::{ClientAuthentication, TokenErrorClass};

use crate::{
    answer,
    authorization::{begin, begin_with},
    form, metadata, parameter, url,
};

#[test]
fn pushed_request_leaves_a_reference_in_the_url() {
    let mut metadata = metadata();
    metadata.authorization_endpoint = Some(url(
        "https://as.example/authorize?tenant=1&resource=x&request_uri=y",
    ));
    let mut pending = begin_with(&metadata, &[("prompt", "consent")]);
    let state = parameter(pending.url(), "state").unwrap();
    let challenge = parameter(pending.url(), "code_challenge").unwrap();
    let (id, secret) = (ClientId::new("client"), ClientSecret::new("s"));
    let endpoint = url("https://as.example/par");
    let parameters = format!(
        "response_type=code\nclient_id=client\nredirect_uri=http://127.0.0.1:7777/callback\n\
         state={state}\ncode_challenge={challenge}\ncode_challenge_method=S256\n\
         resource=https://mcp.example\nprompt=consent\n"
    );
    // The identifier is a parameter of the authorization request: once, whatever the method.
    let public = pending.push(&endpoint, &ClientAuthentication::none(&id));
    assert_eq!(form(&public), parameters);
    let basic = pending.push(&endpoint, &ClientAuthentication::basic(&id, &secret));
    assert_eq!(form(&basic), parameters);
    assert!(basic.headers().contains_key("authorization"));
    let post = pending.push(&endpoint, &ClientAuthentication::post(&id, &secret));
    assert_eq!(form(&post), format!("{parameters}client_secret=s\n"));

    let reference = r#"{"request_uri":"urn:ietf:params:oauth:request_uri:6esc","expires_in":60}"#;
    pending.pushed(&answer(201, reference)).unwrap();
    assert_eq!(
        pending.url().as_str(),
        "https://as.example/authorize?tenant=1&client_id=client\
         &request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A6esc"
    );
    // The answer is still this login's.
    assert!(pending.receive(&format!("code=c&state={state}")).is_ok());
}

#[test]
fn refused_push_leaves_the_url() {
    for (status, body, class) in [
        (
            400,
            r#"{"error":"invalid_target"}"#,
            TokenErrorClass::Refused,
        ),
        (503, "", TokenErrorClass::NotProcessed),
        (201, "{}", TokenErrorClass::Unknown),
        (200, "<html>", TokenErrorClass::Unknown),
    ] {
        let mut pending = begin(&metadata());
        let before = pending.url().clone();
        let error = pending.pushed(&answer(status, body)).unwrap_err();
        assert_eq!(error.class(), class);
        assert_eq!(*pending.url(), before);
    }
}
