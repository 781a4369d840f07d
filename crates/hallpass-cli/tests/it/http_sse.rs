//! Servers of HTTP+SSE (MCP 2024-11-05), behind a sign-in and open, with each command that calls tools.

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, ServerTransport};
use serde_json::json;

use crate::{program::Fixture, proxy::Host};

async fn old(post_status: u16, is_open: bool) -> Fixture {
    with_endpoint(post_status, is_open, None).await
}

async fn with_endpoint(post_status: u16, is_open: bool, endpoint: Option<&str>) -> Fixture {
    let endpoint = endpoint.map(str::to_owned);
    Fixture::with(AuthorizationServerOptions::default(), |options| {
        options.transport = ServerTransport::HttpSse {
            post_status,
            endpoint,
        };
        options.protection.is_open = is_open;
    })
    .await
}

/// The method, the path and the status of each MCP request.
fn seen(fixture: &Fixture) -> Vec<String> {
    let requests = fixture.server.requests_to(Endpoint::Mcp);
    let seen = requests.iter().map(|request| {
        let status = request.status().unwrap_or_default();
        format!("{} {} {status}", request.method, request.path)
    });
    seen.collect()
}

#[tokio::test]
async fn server_of_http_sse_is_used_as_any_other() {
    for (status, is_open) in [(405, false), (404, false), (400, false), (405, true)] {
        let fixture = old(status, is_open).await;
        let url = fixture.url();
        if !is_open {
            fixture.login(&[]).await.expect(0);
        }
        let tools = fixture.run(&["tools", &url]).await.expect(0);
        assert!(tools.stdout.contains("add"), "{}", tools.stdout);
        let called = fixture.run(&["call", &url, "add", "a=1", "b=2"]).await;
        assert_eq!(called.expect(0).stdout.trim(), "3");
        let mut host = Host::start(&fixture, &[]);
        host.open().await;
        let call = json!({ "name": "add", "arguments": { "a": 2, "b": 2 } });
        let answer = host.ask(1, "tools/call", call).await;
        assert_eq!(answer["result"]["content"][0]["text"], "4", "{answer}");
        assert!(seen(&fixture).contains(&format!("POST /mcp {status}")));
    }
}

#[tokio::test]
async fn transport_that_is_set_is_the_only_one_tried_and_is_remembered() {
    let fixture = old(405, false).await;
    let url = fixture.url();
    fixture.login(&["--transport", "sse"]).await.expect(0);
    let before = seen(&fixture).len();
    fixture
        .run(&["call", &url, "add", "a=1", "b=2"])
        .await
        .expect(0);
    assert_eq!(
        seen(&fixture)[before],
        "GET /mcp 200",
        "login has remembered it"
    );
    let refused = fixture.run(&["tools", &url, "--transport", "http"]).await;
    let refused = refused.expect(2);
    assert!(
        refused.stderr.contains("answered 405"),
        "{}",
        refused.stderr
    );
    let before = seen(&fixture).len();
    fixture
        .run(&["tools", &url, "--transport", "auto"])
        .await
        .expect(0);
    assert_eq!(seen(&fixture)[before], "POST /mcp 405");
}

#[tokio::test]
async fn lines_that_are_shown_keep_the_transport_that_was_given() {
    let fixture = old(405, false).await;
    let url = fixture.url();
    let given = ["--transport", "sse"];
    let login = format!("hallpass login {url} --transport sse");
    let tools = fixture.run(&["tools", &url, given[0], given[1]]).await;
    let tools = tools.expect(3);
    assert!(tools.stderr.contains(&login), "{}", tools.stderr);
    fixture.login(&given).await.expect(0);
    let one = fixture
        .run(&["tools", &url, "add", given[0], given[1]])
        .await;
    let line = format!("hallpass call {url} --transport sse add a=");
    let one = one.expect(0);
    assert!(one.stdout.contains(&line), "{}", one.stdout);
}

#[tokio::test]
async fn endpoint_for_messages_that_is_not_there_is_named_with_the_old_transport() {
    for is_open in [true, false] {
        let fixture = with_endpoint(405, is_open, Some("/nowhere?session_id=canary")).await;
        let url = fixture.url();
        if !is_open {
            fixture.login(&[]).await.expect(0);
        }
        let tools = fixture.run(&["tools", &url]).await.expect(1);
        let what = "/nowhere answered 404 Not Found to a message over HTTP+SSE, the old transport of MCP \
                    2024-11-05";
        assert!(tools.stderr.contains(what), "{}", tools.stderr);
        let hint = "ask its operator for streamable HTTP";
        assert!(tools.stderr.contains(hint), "{}", tools.stderr);
        let doctor = fixture.run(&["doctor", &url]).await.expect(1);
        assert!(
            doctor.stdout.contains("fault `sse-fails`"),
            "{}",
            doctor.stdout
        );
        for ended in [tools, doctor] {
            let said = ended.stdout + &ended.stderr;
            assert!(!said.contains("canary"), "{said}");
        }
    }
}
