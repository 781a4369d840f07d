//! Sessions as in processes of their own, on one store: one window for all.

use std::{sync::atomic::Ordering, time::Duration};

use hallpass_core::{CredentialStore, Remedy, Scopes, SignInReason, store::LockKind};
use hallpass_session::{SessionError, SignInRequest, Token};
use tokio::task::JoinSet;

use crate::{
    double::TestStore,
    world::{World, serial},
};

/// How many processes begin at once.
const PROCESSES: usize = 10;

/// Begins the sign-ins, and comes back when the first asks the person and all others wait for it.
async fn all_begin(world: &World) -> JoinSet<Result<Token, SessionError>> {
    world.person.gate.shut();
    let locks = TestStore::count(&world.store.locks);
    let mut tasks = JoinSet::new();
    for _ in 0..PROCESSES {
        let session = world.session();
        tasks.spawn(async move { session.sign_in(SignInRequest::default()).await });
    }
    world.person.gate.arrived(1).await;
    // The first takes the window; each other one finds it taken, and waits for it.
    let locks = locks + 1 + 2 * (PROCESSES - 1);
    world.store.locking.arrived(locks).await;
    tasks
}

#[tokio::test]
async fn processes_that_sign_in_at_once_share_one_window() {
    for world in [World::empty(), World::signed_in().await] {
        let signed_in = world.store.load(&world.key).await.unwrap().is_some();
        let before = u32::from(signed_in);
        let tasks = all_begin(&world).await;
        let holders = world.session().lock_holders().await.unwrap();
        assert_eq!(holders.sign_in.as_deref(), Some("this process"));
        assert_eq!(holders.key, None);
        // The credential's own lock is free while the person thinks.
        drop(
            world
                .store
                .lock(&world.key, LockKind::Credential, Duration::ZERO)
                .await
                .unwrap(),
        );
        world.person.gate.open();
        let expected = before + 1;
        for token in tasks.join_all().await {
            assert_eq!(serial(&token.unwrap()), expected);
        }
        assert_eq!(world.person.calls(), 1);
        // Who comes later is asked as before.
        let later = world.session().sign_in(SignInRequest::default()).await;
        assert_eq!(serial(&later.unwrap()), expected + 1);
    }
}

#[tokio::test]
async fn a_no_is_everybody_s() {
    let world = World::empty();
    world.person.refuses.store(true, Ordering::SeqCst);
    let tasks = all_begin(&world).await;
    world.person.gate.open();
    let mut told = Vec::new();
    for token in tasks.join_all().await {
        let error = token.unwrap_err();
        assert_eq!(error.remedy(), Remedy::SignIn);
        told.push(std::error::Error::source(&error).unwrap().to_string());
    }
    let elsewhere = "the sign-in that another process began came to nothing";
    let others = told.iter().filter(|text| *text == elsewhere).count();
    assert_eq!(others, PROCESSES - 1, "{told:?}");
    assert_eq!(world.person.calls(), 1);
}

#[tokio::test]
async fn a_grant_of_fewer_scopes_does_not_serve_who_asks_for_more() {
    let world = World::empty();
    let mut tasks = all_begin(&world).await;
    let session = world.session();
    tasks.spawn(async move {
        let ask = SignInRequest {
            scopes: Scopes::from_server("more"),
            ..SignInRequest::default()
        };
        session.sign_in(ask).await
    });
    world.store.locking.arrived(1 + 2 * PROCESSES).await;
    world.person.gate.open();
    for token in tasks.join_all().await {
        token.unwrap();
    }
    assert_eq!(world.person.calls(), 2);
    assert_eq!(world.person.asked()[1].1, "more");
}

#[tokio::test]
async fn who_saw_nothing_takes_what_another_process_has_saved_since() {
    let world = World::empty();
    // This one has looked, and found that nobody has signed in; then somebody does.
    let late = world.session();
    let first = world.session().sign_in(SignInRequest::default()).await;
    let first = serial(&first.unwrap());
    let ask = SignInRequest {
        reason: SignInReason::First,
        ..SignInRequest::default()
    };
    assert_eq!(serial(&late.sign_in(ask).await.unwrap()), first);
    assert_eq!(world.person.calls(), 1);
}
