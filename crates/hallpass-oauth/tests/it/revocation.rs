use hallpass_core::{AccessToken, ClientId, ClientSecret, RefreshToken};
use hallpass_oauth::{
    ClientAuthentication, RevocationRequest, TokenErrorClass, revocation_from_http,
};

use crate::{answer, form, url};

#[test]
fn one_token_in_each_request() {
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
    let request = RevocationRequest::of_access_token(&access)
        .into_http(&endpoint, &ClientAuthentication::basic(&id, &secret));
    assert_eq!(
        form(&request),
        "token=a\ntoken_type_hint=access_token\nclient_id=client\n"
    );
    assert!(request.headers().contains_key("authorization"));
}

#[test]
fn any_2xx_is_success() {
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
