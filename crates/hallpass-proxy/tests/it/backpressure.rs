//! Hosts and servers that say more than anybody can take.

use std::{sync::Arc, time::Duration};

use hallpass_proxy::{MAX_MESSAGE_BYTES, NoCache};
use hallpass_testkit::{FakeClock, Gate};

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake, pong},
    host::Host,
};

/// Waits until nothing more is taken: what has been is what the sockets and the proxy hold.
async fn taken(server: &FakeServer) -> usize {
    let mut taken = 0;
    loop {
        tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>())
            .await
            .unwrap_err();
        let now = *server.flooded.lock().unwrap();
        if now == taken && taken > 0 {
            return taken;
        }
        taken = now;
    }
}

#[tokio::test]
async fn host_that_does_not_read_stops_the_server() {
    let note = event(
        "",
        &format!(
            r#"{{"jsonrpc":"2.0","method":"n","params":["{}"]}}"#,
            "x".repeat(10_000)
        ),
    );
    let server = FakeServer::start(move |seen: &Seen| {
        handshake(seen).unwrap_or_else(|| Reply::events("\n").flood(note.clone()))
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    let taken = taken(&server).await;
    assert!(taken < 24 << 20, "{taken} bytes went somewhere");
    for _ in 0..100 {
        assert!(host.hear().await.contains("\"method\":\"n\""));
    }
}

#[tokio::test]
async fn event_after_the_answer_of_an_opening_is_not_read() {
    let server = FakeServer::start(|seen: &Seen| {
        if !seen.is("initialize") {
            return handshake(seen).unwrap_or_else(|| Reply::status(404));
        }
        let info = r#"{"name":"double","version":"1"}"#;
        let result = format!(
            r#"{{"protocolVersion":"2025-06-18","capabilities":{{}},"serverInfo":{info}}}"#
        );
        let answer = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
            seen.id()
        );
        Reply::events(event("", &answer))
            .chunk("data: ")
            .flood("x".repeat(PIECE))
    })
    .await;
    let host = Host::ready(&server.url).await;
    taken(&server).await;
    assert!(host.bytes_read() < MIB, "{} bytes", host.bytes_read());
}

const PIECE: usize = 64 * 1024;
const MIB: usize = 1024 * 1024;

/// The answer to a call as JSON or as an event, with this many bytes, and the middle of it where it waits.
fn large(seen: &Seen, is_event: bool, bytes: usize, middle: Option<&Gate>) -> Reply {
    let head = format!(r#"{{"jsonrpc":"2.0","id":{},"result":""#, seen.id());
    let piece = "x".repeat(PIECE);
    let reply = if is_event {
        Reply::events(format!("data: {head}"))
    } else {
        Reply::json(head)
    };
    let reply = reply.repeat(&*piece, bytes / PIECE / 2);
    let reply = match middle {
        Some(gate) => reply.wait(gate),
        None => reply,
    };
    let end = if is_event { "\"}\n\n" } else { "\"}" };
    reply.repeat(piece, bytes / PIECE / 2).chunk(end)
}

#[tokio::test]
async fn large_answers_wait_at_the_server_while_the_host_does_not_read() {
    const CALLS: u32 = 16;
    const SIZE: usize = 2 * MIB;
    for is_event in [false, true] {
        let server = FakeServer::start(move |seen: &Seen| {
            handshake(seen).unwrap_or_else(|| large(seen, is_event, SIZE, None))
        })
        .await;
        let mut host = Host::ready(&server.url).await;
        for id in 1..=CALLS {
            host.call(id, "tools/call").await;
        }
        taken(&server).await;
        // Five answers may be whole; each of the others holds a little.
        let read = host.bytes_read();
        assert!(read < 14 * MIB, "{read} bytes were read");
        // All come whole once the host reads.
        let mut ids = Vec::new();
        for _ in 0..CALLS {
            let answer = host.hear().await;
            assert!((SIZE..SIZE + 100).contains(&answer.len()));
            let (_, id) = answer.split_once("\"id\":").unwrap();
            ids.push(id.split_once(',').unwrap().0.parse::<u32>().unwrap());
        }
        ids.sort_unstable();
        assert_eq!(ids, (1..=CALLS).collect::<Vec<_>>());
        assert_eq!(host.leave().await, [""; 0]);
    }
}

#[tokio::test]
async fn small_answer_does_not_wait_for_large_ones_and_a_cancelled_one_makes_room() {
    let half_read = Gate::new();
    let middle = half_read.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        if let Some(reply) = handshake(seen) {
            return reply;
        }
        let Some(id) = seen.id_text() else {
            return Reply::status(202);
        };
        match id.as_str() {
            // They stop in the middle, with all that there is for large answers.
            "1" | "2" | "3" | "4" | "5" => large(seen, false, 8 * MIB, Some(&middle)),
            "6" => large(seen, false, MIB, None),
            _ => Reply::json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)),
        }
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    half_read.until_arrived(1).await;
    for id in 2..=5 {
        host.call(id, "tools/call").await;
    }
    taken(&server).await;
    host.call(6, "tools/call").await;
    taken(&server).await;
    host.call(7, "tools/call").await;
    assert!(host.hear().await.contains("\"id\":7,"));
    host.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    // The next large one goes on without blocks, and leaves its own.
    assert!(host.hear().await.contains("\"id\":6,"));
    half_read.open();
    for _ in 2..=5 {
        assert!(host.hear().await.len() > 8 * MIB);
    }
    assert_eq!(host.leave().await, [""; 0]);
}

