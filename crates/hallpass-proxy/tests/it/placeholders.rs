//! A server that can't be asked yet: what the host is told meanwhile, and afterwards.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hallpass_proxy::CapabilityCache;
use hallpass_testkit::{FakeClock, Gate};
use serde_json::Value;

use crate::{
    fake_server::{FakeServer, Reply, Seen, event, handshake},
    host::{FIRST_ANSWER, Host, INITIALIZE, INITIALIZED},
};

fn read(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// A cache in memory.
#[derive(Debug, Default)]
struct MemoryCache(Mutex<std::collections::HashMap<String, Vec<u8>>>);

impl CapabilityCache for MemoryCache {
    fn load(&self, opening: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(opening).cloned()
    }

    fn save(&self, opening: &str, result: &[u8]) {
        let mut kept = self.0.lock().unwrap();
        kept.insert(opening.to_owned(), result.to_vec());
    }
}

#[tokio::test]
async fn silent_server_gets_placeholders_until_it_answers() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = FakeServer::start(move |seen: &Seen| match handshake(seen) {
        Some(reply) if seen.is("initialize") => Reply::status(200)
            .header("content-type", "application/json")
            .header("mcp-session-id", "s1")
            .wait(&held)
            .chunk(reply_body(&reply, seen)),
        Some(reply) => reply,
        None => Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{{}}]}}}}"#,
            seen.id()
        )),
    })
    .await;
    let memory = Arc::new(MemoryCache::default());
    let clock = FakeClock::default();
    let mut host = Host::at(&server.url, memory.clone(), Arc::new(clock.clone()));
    host.say(INITIALIZE).await;
    // The attempt's limit, and what the host is kept waiting at most.
    clock.until_asleep(2).await;
    clock.advance(FIRST_ANSWER);
    let answer = read(&host.hear().await);
    let result = &answer["result"];
    for list in ["tools", "resources", "prompts"] {
        assert_eq!(result["capabilities"][list]["listChanged"], true);
    }
    assert!(
        result["instructions"]
            .as_str()
            .unwrap()
            .contains("not answered yet")
    );
    host.say(INITIALIZED).await;
    host.call(1, "ping").await;
    gate.until_arrived(1).await;
    gate.open();
    // The ping was waiting for the server, and what was promised is there now.
    let mut heard = vec![
        host.hear().await,
        host.hear().await,
        host.hear().await,
        host.hear().await,
    ];
    heard.sort();
    assert!(
        heard[0].starts_with(r#"{"jsonrpc":"2.0","id":1,"#),
        "{heard:?}"
    );
    for (line, list) in heard[1..].iter().zip(["prompts", "resources", "tools"]) {
        assert_eq!(
            read(line)["method"],
            format!("notifications/{list}/list_changed")
        );
    }
    // What was promised and is not there is empty.
    host.call(2, "prompts/list").await;
    assert_eq!(
        read(&host.hear().await)["result"]["prompts"],
        serde_json::json!([])
    );
    assert_eq!(server.count("prompts/list"), 0);
    host.call(3, "tools/list").await;
    assert_eq!(
        read(&host.hear().await)["result"]["tools"],
        serde_json::json!([{}])
    );
    assert_eq!(server.count("notifications/initialized"), 1);
    assert_eq!(host.leave().await, [""; 0]);

    // The next time the host is told what the server is, before it answers.
    drop(server);
    let mut host = Host::with_cache(&unused_url(), memory);
    host.say(INITIALIZE).await;
    let result = &read(&host.hear().await)["result"];
    assert_eq!(result["serverInfo"]["name"], "double");
    assert_eq!(
        result["capabilities"],
        serde_json::json!({ "tools": { "listChanged": true } })
    );
}

fn reply_body(_: &Reply, seen: &Seen) -> String {
    let result = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"double","version":"1"}}"#;
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
        seen.id()
    )
}

