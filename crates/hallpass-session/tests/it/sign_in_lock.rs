//! Sessions of several processes on one store share one sign-in.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hallpass_core::{
    Clock as _, CredentialStore, Diagnostic as _, Hint, Remedy, Scopes, SignInReason,
    store::{Guard, LockKind},
};
use hallpass_session::{Session, SessionError, SignInNeed, SignInRequest, SignOut, Token};
use tokio::task::{JoinHandle, JoinSet};

use crate::{
    fakes::{FakeAuthorizer, TestStore},
    fixture::{Fixture, bare, insufficient, need, serial},
};

/// How many processes start a sign-in at once.
const PROCESSES: usize = 10;

/// Starts the sign-ins, and returns when the first asks the user and all others wait for it.
async fn start_all(fixture: &Fixture) -> JoinSet<Result<Token, SessionError>> {
    fixture.authorizer.gate.shut();
    let locks = TestStore::count(&fixture.store.locks);
    let mut tasks = JoinSet::new();
    for _ in 0..PROCESSES {
        let session = fixture.session();
        tasks.spawn(async move { session.sign_in(SignInRequest::default()).await });
    }
    fixture.authorizer.gate.arrived(1).await;
    // The first takes the lock; each other one finds it taken, and waits for it.
    let locks = locks + 1 + 2 * (PROCESSES - 1);
    fixture.store.locking.arrived(locks).await;
    tasks
}

#[tokio::test]
async fn concurrent_processes_share_one_sign_in() {
    for fixture in [Fixture::empty(), Fixture::signed_in().await] {
        let signed_in = fixture.store.load(&fixture.key).await.unwrap().is_some();
        let before = u32::from(signed_in);
        let tasks = start_all(&fixture).await;
        let holders = fixture.session().lock_holders().await.unwrap();
        assert_eq!(holders.sign_in.as_deref(), Some("this process"));
        assert_eq!(holders.key, None);
        // The credential's own lock is free while the user signs in.
        drop(
            fixture
                .store
                .lock(&fixture.key, LockKind::Credential, Duration::ZERO)
                .await
                .unwrap(),
        );
        let waits = &fixture.authorizer.waits;
        assert_eq!(waits.load(Ordering::SeqCst), PROCESSES - 1);
        fixture.authorizer.gate.open();
        let expected = before + 1;
        for token in tasks.join_all().await {
            assert_eq!(serial(&token.unwrap()), expected);
        }
        // What an authorizer does beside a wait ends with it.
        assert_eq!(waits.load(Ordering::SeqCst), 0);
        assert_eq!(fixture.authorizer.calls(), 1);
        // A later sign-in asks the user again.
        let later = fixture.session().sign_in(SignInRequest::default()).await;
        assert_eq!(serial(&later.unwrap()), expected + 1);
    }
}

#[tokio::test]
async fn denied_sign_in_is_reported_to_all_processes() {
    let fixture = Fixture::empty();
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let tasks = start_all(&fixture).await;
    fixture.authorizer.gate.open();
    let mut told = Vec::new();
    for token in tasks.join_all().await {
        let error = token.unwrap_err();
        assert_eq!(error.remedy(), Remedy::SignIn);
        told.push(std::error::Error::source(&error).unwrap().to_string());
    }
    let expected = "another process's sign-in failed";
    let others = told.iter().filter(|text| *text == expected).count();
    assert_eq!(others, PROCESSES - 1, "{told:?}");
    assert_eq!(fixture.authorizer.calls(), 1);
}

#[tokio::test]
async fn kept_grant_does_not_count_as_a_new_one_after_a_denied_sign_in() {
    let fixture = Fixture::signed_in().await;
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    let tasks = start_all(&fixture).await;
    // The sign-in saves what it learns of its client, before the user is done.
    fixture.replace(fixture.record().await).await;
    fixture.authorizer.gate.open();
    for token in tasks.join_all().await {
        assert_eq!(token.unwrap_err().remedy(), Remedy::SignIn);
    }
    assert_eq!(fixture.authorizer.calls(), 1);
}

