//! A token endpoint that replaces refresh tokens and loses its answers, and many accounts.

use std::sync::Arc;

use hallpass_core::{CredentialKey, ServerUrl};
use hallpass_session::{CircuitBreakers, Session, SessionError, Waiting};
use tokio::task::JoinSet;

use crate::{
    fakes::Fault,
    fixture::{Fixture, retry_after},
};

const ACCOUNTS: usize = 1_000;

/// Sessions of many accounts at one authorization server, whose access tokens have ended.
async fn sessions(fixture: &Fixture) -> Vec<Session> {
    let breakers = Arc::new(CircuitBreakers::default());
    let mut sessions = Vec::new();
    for number in 0..ACCOUNTS {
        let url = format!("https://mcp.example.com/{number}");
        let mut account = fixture.clone();
        account.key = CredentialKey::new(ServerUrl::parse(&url).unwrap());
        account.put(|_| ()).await;
        let session = account.builder().circuit_breakers(Arc::clone(&breakers));
        sessions.push(session.build().unwrap());
    }
    fixture.clock.advance(3_600);
    fixture.clock.hold();
    sessions
}

/// Gets a token for every account at once; how many succeeded. The clock advances while they wait.
async fn ask(fixture: &Fixture, sessions: &[Session]) -> usize {
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
        if fixture.clock.is_waited_for() {
            fixture.clock.advance(1);
        }
    }
    tokens
}

#[tokio::test]
async fn ten_minutes_of_lost_answers_end_few_of_a_thousand_grants() {
    let fixture = Fixture::empty();
    let sessions = sessions(&fixture).await;
    fixture.server.one_family_each();
    for _ in 0..ACCOUNTS {
        fixture.server.fault(Fault::LostAfter);
    }
    let begun = fixture.clock.seconds();
    while fixture.clock.seconds() < begun + 600 {
        assert_eq!(ask(&fixture, &sessions).await, 0);
        fixture.clock.advance(30);
    }
    let lost = fixture.server.replaced();
    assert!(
        (3..=20).contains(&lost),
        "{lost} refresh tokens were replaced and lost"
    );

    // The endpoint works again: all others are refreshed.
    fixture.server.no_faults();
    fixture.clock.advance(120);
    ask(&fixture, &sessions).await;
    let healed = ask(&fixture, &sessions).await;
    assert_eq!(healed, ACCOUNTS - lost);
}

#[tokio::test]
async fn waiting_accounts_get_the_remaining_pause() {
    let fixture = Fixture::empty();
    let sessions = sessions(&fixture).await;
    for session in &sessions[..3] {
        fixture.server.fault(Fault::LostAfter);
        session.token().await.unwrap_err();
    }
    let error = sessions[3].token().await.unwrap_err();
    assert_eq!(retry_after(&error), 10);
    let SessionError::Refresh(failed) = error else {
        panic!("{error:?}")
    };
    assert_eq!(failed.waits(), Some(Waiting::AfterLostAnswers));
}