/// Waits until the proxy has read so many bytes of the server's answers.
async fn until_read(host: &Host, bytes: usize) {
    let read = async {
        while host.bytes_read() < bytes {
            tokio::task::yield_now().await;
        }
    };
    let soon = Duration::from_secs(60);
    tokio::time::timeout(soon, read).await.unwrap();
}

/// What one answer takes of the budget before it needs the place of the one that may grow beyond.
const SHARE: usize = 2 * MIB + 16 * 1024;

#[tokio::test]
async fn answer_that_stalls_while_others_wait_is_an_error() {
    for is_event in [false, true] {
        let (half_read, clock) = (Gate::new(), FakeClock::default());
        let middle = half_read.clone();
        let server = FakeServer::start(move |seen: &Seen| {
            handshake(seen).unwrap_or_else(|| {
                let middle = (seen.id() == "1").then_some(&middle);
                large(seen, is_event, 8 * MIB, middle)
            })
        })
        .await;
        let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock.clone()));
        let mut host = host.after_the_handshake().await;
        host.call(1, "tools/call").await;
        until_read(&host, 4 * MIB).await;
        host.call(2, "tools/call").await;
        until_read(&host, 4 * MIB + SHARE).await;
        // The first one waits for the server alone, and the second one for the first.
        Host::wait(&clock, Duration::from_secs(31)).await;
        let answer = host.hear().await;
        assert!(
            answer.contains("\"id\":1,\"error\"")
                && answer.contains("of its answer in 30 s while other large answers waited")
                && answer.contains("not known whether the server did what was asked"),
            "{answer:.500}"
        );
        let answer = host.hear().await;
        assert!(answer.contains("\"id\":2,\"result\""), "{answer:.500}");
        assert!(answer.len() > 8 * MIB);
        assert_eq!(host.leave().await, [""; 0]);
    }
}

