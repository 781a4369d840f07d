//! A client that proves itself with a signature (`private_key_jwt`, RFC 7523 §2.2).

use hallpass_core::{
    ClientPrivateKey, ClientSigningKey, Diagnostic as _, Remedy, TokenEndpointAuthMethod,
};
use hallpass_oauth::ProofKey;
use hallpass_session::{SignInNeed, SignOut};

use crate::{
    fakes::Fault,
    fixture::{Fixture, need, serial},
};

fn pem() -> String {
    let document = ProofKey::generate().unwrap();
    let document = document.expose();
    format!("-----BEGIN PRIVATE KEY-----\n{document}\n-----END PRIVATE KEY-----\n")
}

async fn signing() -> Fixture {
    let mut fixture = Fixture::empty();
    fixture.settings.client.key = Some(ClientSigningKey {
        pem: ClientPrivateKey::new(pem()),
        id: None,
    });
    fixture
        .put(|record| {
            let registration = record.registration.as_mut().unwrap();
            registration.auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
        })
        .await;
    fixture
}

/// The assertions of the requests so far.
fn assertions(fixture: &Fixture) -> Vec<String> {
    let bodies = fixture.server.bodies();
    let of = |body: &String| {
        let (_, rest) = body.split_once("client_assertion=")?;
        rest.split('&').next().map(str::to_owned)
    };
    bodies.iter().filter_map(of).collect()
}

#[tokio::test]
async fn each_request_has_its_own_client_assertion() {
    let fixture = signing().await;
    fixture.clock.advance(3_600);
    let session = fixture.session();
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    session.sign_out(SignOut::default()).await.unwrap();
    let mut signed = assertions(&fixture);
    assert_eq!(signed.len(), 3, "one refresh, two tokens revoked");
    signed.sort();
    signed.dedup();
    assert_eq!(signed.len(), 3);
}

#[tokio::test]
async fn repeated_refresh_has_a_new_client_assertion() {
    let fixture = signing().await;
    fixture
        .put(|record| {
            let registration = record.registration.as_mut().unwrap();
            registration.auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
            record.grant.as_mut().unwrap().dpop_key = Some(ProofKey::generate().unwrap());
        })
        .await;
    fixture.server.token_type("DPoP");
    fixture.server.fault(Fault::WantsNonce("nonce-1"));
    fixture.clock.advance(3_600);
    fixture.session().token().await.unwrap();
    let signed = assertions(&fixture);
    assert_eq!(signed.len(), 2);
    assert_ne!(signed[0], signed[1]);
}

#[tokio::test]
async fn private_key_jwt_without_a_key_sends_nothing() {
    let mut fixture = signing().await;
    fixture.settings.client.key = None;
    fixture.clock.advance(3_600);
    let error = fixture.session().token().await.unwrap_err();
    assert_eq!(
        need(&error),
        SignInNeed::SettingChanged("client".to_owned())
    );
    assert_eq!(fixture.server.posts(), 0);
}

#[tokio::test]
async fn invalid_client_key_fails_the_build() {
    let mut fixture = Fixture::empty();
    fixture.settings.client.key = Some(ClientSigningKey {
        pem: ClientPrivateKey::new("canary"),
        id: None,
    });
    let error = fixture.builder().build().unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(!error.hints().is_empty());
    assert!(!format!("{error} {error:?}").contains("canary"));
}
