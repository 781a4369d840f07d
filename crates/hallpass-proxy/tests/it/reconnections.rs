//! Streams that a server ends again and again are not asked for without pause.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hallpass_core::{AccessToken, BoxFuture, Clock, TokenSource, TokenSourceError};
use hallpass_proxy::NoCache;
use hallpass_testkit::{FakeClock, Gate};

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake},
    host::Host,
};

fn result(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
}

/// When each GET came.
type Times = Arc<Mutex<Vec<Duration>>>;

/// A server whose streams all are `stream`: its own, or the ones that answer calls.
async fn server(clock: &FakeClock, is_own: bool, stream: Reply) -> (FakeServer, Times) {
    let times = Times::default();
    let (clock, noted) = (clock.clone(), times.clone());
    let double = FakeServer::start(move |seen: &Seen| {
        let resumes = seen.header("last-event-id").is_some();
        if seen.method == "GET" && (resumes || is_own) {
            noted.lock().unwrap().push(clock.monotonic());
            return stream.clone();
        }
        match handshake(seen) {
            Some(reply) => reply,
            None if is_own => Reply::json(result(&seen.id())),
            None => stream.clone(),
        }
    });
    (double.await, times)
}

async fn host(server: &FakeServer, clock: &FakeClock) -> Host {
    let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock.clone()));
    host.after_the_handshake().await
}

/// The shortest time between two of them.
fn shortest(times: &Times) -> Duration {
    let times = times.lock().unwrap();
    let between = times.windows(2).map(|two| two[1].saturating_sub(two[0]));
    between.min().unwrap()
}

#[tokio::test]
async fn call_whose_stream_only_hands_out_ids_ends_with_an_error() {
    for stream in [
        Reply::events("id: e1\n\n"),
        Reply::events("id: e1\ndata:\n\n").breaks(),
        Reply::events("id: e1\nretry: 0\ndata:\n\n"),
    ] {
        let clock = FakeClock::default();
        let (server, times) = server(&clock, false, stream).await;
        let mut host = host(&server, &clock).await;
        host.call(1, "tools/call").await;
        let error = host.hear_in_time(&clock).await;
        assert!(
            error.contains("again and again without a message"),
            "{error}"
        );
        assert!(error.contains("it is not known whether"), "{error}");
        assert_eq!(times.lock().unwrap().len(), 24);
        assert!(shortest(&times) >= Duration::from_secs(1));
        assert_eq!(server.count("tools/call"), 1);
    }
}

#[tokio::test]
async fn list_whose_stream_only_hands_out_ids_is_not_asked_for_again() {
    let clock = FakeClock::default();
    let stream = Reply::events("id: e1\n\n");
    let (server, times) = server(&clock, false, stream).await;
    let mut host = host(&server, &clock).await;
    host.call(1, "tools/list").await;
    let error = host.hear_in_time(&clock).await;
    assert!(
        error.contains("again and again without a message"),
        "{error}"
    );
    assert_eq!(times.lock().unwrap().len(), 24);
    assert_eq!(server.count("tools/list"), 1);
}

#[tokio::test]
async fn server_stream_with_ids_only_is_opened_less_and_less_often() {
    for stream in [
        Reply::events("id: e1\nretry: 0\n\n"),
        Reply::events("id: e1\n\n").breaks(),
        Reply::events(": here\n\n"),
    ] {
        let clock = FakeClock::default();
        let (server, times) = server(&clock, true, stream).await;
        let _host = host(&server, &clock).await;
        Host::wait(&clock, Duration::from_secs(300)).await;
        let asked = times.lock().unwrap().len();
        assert!((5..=15).contains(&asked), "{asked} requests");
        assert!(shortest(&times) >= Duration::from_secs(1));
    }
}

#[tokio::test]
async fn server_stream_that_ends_after_each_message_is_opened_once_a_second() {
    let clock = FakeClock::default();
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    let stream = Reply::events(event("", note));
    let (server, times) = server(&clock, true, stream).await;
    let mut host = host(&server, &clock).await;
    for _ in 0..10 {
        assert_eq!(host.hear_in_time(&clock).await, note);
    }
    assert!(shortest(&times) >= Duration::from_secs(1));
}

#[tokio::test]
async fn call_waits_while_the_server_stream_is_about_to_be_reopened() {
    let clock = FakeClock::default();
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    let gate = Gate::new();
    let held = gate.clone();
    let mut gets = 0;
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.method == "GET" {
            gets += 1;
            return match gets {
                1 => Reply::events(event("", note)),
                _ => Reply::events("").wait(&Gate::new()).held(&held),
            };
        }
        handshake(seen).unwrap_or_else(|| Reply::json(result(&seen.id())))
    })
    .await;
    let mut host = host(&server, &clock).await;
    assert_eq!(host.hear().await, note);
    // The pause before the next GET.
    clock.until_asleep(1).await;
    host.call(1, "tools/call").await;
    host.call(2, "tools/list").await;
    assert_eq!(host.hear().await, result("2"));
    assert_eq!(server.count("tools/call"), 0);
    clock.advance(Duration::from_secs(1));
    gate.until_arrived(1).await;
    assert_eq!(server.count("tools/call"), 0);
    gate.open();
    assert_eq!(host.hear().await, result("1"));
}

/// Another token each time.
#[derive(Debug, Default)]
struct Source(AtomicUsize);

impl TokenSource for Source {
    fn read(&self) -> BoxFuture<'_, Result<AccessToken, TokenSourceError>> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(AccessToken::new(format!("token-{number}"))) })
    }

    fn describe(&self) -> String {
        "the test".to_owned()
    }
}

#[tokio::test]
async fn server_stream_that_refuses_each_second_request_costs_few_tokens() {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
    for events in [": here\n\n".to_owned(), event("", note)] {
        let clock = FakeClock::default();
        let mut gets = 0;
        let server = FakeServer::start(move |seen: &Seen| {
            if seen.method == "GET" {
                gets += 1;
                if gets % 2 == 0 {
                    return Reply::status(401)
                        .header("www-authenticate", "Bearer error=\"invalid_token\"");
                }
                return Reply::events(&*events);
            }
            handshake(seen).unwrap_or_else(|| Reply::json(result(&seen.id())))
        })
        .await;
        let source = Arc::new(Source::default());
        let memory = Arc::new(NoCache);
        let its = Arc::new(clock.clone());
        let host = Host::whose_session(&server.url, memory, its.clone(), |session| {
            session.token_source(source.clone()).clock(its)
        });
        let mut host = host.after_the_handshake().await;
        Host::wait(&clock, Duration::from_secs(3600)).await;
        let asked = source.0.load(Ordering::SeqCst);
        assert!((3..=7).contains(&asked), "{asked} tokens");
        host.call(1, "tools/call").await;
        while host.hear().await == note {}
    }
}
