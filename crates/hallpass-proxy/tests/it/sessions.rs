//! A 404 to the GET of a session: the session is lost, or there is no such route.

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