/// A sign-in that waits for the sign-in lock, which is held until the guard is dropped.
async fn start_waiting(fixture: &Fixture) -> (Guard, JoinHandle<Result<Token, SessionError>>) {
    let locks = TestStore::count(&fixture.store.locks);
    let lock = fixture
        .store
        .lock(&fixture.key, LockKind::SignIn, Duration::ZERO)
        .await
        .unwrap();
    let session = fixture.session();
    let waiting = tokio::spawn(async move { session.sign_in(SignInRequest::default()).await });
    // The test's own lock, the one that was taken, and the one that is waited for.
    fixture.store.locking.arrived(locks + 3).await;
    (lock, waiting)
}

#[tokio::test]
async fn new_grant_with_the_same_access_token_counts_as_a_sign_in() {
    let fixture = Fixture::signed_in().await;
    let (lock, waiting) = start_waiting(&fixture).await;
    // The server gives the token that it gave before, for longer.
    fixture.clock.advance(60);
    let mut record = fixture.record().await;
    record.sign_ins += 1;
    let grant = record.grant.as_mut().unwrap();
    grant.obtained_at = fixture.clock.now();
    grant.expires_at = Some(
        fixture
            .clock
            .now()
            .saturating_add(Duration::from_secs(3_600)),
    );
    fixture.replace(record).await;
    drop(lock);
    assert_eq!(serial(&waiting.await.unwrap().unwrap()), 1);
    assert_eq!(fixture.authorizer.calls(), 0);
}

#[tokio::test]
async fn sign_in_saved_by_an_older_version_counts_as_a_sign_in() {
    let fixture = Fixture::signed_in().await;
    let (lock, waiting) = start_waiting(&fixture).await;
    fixture.clock.advance(60);
    // It leaves the number of sign-ins as it is.
    let mut record = fixture.record().await;
    let now = fixture.clock.now();
    record.grant.as_mut().unwrap().obtained_at = now;
    record.registration.as_mut().unwrap().proven_at = Some(now);
    fixture.replace(record).await;
    drop(lock);
    waiting.await.unwrap().unwrap();
    assert_eq!(fixture.authorizer.calls(), 0);
}

#[tokio::test]
async fn sign_in_to_a_record_that_was_made_again_counts_as_a_sign_in() {
    let fixture = Fixture::empty();
    let session = fixture.session();
    session.sign_in(SignInRequest::default()).await.unwrap();
    let (lock, waiting) = start_waiting(&fixture).await;
    fixture.clock.advance(60);
    let forget = SignOut {
        forget_client: true,
        local_only: true,
    };
    session.sign_out(forget).await.unwrap();
    // Another process, which needs no lock for a service.
    let mut other = fixture.clone();
    other.authorizer = Arc::new(FakeAuthorizer::new(Arc::clone(&fixture.server)));
    other.authorizer.is_service.store(true, Ordering::SeqCst);
    let signed_in = other.session().sign_in(SignInRequest::default()).await;
    let signed_in = serial(&signed_in.unwrap());
    drop(lock);
    assert_eq!(serial(&waiting.await.unwrap().unwrap()), signed_in);
    assert_eq!(fixture.authorizer.calls(), 1);
}

#[tokio::test]
async fn refresh_does_not_count_as_the_sign_in_of_another_process() {
    // A sign-in takes the proof of its client away until the user is done.
    for is_proven in [true, false] {
        let fixture = Fixture::signed_in().await;
        let mut record = fixture.record().await;
        let proof = is_proven.then(|| fixture.clock.now());
        record.registration.as_mut().unwrap().proven_at = proof;
        fixture.replace(record).await;
        let (lock, waiting) = start_waiting(&fixture).await;
        fixture.clock.advance(3_600);
        assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
        drop(lock);
        let error = waiting.await.unwrap().unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "another process's sign-in failed", "{is_proven}");
        assert_eq!(fixture.authorizer.calls(), 0);
    }
}

