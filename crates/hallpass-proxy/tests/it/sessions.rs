//! Whether a session is lost: a 404 to the GET of one may say that there is no such route, and other
//! refusals than 404 may be for the request.

use std::{sync::Arc, time::Duration};

use hallpass_proxy::NoCache;
use hallpass_testkit::FakeClock;

use crate::{
    fake_server::{FakeServer, Reply, Seen, handshake},
    host::Host,
};

fn result(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
}

/// Answers each GET with 404, and pings in their order with `pings`, the last of them again and again.
async fn server(pings: Vec<u16>) -> FakeServer {
    let mut pings = pings.into_iter();
    let mut last = 0;
    let mut sessions = 0;
    FakeServer::start(move |seen: &Seen| {
        if seen.is("initialize") {
            sessions += 1;
            let session = format!("s{sessions}");
            return handshake(seen).unwrap().header("mcp-session-id", session);
        }
        if seen.method == "GET" {
            return Reply::status(404);
        }
        if seen.is("ping") {
            last = pings.next().unwrap_or(last);
            return match last {
                200 => Reply::json(result(&seen.id())),
                status => Reply::status(status),
            };
        }
        handshake(seen).unwrap_or_else(|| Reply::json(result(&seen.id())))
    })
    .await
}

async fn host(server: &FakeServer) -> (Host, FakeClock) {
    let clock = FakeClock::default();
    let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock.clone()));
    (host.after_the_handshake().await, clock)
}

fn gets(server: &FakeServer) -> usize {
    let seen = server.seen();
    seen.iter().filter(|seen| seen.method == "GET").count()
}

#[tokio::test]
async fn get_answered_404_in_a_session_that_lives_is_not_repeated() {
    for status in [200, 400] {
        let server = server(vec![status]).await;
        let (mut host, clock) = host(&server).await;
        server.until(|seen| seen.is("ping")).await;
        for id in 1..=30 {
            host.call(id, "tools/call").await;
            assert_eq!(host.hear().await, result(&id.to_string()));
            clock.advance(Duration::from_secs(60));
        }
        assert_eq!((gets(&server), server.count("ping")), (1, 1));
        assert_eq!(server.count("initialize"), 1);
        let ping = server.seen().into_iter().find(|seen| seen.is("ping"));
        assert_eq!(ping.unwrap().header("mcp-session-id"), Some("s1"));
        // The answer to the ping is not the host's.
        assert_eq!(host.leave().await, [""; 0]);
    }
}

#[tokio::test]
async fn session_lost_at_each_get_is_renewed_once_a_minute() {
    let server = server(vec![404]).await;
    let (mut host, clock) = host(&server).await;
    // The first at once.
    server
        .until(|seen| seen.method == "GET" && seen.header("mcp-session-id") == Some("s2"))
        .await;
    Host::wait(&clock, Duration::from_secs(50)).await;
    assert_eq!(server.count("initialize"), 2);
    Host::wait(&clock, Duration::from_secs(550)).await;
    let opened = server.count("initialize");
    assert!((3..=12).contains(&opened), "{opened} sessions");
    host.call(1, "tools/call").await;
    assert_eq!(host.hear().await, result("1"));
}

#[tokio::test]
async fn get_answered_404_is_repeated_while_the_ping_has_no_answer() {
    let server = server(vec![503, 503, 200]).await;
    let (_host, clock) = host(&server).await;
    Host::wait(&clock, Duration::from_secs(60)).await;
    assert_eq!((gets(&server), server.count("ping")), (3, 3));
    assert_eq!(server.count("initialize"), 1);
}

/// Knows the newest session alone, and refuses what comes in another one so.
async fn forgetful(refuse: impl Fn(&Seen) -> Reply + Send + 'static) -> FakeServer {
    let (mut sessions, mut is_known) = (0, true);
    FakeServer::start(move |seen: &Seen| {
        if seen.is("initialize") {
            sessions += 1;
            is_known = true;
            return handshake(seen)
                .unwrap()
                .header("mcp-session-id", format!("s{sessions}"));
        }
        if seen.is("forget") {
            is_known = false;
            return Reply::json(result(&seen.id()));
        }
        if let Some(reply) = handshake(seen) {
            return reply;
        }
        if is_known {
            Reply::json(result(&seen.id()))
        } else {
            refuse(seen)
        }
    })
    .await
}

