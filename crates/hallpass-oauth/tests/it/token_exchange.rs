use std::time::Duration;

use hallpass_core::{ClientId, ClientSecret, Resource, Scopes};
use hallpass_oauth::{
    ClientAuthentication, IdentityAssertion, IdentityAssertionRequest, TokenErrorClass,
};

use crate::{NOW, answer, form, metadata, url};

#[test]
fn id_token_is_exchanged_for_an_identity_assertion() {
    let idp_client = ClientId::new("idp-client");
    let request = IdentityAssertionRequest {
        id_token: "id.to.ken",
        audience: &metadata().issuer,
        resource: Some(&Resource::parse("http://localhost:3000/mcp").unwrap()),
        scopes: &Scopes::none(),
    }
    .into_http(
        &url("https://idp.example/token"),
        &ClientAuthentication::none(&idp_client),
    );
    assert_eq!(
        form(&request),
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\n\
         subject_token=id.to.ken\n\
         subject_token_type=urn:ietf:params:oauth:token-type:id_token\n\
         requested_token_type=urn:ietf:params:oauth:token-type:id-jag\n\
         audience=https://as.example\nresource=http://localhost:3000/mcp\nclient_id=idp-client\n"
    );

    let body = r#"{"access_token":"ja.g.s","token_type":"N_A","expires_in":300,
        "issued_token_type":"urn:ietf:params:oauth:token-type:id-jag"}"#;
    let assertion = IdentityAssertion::from_http(&answer(200, body), NOW).unwrap();
    let lifetime = assertion.expires_at().unwrap().saturating_since(NOW);
    assert_eq!(lifetime, Duration::from_secs(300));
    assert!(!format!("{assertion:?}").contains("ja.g.s"));
    let (id, secret) = (ClientId::new("c"), ClientSecret::new("s"));
    let resource = Resource::parse("http://localhost:3000/mcp").unwrap();
    let request = assertion
        .redeem(&Scopes::none(), Some(&resource))
        .into_http(
            &url("https://as.example/token"),
            &ClientAuthentication::basic(&id, &secret),
        );
    assert_eq!(
        form(&request),
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer\nassertion=ja.g.s\n\
         resource=http://localhost:3000/mcp\nclient_id=c\n"
    );
}

#[test]
fn issued_token_of_another_type_is_refused() {
    for body in [
        r#"{"access_token":"t","token_type":"Bearer"}"#,
        r#"{"access_token":"t","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#,
        r#"{"issued_token_type":"urn:ietf:params:oauth:token-type:id-jag"}"#,
    ] {
        let error = IdentityAssertion::from_http(&answer(200, body), NOW).unwrap_err();
        assert_eq!(error.class(), TokenErrorClass::Unknown);
    }
    let error = IdentityAssertion::from_http(&answer(400, r#"{"error":"invalid_grant"}"#), NOW);
    assert_eq!(error.unwrap_err().class(), TokenErrorClass::Definitive);
}
