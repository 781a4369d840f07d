//! A client that proves itself with a signature (`private_key_jwt`, RFC 7523 §2.2).

use hallpass_core::{ClientPrivateKey, ClientSigningKey, Remedy, TokenEndpointAuthMethod};
use hallpass_oauth::ProofKey;
use hallpass_session::{SignInNeed, SignOut};

use crate::{
    double::Fault,
    world::{World, need, serial},
};

fn pem() -> String {
    let document = ProofKey::generate().unwrap();
    let document = document.expose();
    format!("-----BEGIN PRIVATE KEY-----\n{document}\n-----END PRIVATE KEY-----\n")
}

async fn signing() -> World {
    let mut world = World::empty();
    world.settings.client.key = Some(ClientSigningKey {
        pem: ClientPrivateKey::new(pem()),
        id: None,
    });
    world
        .put(|record| {
            let registration = record.registration.as_mut().unwrap();
            registration.auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
        })
        .await;
    world
}

/// The assertions of the requests so far.
fn assertions(world: &World) -> Vec<String> {
    let bodies = world.server.bodies();
    let of = |body: &String| {
        let (_, rest) = body.split_once("client_assertion=")?;
        rest.split('&').next().map(str::to_owned)
    };
    bodies.iter().filter_map(of).collect()
}

#[tokio::test]
async fn refreshes_and_revocations_are_signed_each_by_itself() {
    let world = signing().await;
    world.clock.advance(3_600);
    let session = world.session();
    assert_eq!(serial(&session.token().await.unwrap()), 2);
    session.sign_out(SignOut::default()).await.unwrap();
    let mut signed = assertions(&world);
    assert_eq!(signed.len(), 3, "one refresh, two tokens revoked");
    signed.sort();
    signed.dedup();
    assert_eq!(signed.len(), 3);
}

#[tokio::test]
async fn a_refresh_that_is_repeated_is_signed_anew() {
    let world = signing().await;
    world
        .put(|record| {
            let registration = record.registration.as_mut().unwrap();
            registration.auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
            record.grant.as_mut().unwrap().dpop_key = Some(ProofKey::generate().unwrap());
        })
        .await;
    world.server.token_type("DPoP");
    world.server.fault(Fault::WantsNonce("nonce-1"));
    world.clock.advance(3_600);
    world.session().token().await.unwrap();
    let signed = assertions(&world);
    assert_eq!(signed.len(), 2);
    assert_ne!(signed[0], signed[1]);
}

#[tokio::test]
async fn without_the_key_nothing_is_sent() {
    let mut world = signing().await;
    world.settings.client.key = None;
    world.clock.advance(3_600);
    let error = world.session().token().await.unwrap_err();
    assert_eq!(
        need(&error),
        SignInNeed::SettingChanged("client".to_owned())
    );
    assert_eq!(world.server.posts(), 0);
}

#[tokio::test]
async fn a_key_that_is_none_makes_no_session() {
    let mut world = World::empty();
    world.settings.client.key = Some(ClientSigningKey {
        pem: ClientPrivateKey::new("canary"),
        id: None,
    });
    let error = world.builder().build().unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(error.hint().is_some());
    assert!(!format!("{error} {error:?}").contains("canary"));
}