#[tokio::test]
async fn stream_that_broke_off_gives_its_room_back_at_once() {
    let server = FakeServer::start(|seen: &Seen| {
        if seen.method == "GET" && seen.header("last-event-id") == Some("1") {
            return Reply::status(404);
        }
        handshake(seen).unwrap_or_else(|| {
            if seen.id() == "2" {
                return large(seen, false, 4 * MIB, None);
            }
            // It may be resumed in ten minutes.
            Reply::events("id: 1\nretry: 600000\n\ndata: ")
                .repeat("x".repeat(PIECE), 4 * MIB / PIECE)
                .breaks()
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    host.call(1, "tools/call").await;
    until_read(&host, 4 * MIB).await;
    host.call(2, "tools/call").await;
    assert!(host.hear().await.contains("\"id\":2,"));
}

#[tokio::test]
async fn refusal_that_waits_for_room_keeps_the_words_of_the_server() {
    let (half_read, clock) = (Gate::new(), FakeClock::default());
    let middle = half_read.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        handshake(seen).unwrap_or_else(|| match seen.id().as_str() {
            // They stop in the middle, with all that there is for large answers.
            "1" | "2" | "3" | "4" | "5" => large(seen, false, 8 * MIB, Some(&middle)),
            id => {
                let data = "x".repeat(PIECE);
                let error = format!(r#"{{"code":-1,"message":"too much","data":"{data}"}}"#);
                Reply::status(422)
                    .header("content-type", "application/json")
                    .chunk(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
            }
        })
    })
    .await;
    let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock.clone()));
    let mut host = host.after_the_handshake().await;
    host.call(1, "tools/call").await;
    until_read(&host, 4 * MIB).await;
    for id in 2..=5 {
        host.call(id, "tools/call").await;
        until_read(&host, 4 * MIB + (id as usize - 1) * SHARE).await;
    }
    let before = host.bytes_read();
    host.call(6, "tools/call").await;
    until_read(&host, before + 16 * 1024).await;
    Host::wait(&clock, Duration::from_secs(10)).await;
    host.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#)
        .await;
    let answer = host.hear().await;
    assert!(
        answer.contains("\"id\":6,\"error\"") && answer.contains("too much"),
        "{answer:.500}"
    );
    half_read.open();
    for _ in [1, 3, 4, 5] {
        assert!(host.hear().await.len() > 8 * MIB);
    }
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn comments_and_empty_events_take_no_room_of_answers() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            let comment = format!(":{}\n\nid: 1\n\n", "x".repeat(10_000));
            if seen.id() == "6" {
                return large(seen, false, MIB, None);
            }
            let comments = Reply::events("").repeat(comment, 300);
            comments.wait(&Gate::new())
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    for id in 1..=5 {
        host.call(id, "tools/call").await;
    }
    taken(&server).await;
    host.call(6, "tools/call").await;
    assert!(host.hear().await.contains("\"id\":6,"));
}

#[tokio::test]
async fn thousand_requests_get_a_thousand_answers() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
                seen.id()
            ))
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    let mut answered = std::collections::BTreeSet::new();
    for id in 0..1000 {
        host.call(id, "tools/call").await;
    }
    for _ in 0..1000 {
        let answer = host.hear().await;
        assert!(answer.contains("\"result\""), "{answer}");
        answered.insert(answer);
    }
    assert_eq!(answered.len(), 1000);
    assert_eq!(server.count("tools/call"), 1000);
}

/// What a host may have under way at a time.
const MAX_AT_ONCE: u32 = 256;

#[tokio::test]
async fn request_beyond_the_limit_waits_and_is_then_refused() {
    let (gate, clock) = (Gate::new(), FakeClock::default());
    let held = gate.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            let answer = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, seen.id());
            Reply::status(200)
                .header("content-type", "application/json")
                .wait(&held)
                .chunk(answer)
        })
    })
    .await;
    let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock.clone()));
    let mut host = host.after_the_handshake().await;
    for id in 1..=MAX_AT_ONCE + 1 {
        host.call(id, "tools/call").await;
    }
    gate.until_arrived(MAX_AT_ONCE as usize).await;
    let refused = host.hear_in_time(&clock).await;
    let id = format!("\"id\":{},\"error\"", MAX_AT_ONCE + 1);
    assert!(refused.contains(&id), "{refused}");
    assert!(refused.contains("too many requests"), "{refused}");
    assert_eq!(server.count("tools/call"), MAX_AT_ONCE as usize);

    // The next one finds a place as soon as there is one.
    host.call(1000, "tools/call").await;
    gate.open();
    let mut answers = Vec::new();
    for _ in 0..=MAX_AT_ONCE {
        answers.push(host.hear().await);
    }
    assert!(answers.iter().all(|answer| answer.contains("\"result\"")));
    assert!(answers.iter().any(|answer| answer.contains("\"id\":1000,")));
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn cancellation_behind_a_request_that_waits_makes_room_for_it() {
    let (gate, clock) = (Gate::new(), FakeClock::default());
    let held = gate.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        if seen.id_text().is_none() {
            return Reply::status(202);
        }
        handshake(seen).unwrap_or_else(|| {
            Reply::status(200)
                .header("content-type", "application/json")
                .wait(&held)
                .chunk("{}")
        })
    })
    .await;
    // The clock stands still: nothing is refused for its age.
    let host = Host::at(&server.url, Arc::new(NoCache), Arc::new(clock));
    let mut host = host.after_the_handshake().await;
    for id in 1..=MAX_AT_ONCE + 1 {
        host.call(id, "tools/call").await;
    }
    gate.until_arrived(MAX_AT_ONCE as usize).await;
    host.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    gate.until_arrived(MAX_AT_ONCE as usize + 1).await;
    assert_eq!(server.count("tools/call"), MAX_AT_ONCE as usize + 1);
}