/// A subscription that is there before the server is, and one after it went down and came back.
#[tokio::test]
async fn subscription_waits_for_the_server() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let say = |id: u32, method: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{meta}}}}}"#)
    };
    let acknowledged =
        r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}"#;
    let answer = |breaks: Gate| {
        move |seen: &Seen| {
            if seen.is("subscriptions/listen") {
                return Reply::events(event("", acknowledged))
                    .wait(&breaks)
                    .breaks();
            }
            let tools = r#"{"tools":{"listChanged":true}}"#;
            let result =
                format!(r#"{{"supportedVersions":["2026-07-28"],"capabilities":{tools}}}"#);
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
                seen.id()
            ))
        }
    };
    let breaks = Gate::new();
    let server = FakeServer::start(answer(breaks.clone())).await;
    let url = server.url.clone();
    let again = async |breaks: &Gate| {
        let address = url.trim_start_matches("http://").trim_end_matches("/mcp");
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        FakeServer::on(listener, answer(breaks.clone()))
    };

    // What the server is like is known from another time.
    let memory = Arc::new(MemoryCache::default());
    let mut host = Host::with_cache(&url, memory.clone());
    host.say(&say(0, "server/discover")).await;
    assert!(host.hear().await.contains("supportedVersions"));
    assert_eq!(host.leave().await, [""; 0]);
    drop(server);

    let mut host = Host::with_cache(&url, memory);
    host.say(&say(0, "server/discover")).await;
    assert!(host.hear().await.contains("supportedVersions"));
    host.say(&say(1, "subscriptions/listen")).await;
    host.say(&say(2, "tools/list")).await;
    let meanwhile = host.hear().await;
    assert!(meanwhile.contains("\"id\":2,"), "{meanwhile}");
    assert!(meanwhile.contains("\"tools\":[]"), "{meanwhile}");

    // It comes up: the subscription stands, and the list has changed.
    let server = again(&breaks).await;
    let mut changes = Vec::new();
    loop {
        let heard = host.hear().await;
        if heard == acknowledged {
            break;
        }
        changes.push(heard);
    }
    assert!(changes.iter().all(|it| it.contains("/list_changed")));
    let changed = host.hear().await;
    assert!(changed.contains("/tools/list_changed"), "{changed}");
    assert!(changed.contains("subscriptionId\":1"), "{changed}");

    // It goes down: the host hears that the subscription has ended, and begins another.
    drop(server);
    breaks.open();
    let ended = host.hear().await;
    assert!(ended.contains("\"id\":1,\"error\""), "{ended}");
    host.say(&say(3, "subscriptions/listen")).await;
    let _server = again(&Gate::new()).await;
    assert_eq!(host.hear().await, acknowledged);
    assert_eq!(host.leave().await, [""; 0]);
}

#[tokio::test]
async fn subscription_makes_no_more_attempts_while_the_server_is_down() {
    let server = FakeServer::start(|_: &Seen| Reply::status(503)).await;
    let cache = Arc::new(MemoryCache::default());
    cache.save("server_discover-2026-07-28", br#"{"capabilities":{}}"#);
    let clock = FakeClock::default();
    let mut host = Host::at(&server.url, cache, Arc::new(clock.clone()));
    let say = |id: u32, method: &str| {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{meta}}}}}"#)
    };
    host.say(&say(0, "server/discover")).await;
    let answer = host.hear().await;
    assert!(answer.contains("503 Service Unavailable"), "{answer}");
    host.say(&say(1, "subscriptions/listen")).await;
    Host::wait(&clock, Duration::from_secs(600)).await;
    let attempts = server.count("server/discover");
    assert!((5..=16).contains(&attempts), "{attempts} attempts");
}

/// A URL where no server listens.
fn unused_url() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/mcp", socket.local_addr().unwrap())
}

#[tokio::test]
async fn missing_sign_in_is_told_in_the_instructions() {
    let open = Arc::new(Mutex::new(false));
    let is_open = open.clone();
    let server = FakeServer::start(move |seen: &Seen| {
        if !*is_open.lock().unwrap() {
            return Reply::status(401).header("www-authenticate", "Bearer");
        }
        handshake(seen).unwrap_or_else(|| {
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
                seen.id()
            ))
        })
    })
    .await;
    let mut host = Host::before(&server.url);
    host.say(INITIALIZE).await;
    let result = &read(&host.hear().await)["result"];
    let instructions = result["instructions"].as_str().unwrap();
    assert!(
        instructions.contains("run `hallpass login`"),
        "{instructions}"
    );
    host.say(INITIALIZED).await;
    host.call(1, "tools/list").await;
    assert_eq!(
        read(&host.hear().await)["result"]["tools"],
        serde_json::json!([])
    );
    host.call(2, "tools/call").await;
    let error = read(&host.hear().await);
    assert_eq!(error["error"]["data"]["remedy"], "sign-in", "{error}");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("run `hallpass login`"), "{message}");
    // The server's mind changes; the next call finds out.
    *open.lock().unwrap() = true;
    loop {
        host.call(3, "tools/call").await;
        let mut line = read(&host.hear().await);
        while line.get("method").is_some() {
            line = read(&host.hear().await);
        }
        if line.get("result").is_some() {
            break;
        }
        assert_eq!(line["error"]["data"]["remedy"], "sign-in");
    }
}
