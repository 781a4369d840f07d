//! Grants that are bound to a key (RFC 9449).

use hallpass_core::{AuthScheme, DpopKey, record::SignInCause};
use hallpass_oauth::ProofKey;
use hallpass_session::Need;

use crate::{
    double::Fault,
    world::{World, need, serial},
};

async fn bound(key: DpopKey) -> World {
    let world = World::empty();
    world
        .put(|record| {
            let grant = record.grant.as_mut().unwrap();
            grant.scheme = AuthScheme::Dpop;
            grant.dpop_key = Some(key);
        })
        .await;
    world.server.token_type("DPoP");
    world.clock.advance(3_600);
    world
}

#[tokio::test]
async fn a_bound_grant_is_refreshed_with_a_proof_and_the_server_s_nonce() {
    let world = bound(ProofKey::generate().unwrap()).await;
    world.server.fault(Fault::WantsNonce("nonce-1"));
    let token = world.session().token().await.unwrap();
    assert_eq!((serial(&token), token.scheme()), (2, AuthScheme::Dpop));
    assert!(token.authorization().to_str().unwrap().starts_with("DPoP "));
    assert!(token.dpop_key().is_some());
    let proofs = world.server.proofs();
    assert_eq!(proofs.len(), 2);
    assert_ne!(proofs[0], proofs[1], "each request has a proof of its own");
    assert!(world.clock.sleeps().is_empty(), "a nonce is no fault");
    assert_eq!(world.record().await.fence, None);
}

#[tokio::test]
async fn a_server_that_asks_for_nonces_without_end_is_left() {
    let world = bound(ProofKey::generate().unwrap()).await;
    for _ in 0..20 {
        world.server.fault(Fault::WantsNonce("nonce-1"));
    }
    world.session().token().await.unwrap_err();
    assert!(world.server.posts() <= 6, "{}", world.server.posts());
}

#[tokio::test]
async fn a_bearer_token_in_place_of_a_bound_one_is_refused() {
    let world = bound(ProofKey::generate().unwrap()).await;
    world.server.token_type("Bearer");
    let error = world.session().token().await.unwrap_err();
    assert_eq!(need(&error), Need::Ended(SignInCause::RefreshRefused));
}

#[tokio::test]
async fn a_key_that_is_lost_needs_a_sign_in() {
    let world = bound(DpopKey::new("not a key")).await;
    let error = world.session().token().await.unwrap_err();
    assert_eq!(need(&error), Need::Ended(SignInCause::NoRefreshToken));
    assert_eq!(world.server.posts(), 0);
}
