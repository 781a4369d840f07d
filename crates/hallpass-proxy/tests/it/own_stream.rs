//! The stream of what the server says unasked is there before a call is sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hallpass_core::{AccessToken, BoxFuture, TokenSource, TokenSourceError};
use hallpass_proxy::NoCache;
use hallpass_testkit::{FakeClock, Gate};

use crate::{
    host::Host,
    server::{Double, Reply, Seen, event, handshake},
};

fn result(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
}

/// Answers a GET with what is next, and the last of it again and again.
async fn server(streams: Vec<Reply>) -> Double {
    let mut streams = streams.into_iter();
    Double::start(move |seen: &Seen| match handshake(seen) {
        Some(_) if seen.method == "GET" => streams.next().unwrap_or(Reply::status(405)),
        Some(reply) => reply,
        None => Reply::json(result(&seen.id())),
    })
    .await
}

/// A host for which no time passes unless the clock is advanced.
async fn host(server: &Double) -> (Host, FakeClock) {
    let clock = FakeClock::default();
    let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock.clone()));
    (host.after_the_handshake().await, clock)
}

/// Says a call that has to wait, and lists after it that have not.
async fn check_it_waits(host: &mut Host, server: &Double, gate: &Gate) {
    gate.until_arrived(1).await;
    host.call(1, "tools/call").await;
    for id in [2, 3] {
        host.call(id, "tools/list").await;
        assert_eq!(host.hear().await, result(&id.to_string()));
    }
    assert_eq!(server.count("tools/call"), 0);
    gate.open();
    assert_eq!(host.hear().await, result("1"));
}

#[tokio::test]
async fn a_call_waits_for_the_servers_stream_and_a_list_does_not() {
    let gate = Gate::new();
    let server = server(vec![Reply::events("").wait(&Gate::new()).held(&gate)]).await;
    let (mut host, _clock) = host(&server).await;
    check_it_waits(&mut host, &server, &gate).await;
    host.call(4, "tools/call").await;
    assert_eq!(host.hear().await, result("4"));
}

#[tokio::test]
async fn a_stream_that_a_gateway_closes_now_and_then_is_opened_again_at_once() {
    let closed = [Gate::new(), Gate::new(), Gate::new()];
    let gate = Gate::new();
    let streams = closed.iter().map(|closed| Reply::events("").wait(closed));
    let last = Reply::events("").wait(&Gate::new()).held(&gate);
    let server = server(streams.chain([last]).collect()).await;
    let (mut host, clock) = host(&server).await;
    for closed in &closed {
        closed.until_arrived(1).await;
        clock.advance(Duration::from_secs(60));
        closed.open();
    }
    // And a call waits for it again.
    check_it_waits(&mut host, &server, &gate).await;
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
async fn a_stream_that_no_token_opens_is_not_asked_for_for_ever() {
    let server = Double::start(move |seen: &Seen| match handshake(seen) {
        Some(_) if seen.method == "GET" => {
            Reply::status(401).header("www-authenticate", "Bearer error=\"invalid_token\"")
        }
        Some(reply) => reply,
        None => Reply::json(result(&seen.id())),
    })
    .await;
    let (source, clock) = (Arc::new(Source::default()), FakeClock::default());
    let host = Host::whose_session(
        &server.url,
        Arc::new(NoCache),
        Arc::new(clock.clone()),
        |session| {
            session
                .token_source(source.clone())
                .clock(Arc::new(clock.clone()))
        },
    );
    let mut host = host.after_the_handshake().await;
    for id in 1..=100 {
        host.call(id, "tools/call").await;
        assert_eq!(host.hear().await, result(&id.to_string()));
        clock.advance(Duration::from_secs(60));
    }
    let asked = source.0.load(Ordering::SeqCst);
    assert!(asked <= 6, "{asked} tokens");
}

/// A server that accepts each call with 202, and answers a GET with what is next.
async fn accepting(streams: Vec<Reply>, accepted: &Gate) -> Double {
    let (mut streams, accepted) = (streams.into_iter(), accepted.clone());
    Double::start(move |seen: &Seen| match handshake(seen) {
        Some(_) if seen.method == "GET" => streams.next().unwrap_or(Reply::status(405)),
        Some(reply) => reply,
        None if seen.is("ping") => Reply::status(404),
        None => {
            accepted.open();
            Reply::status(202)
        }
    })
    .await
}

#[tokio::test]
async fn accepted_call_fails_when_the_own_stream_ends_for_good() {
    for (status, reason) in [
        (405, "no stream of its own"),
        (404, "has ended the session"),
    ] {
        let (accepted, ends) = (Gate::new(), Gate::new());
        let streams = vec![Reply::events("").wait(&ends), Reply::status(status)];
        let server = accepting(streams, &accepted).await;
        let (mut host, clock) = host(&server).await;
        ends.until_arrived(1).await;
        host.call(1, "tools/call").await;
        accepted.pass().await;
        ends.open();
        let error = host.hear_in_time(&clock).await;
        assert!(error.contains(r#""id":1,"error""#), "{error}");
        assert!(error.contains("202 Accepted"), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn accepted_call_fails_when_the_get_is_refused_after_it() {
    let (accepted, gate) = (Gate::new(), Gate::new());
    let server = accepting(vec![Reply::status(405).held(&gate)], &accepted).await;
    let (mut host, clock) = host(&server).await;
    gate.until_arrived(1).await;
    host.call(1, "tools/call").await;
    // The call does not wait for the GET for ever.
    Host::in_time(&clock, accepted.pass()).await;
    gate.open();
    let error = host.hear().await;
    assert!(error.contains(r#""id":1,"error""#), "{error}");
    assert!(error.contains("no stream of its own"), "{error}");
}

#[tokio::test]
async fn accepted_call_is_answered_on_the_own_stream() {
    let (accepted, says) = (Gate::new(), Gate::new());
    let answer = event("", &result("1"));
    let streams = vec![Reply::events("").wait(&says).chunk(answer)];
    let server = accepting(streams, &accepted).await;
    let (mut host, _clock) = host(&server).await;
    says.until_arrived(1).await;
    host.call(1, "tools/call").await;
    accepted.pass().await;
    says.open();
    assert_eq!(host.hear().await, result("1"));
}