#[tokio::test]
async fn wait_for_another_process_ends_with_the_error_of_the_authorizer() {
    let fixture = Fixture::empty();
    let (_lock, waiting) = start_waiting(&fixture).await;
    fixture.authorizer.patience.open();
    let ended = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    let ended = ended.unwrap_or_else(|_| panic!("the wait does not end"));
    let error = ended.unwrap().unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "this process takes too long");
    assert_eq!(fixture.authorizer.calls(), 0);
}

#[tokio::test]
async fn grant_with_fewer_scopes_is_followed_by_another_sign_in() {
    let fixture = Fixture::empty();
    let mut tasks = start_all(&fixture).await;
    let session = fixture.session();
    tasks.spawn(async move {
        let request = SignInRequest {
            scopes: Scopes::from_server("more"),
            ..SignInRequest::default()
        };
        session.sign_in(request).await
    });
    fixture.store.locking.arrived(1 + 2 * PROCESSES).await;
    fixture.authorizer.gate.open();
    for token in tasks.join_all().await {
        token.unwrap();
    }
    assert_eq!(fixture.authorizer.calls(), 2);
    assert_eq!(fixture.authorizer.asked()[1].1, "more");
}

#[tokio::test]
async fn first_sign_in_adopts_a_grant_saved_meanwhile() {
    let fixture = Fixture::empty();
    // This session has found no record; then another process signs in.
    let late = fixture.session();
    let first = fixture.session().sign_in(SignInRequest::default()).await;
    let first = serial(&first.unwrap());
    let request = SignInRequest {
        reason: SignInReason::First,
        ..SignInRequest::default()
    };
    assert_eq!(serial(&late.sign_in(request).await.unwrap()), first);
    assert_eq!(fixture.authorizer.calls(), 1);
}

#[tokio::test]
async fn session_without_authorizer_does_not_wait_for_the_sign_in_of_another_process() {
    for fixture in [Fixture::empty(), Fixture::signed_in().await] {
        let open = fixture
            .store
            .lock(&fixture.key, LockKind::SignIn, Duration::ZERO)
            .await
            .unwrap();
        let (store, http) = (fixture.store.clone(), fixture.server.clone());
        let session = Session::builder(fixture.key.clone(), fixture.settings.clone(), store, http)
            .clock(fixture.clock.clone() as _)
            .build()
            .unwrap();
        let hint = "this process waits for the user to sign in; when that is done, try again";
        let token = session.token().await;
        if let Err(error) = &token {
            assert_eq!(error.hints(), [Hint::text(hint)]);
        }
        let token = token.ok();
        let challenges = match &token {
            Some(_) => insufficient("w"),
            None => bare(),
        };
        let refused = session.handle_challenge(token.as_ref(), &challenges);
        let refused = tokio::time::timeout(Duration::from_secs(20), refused).await;
        let error = refused.unwrap().unwrap_err();
        assert_eq!(error.remedy(), Remedy::SignIn);
        assert_eq!(error.hints(), [Hint::text(hint)]);
        drop(open);
        let refused = session.handle_challenge(token.as_ref(), &challenges).await;
        assert_eq!(refused.unwrap_err().hints(), []);
    }
}

#[tokio::test]
async fn request_without_a_user_does_not_wait_for_an_open_sign_in() {
    let fixture = Fixture::empty();
    fixture.authorizer.gate.shut();
    let session = fixture.session();
    let open = session.clone();
    let open = tokio::spawn(async move { open.sign_in(SignInRequest::default()).await });
    fixture.authorizer.gate.arrived(1).await;
    // The same session, and one of another process of the same user.
    for session in [session, fixture.session()] {
        let token = tokio::time::timeout(Duration::from_secs(20), session.token()).await;
        assert_eq!(need(&token.unwrap().unwrap_err()), SignInNeed::First);
    }
    fixture.authorizer.gate.open();
    open.await.unwrap().unwrap();
}