fn refusal(status: u16, code: i64) -> Reply {
    let body = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{code},"message":"no"}}}}"#);
    Reply::status(status)
        .header("content-type", "application/json")
        .chunk(body)
}

fn refusal_event(seen: &Seen) -> Reply {
    let id = seen.id();
    Reply::events(format!(
        "data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32000,\"message\":\"no\"}}}}\n\n"
    ))
}

type Refuse = fn(&Seen) -> Reply;

const REFUSALS: [(Refuse, &str); 6] = [
    (|_| Reply::status(400), "so it has not run"),
    (|_| Reply::status(409), "so it has not run"),
    (|_| refusal(400, -32600), "so it has not run"),
    (|_| refusal(200, -32600), "so it has not run"),
    (|_| refusal(200, -32000), "it may have run"),
    (refusal_event, "it may have run"),
];

#[tokio::test]
async fn session_refused_in_other_words_than_404_is_opened_again_once_a_minute() {
    for (refuse, _) in REFUSALS {
        let server = forgetful(refuse).await;
        let (mut host, clock) = host(&server).await;
        host.call(1, "forget").await;
        host.hear().await;
        host.call(2, "tools/list").await;
        assert_eq!(host.hear().await, result("2"));
        assert_eq!((server.count("initialize"), server.count("ping")), (2, 1));
        // No other one within a minute: the refusal is the answer.
        host.call(3, "forget").await;
        host.hear().await;
        host.call(4, "tools/list").await;
        assert!(host.hear().await.contains("\"error\""));
        assert_eq!((server.count("initialize"), server.count("ping")), (2, 1));
        clock.advance(Duration::from_secs(60));
        host.call(5, "tools/list").await;
        assert_eq!(host.hear().await, result("5"));
        assert_eq!(server.count("initialize"), 3);
        assert_eq!(host.leave().await, [""; 0]);
    }
}

#[tokio::test]
async fn call_in_a_lost_session_is_an_error_and_the_next_one_has_a_session() {
    for (refuse, outcome) in REFUSALS {
        let server = forgetful(refuse).await;
        let (mut host, _clock) = host(&server).await;
        host.call(1, "forget").await;
        host.hear().await;
        host.call(2, "tools/call").await;
        let error = host.hear().await;
        assert!(error.contains("has lost the session"), "{error}");
        assert!(error.contains(outcome), "{error}");
        assert!(error.contains("\"id\":2"), "{error}");
        host.call(3, "tools/call").await;
        assert_eq!(host.hear().await, result("3"));
        assert_eq!(
            (server.count("initialize"), server.count("tools/call")),
            (2, 2)
        );
        assert_eq!(host.leave().await, [""; 0]);
    }
}

#[tokio::test]
async fn refusal_that_a_ping_does_not_get_is_passed_on() {
    let refuse = |seen: &Seen| {
        if seen.is("ping") {
            return Reply::json(result(&seen.id()));
        }
        if seen.is("tools/list") {
            return refusal_event(seen);
        }
        refusal(400, -32600)
    };
    let server = forgetful(refuse).await;
    let (mut host, _clock) = host(&server).await;
    host.call(1, "forget").await;
    host.hear().await;
    for (id, method, code) in [(2, "tools/call", "-32600"), (3, "tools/list", "-32000")] {
        host.call(id, method).await;
        let answer = host.hear().await;
        assert!(
            answer.contains(&format!("\"id\":{id},")) && answer.contains(code),
            "{answer}"
        );
    }
    assert_eq!((server.count("initialize"), server.count("ping")), (1, 2));
    assert_eq!(host.leave().await, [""; 0]);
}
