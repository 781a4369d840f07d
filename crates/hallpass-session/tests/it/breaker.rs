//! A token endpoint that replaces refresh tokens and loses its answers, and many accounts.

use std::sync::Arc;

use hallpass_core::{CredentialKey, ServerUrl};
use hallpass_session::{CircuitBreakers, Session, SessionError, Waiting};
use tokio::task::JoinSet;

use crate::{
    double::Fault,
    world::{World, retry_after},
};

const ACCOUNTS: usize = 1_000;

/// Sessions of many accounts at one authorization server, whose access tokens have ended.
async fn sessions(world: &World) -> Vec<Session> {
    let breakers = Arc::new(CircuitBreakers::default());
    let mut sessions = Vec::new();
    for number in 0..ACCOUNTS {
        let url = format!("https://mcp.example.com/{number}");
        let mut account = world.clone();
        account.key = CredentialKey::new(ServerUrl::parse(&url).unwrap());
        account.put(|_| ()).await;
        let session = account.builder().circuit_breakers(Arc::clone(&breakers));
        sessions.push(session.build().unwrap());
    }
    world.clock.advance(3_600);
    world.clock.hold();
    sessions
}

/// Has every account ask for a token, at once; how many got one. Time goes on while they wait.
async fn ask(world: &World, sessions: &[Session]) -> usize {
    let mut asking = JoinSet::new();
    for session in sessions {
        let session = session.clone();
        asking.spawn(async move { session.token().await.is_ok() });
    }
    let mut tokens = 0;
    while !asking.is_empty() {
        // Everything that can run does, before time goes on.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        while let Some(answer) = asking.try_join_next() {
            tokens += usize::from(answer.unwrap());
        }
        if world.clock.is_waited_for() {
            world.clock.advance(1);
        }
    }
    tokens
}

#[tokio::test]
async fn ten_minutes_of_lost_answers_cost_few_of_a_thousand_accounts_their_sign_in() {
    let world = World::empty();
    let sessions = sessions(&world).await;
    world.server.one_family_each();
    for _ in 0..ACCOUNTS {
        world.server.fault(Fault::LostAfter);
    }
    let begun = world.clock.seconds();
    while world.clock.seconds() < begun + 600 {
        assert_eq!(ask(&world, &sessions).await, 0);
        world.clock.advance(30);
    }
    let lost = world.server.replaced();
    assert!(
        (3..=20).contains(&lost),
        "{lost} refresh tokens were replaced and lost"
    );

    // The endpoint works again: all others are refreshed.
    world.server.no_faults();
    world.clock.advance(120);
    ask(&world, &sessions).await;
    let healed = ask(&world, &sessions).await;
    assert_eq!(healed, ACCOUNTS - lost);
}

#[tokio::test]
async fn accounts_that_wait_for_the_endpoint_are_told_for_how_long() {
    let world = World::empty();
    let sessions = sessions(&world).await;
    for session in &sessions[..3] {
        world.server.fault(Fault::LostAfter);
        session.token().await.unwrap_err();
    }
    let error = sessions[3].token().await.unwrap_err();
    assert_eq!(retry_after(&error), 10);
    let SessionError::Refresh(failed) = error else {
        panic!("{error:?}")
    };
    assert_eq!(failed.waits(), Some(Waiting::AfterLostAnswers));
}
