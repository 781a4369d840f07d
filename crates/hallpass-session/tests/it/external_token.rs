//! Tokens of a `TokenSource`.

use std::{
    collections::VecDeque,
    error::Error as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use hallpass_core::{
    AccessToken, BoxFuture, Diagnostic as _, FixedToken, Hint, Remedy, Scopes, TokenSource,
    TokenSourceError,
};
use hallpass_session::{Session, SessionError, SignInRequest, SignOut, TerminationReason, Token};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, bare, insufficient};

/// Gives the tokens of a test, and then the last one again.
#[derive(Debug)]
struct Script {
    texts: Mutex<VecDeque<&'static str>>,
    reads: Mutex<u32>,
    lasts: Option<Duration>,
}

impl Script {
    fn reads(&self) -> u32 {
        *self.reads.lock().unwrap()
    }

    fn put(&self, text: &'static str) {
        let mut texts = self.texts.lock().unwrap();
        texts.clear();
        texts.push_back(text);
    }
}

impl TokenSource for Script {
    fn read(&self) -> BoxFuture<'_, Result<AccessToken, TokenSourceError>> {
        *self.reads.lock().unwrap() += 1;
        let mut texts = self.texts.lock().unwrap();
        let text = if texts.len() > 1 {
            texts.pop_front().unwrap()
        } else {
            texts[0]
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            if text == "failure" {
                let error = TokenSourceError::new(Remedy::Retry, "the safe is shut");
                return Err(error.with_hint("wait"));
            }
            Ok(AccessToken::new(text))
        })
    }

    fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    fn describe(&self) -> String {
        "the safe".to_owned()
    }
}

/// A session with these tokens, one after the other.
fn session(texts: &[&'static str], lasts: Option<Duration>) -> (Fixture, Arc<Script>, Session) {
    let fixture = Fixture::empty();
    let source = Arc::new(Script {
        texts: Mutex::new(texts.iter().copied().collect()),
        reads: Mutex::new(0),
        lasts,
    });
    let session = fixture.builder().token_source(Arc::clone(&source) as _);
    (fixture, source, session.build().unwrap())
}

fn text(token: &Token) -> &str {
    token.access_token().expose()
}

fn why(result: Result<Token, SessionError>) -> TerminationReason {
    match result.unwrap_err() {
        SessionError::Terminated(ended) => ended.reason().clone(),
        error => panic!("no stated end: {error:?}"),
    }
}

fn refused_by_the_server() -> TerminationReason {
    TerminationReason::ExternalTokenRefused("the safe".to_owned())
}

/// No store, server or authorizer was used.
async fn check_untouched(fixture: &Fixture) {
    assert!(fixture.server.requests().is_empty());
    assert_eq!(fixture.authorizer.calls(), 0);
    assert!(fixture.session().record().await.unwrap().is_none());
}

#[tokio::test]
async fn external_token_is_read_once_and_used_until_it_is_refused() {
    let (fixture, source, session) = session(&["one", "two"], None);
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let session = session.clone();
        tasks.spawn(async move { text(&session.token().await.unwrap()).to_owned() });
    }
    assert!(tasks.join_all().await.iter().all(|text| text == "one"));
    fixture.clock.advance(1_000_000);
    let one = session.token().await.unwrap();
    assert_eq!(one.authorization(), "Bearer one");
    assert_eq!((one.issuer(), one.expires_at()), (None, None));
    assert_eq!(source.reads(), 1);

    // A hundred refusals of the same token read the source once.
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (session, one) = (session.clone(), one.clone());
        tasks.spawn(async move {
            let other = session.handle_challenge(Some(&one), &bare()).await;
            text(&other.unwrap()).to_owned()
        });
    }
    assert!(tasks.join_all().await.iter().all(|text| text == "two"));
    assert_eq!(source.reads(), 2);
    check_untouched(&fixture).await;
}

#[tokio::test]
async fn refused_external_token_read_again_terminates() {
    let (fixture, source, session) = session(&["one"], None);
    let one = session.token().await.unwrap();
    for _ in 0..3 {
        let other = session.handle_challenge(Some(&one), &bare()).await;
        assert_eq!(why(other), refused_by_the_server());
    }
    // The error is repeated for a while, and then the source is read again.
    assert_eq!(source.reads(), 2);
    source.put("two");
    fixture.clock.advance(30);
    let two = session.handle_challenge(Some(&one), &bare()).await.unwrap();
    assert_eq!(text(&two), "two");
    check_untouched(&fixture).await;
}

#[tokio::test]
async fn source_with_one_bad_token_after_another_is_read_once() {
    let (fixture, source, session) = session(&["one", "two", "three", "four"], None);
    let one = session.token().await.unwrap();
    let two = session.token_after_rejection(&one, &bare()).await.unwrap();
    assert_eq!(text(&two), "two");
    let end = session.token_after_rejection(&two, &bare()).await;
    assert_eq!(why(end), refused_by_the_server());
    let reads = source.reads();
    for _ in 0..10 {
        let token = session.token().await.unwrap();
        let end = session.token_after_rejection(&token, &bare()).await;
        assert_eq!(why(end), refused_by_the_server());
    }
    assert_eq!(source.reads(), reads);
    check_untouched(&fixture).await;
}