#[tokio::test]
async fn answer_of_an_opening_that_is_too_large_to_be_kept_is_an_error() {
    let server = FakeServer::start(|seen: &Seen| {
        if !seen.is("initialize") {
            return handshake(seen).unwrap_or_else(|| Reply::status(404));
        }
        let head = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","x":""#;
        Reply::json(head)
            .repeat("x".repeat(PIECE), MIB / PIECE)
            .chunk(r#""}}"#)
    })
    .await;
    let mut host = Host::before(&server.url);
    let params = r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#;
    let open = format!(r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{params}}}"#);
    host.say(&open).await;
    assert!(host.hear().await.contains("\"id\":0"));
    host.call(1, "tools/call").await;
    let told = host.hear().await;
    assert!(told.contains("1 MiB is the limit"), "{told}");
}

#[tokio::test]
async fn too_large_message_is_refused_under_its_id() {
    let server = FakeServer::start(|seen: &Seen| {
        handshake(seen).unwrap_or_else(|| {
            let much = "x".repeat(MAX_MESSAGE_BYTES);
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":"{much}"}}"#,
                seen.id()
            ))
        })
    })
    .await;
    let mut host = Host::ready(&server.url).await;
    let much = "x".repeat(MAX_MESSAGE_BYTES);
    host.say(&format!(
        r#"{{"jsonrpc":"2.0","id":"big","method":"tools/call","params":{{"a":"{much}"}}}}"#
    ))
    .await;
    let answer = host.hear().await;
    assert!(
        answer.contains("\"id\":\"big\"") && answer.contains("33554432"),
        "{answer}"
    );
    assert_eq!(server.count("tools/call"), 0);

    // The same the other way round.
    host.call(1, "tools/call").await;
    let answer = host.hear().await;
    assert!(
        answer.contains("\"id\":1,")
            && answer.contains("larger than 32 MiB; set `max_message_size`"),
        "{answer}"
    );
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn large_error_keeps_the_beginning_of_its_message() {
    for status in [200, 400] {
        let server = FakeServer::start(move |seen: &Seen| {
            handshake(seen).or_else(|| pong(seen)).unwrap_or_else(|| {
                let head = format!(
                    r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-7,"message":"no room left: "#,
                    seen.id()
                );
                Reply::status(status)
                    .header("content-type", "application/json")
                    .chunk(head)
                    .repeat("x".repeat(PIECE), 3 * MIB / PIECE)
                    .chunk("\"}}")
            })
        })
        .await;
        let mut host = Host::ready(&server.url).await;
        host.call(1, "tools/call").await;
        let answer = host.hear().await;
        assert!(answer.len() < PIECE, "{}", answer.len());
        let beginning =
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-7,"message":"no room left: xxx"#;
        assert!(answer.starts_with(beginning), "{answer:.200}");
        assert!(answer.ends_with("x…\"}}"), "{answer:.200}");
        assert_eq!(host.leave().await, [""; 0]);
    }
}