#[tokio::test]
async fn accepted_external_token_that_ends_at_once_is_replaced() {
    let (_, _, session) = session(&["one", "two", "three"], None);
    let one = session.token().await.unwrap();
    let two = session.token_after_rejection(&one, &bare()).await.unwrap();
    two.mark_accepted();
    let three = session.token_after_rejection(&two, &bare()).await.unwrap();
    assert_eq!(text(&three), "three");
}

#[tokio::test]
async fn external_token_with_a_lifetime_is_read_again() {
    let second = Some(Duration::from_secs(1));
    let (fixture, source, session) = session(&["one"], second);
    session.token().await.unwrap().mark_accepted();
    session.token().await.unwrap();
    assert_eq!(source.reads(), 1);
    fixture.clock.advance(1);
    assert!(session.token().await.is_ok());
    assert_eq!(source.reads(), 2);
    source.put("two");
    fixture.clock.advance(1);
    assert_eq!(text(&session.token().await.unwrap()), "two");
    assert_eq!(session.counters().adopted, 0);

    // While the source fails, the previous token is used.
    source.put("failure");
    for _ in 0..3 {
        fixture.clock.advance(1);
        assert_eq!(text(&session.token().await.unwrap()), "two");
    }
    check_untouched(&fixture).await;
}

#[tokio::test]
async fn external_token_read_in_between_keeps_the_termination() {
    let (fixture, _, session) = session(&["one", "two"], Some(Duration::from_secs(1)));
    let one = session.token().await.unwrap();
    let two = session.token_after_rejection(&one, &bare()).await.unwrap();
    assert_eq!(text(&two), "two");
    fixture.clock.advance(2);
    let two = session.token().await.unwrap();
    let end = session.token_after_rejection(&two, &bare()).await;
    assert_eq!(why(end), refused_by_the_server());
}

#[tokio::test]
async fn failing_token_source_is_not_read_during_the_backoff() {
    let (fixture, source, session) = session(&["failure"], None);
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry);
        assert_eq!(error.hints(), [Hint::text("wait")]);
        assert_eq!(error.to_string(), "could not get a token from the safe");
        assert_eq!(error.source().unwrap().to_string(), "the safe is shut");
        let SessionError::TokenSource(failed) = error else {
            panic!("{error:?}");
        };
        assert_eq!(failed.origin(), "the safe");
    }
    assert_eq!(source.reads(), 1);
    source.put("one");
    fixture.clock.advance(1);
    let one = session.token().await.unwrap();
    source.put("failure");
    let error = session.token_after_rejection(&one, &bare()).await;
    assert!(matches!(error, Err(SessionError::TokenSource(_))));
    check_untouched(&fixture).await;
}

#[tokio::test]
async fn external_token_excludes_sign_in_and_step_up() {
    let (fixture, source, session) = session(&["one"], None);
    let error = session.sign_in(SignInRequest::default()).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure);
    let chain = format!(
        "{error}: {}",
        error.source().map_or_else(String::new, ToString::to_string)
    );
    assert!(format!("{error:?} {chain}").contains("the safe"), "{chain}");
    assert_eq!(
        text(&session.handle_challenge(None, &bare()).await.unwrap()),
        "one"
    );

    let one = session.token().await.unwrap();
    one.mark_accepted();
    let end = session
        .handle_challenge(Some(&one), &insufficient("write"))
        .await;
    let lacks = TerminationReason::ExternalTokenLacksScopes(
        "the safe".to_owned(),
        Scopes::from_server("write"),
    );
    assert_eq!(why(end), lacks);
    assert_eq!(source.reads(), 2, "it may have had another one");
    assert!(
        !session
            .sign_out(SignOut::default())
            .await
            .unwrap()
            .had_grant
    );
    check_untouched(&fixture).await;
}

#[tokio::test]
async fn fixed_token_is_never_replaced() {
    let fixture = Fixture::empty();
    let fixed = FixedToken::new(AccessToken::new("canary"), "the variable `X`");
    let session = fixture
        .builder()
        .token_source(Arc::new(fixed))
        .build()
        .unwrap();
    let token = session.token().await.unwrap();
    let error = session
        .handle_challenge(Some(&token), &bare())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server refuses the token from the variable `X`"
    );
    assert_eq!(error.remedy(), Remedy::Configure);
    let shown = format!(
        "{error:?} {session:?} {:?} {:?}",
        error.hints(),
        session.token_source()
    );
    assert!(!shown.contains("canary"), "{shown}");

    let fixed = FixedToken::new(AccessToken::new("can\nary"), "the variable `X`");
    let session = fixture
        .builder()
        .token_source(Arc::new(fixed))
        .build()
        .unwrap();
    assert_eq!(why(session.token().await), TerminationReason::UnusableToken);
}
