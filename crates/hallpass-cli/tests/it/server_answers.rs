//! What `call`, `tools` and `proxy` say where a server's answer is none: plain words, for each of them
//! the same.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{program::Fixture, proxy::Host};

/// What the server does about a message.
type Answer = fn(&Value) -> String;

fn http(status: &str, media_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\nmcp-session-id: s1\r\ncontent-type: {media_type}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn result(message: &Value, result: &Value) -> String {
    let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    http("200 OK", "application/json", &answer.to_string())
}

/// The usual server, but for what `answer` says something about.
async fn serve(answer: impl Fn(&Value) -> String + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(exchange(stream, answer.clone()));
        }
    });
    url
}

async fn exchange(mut stream: TcpStream, answer: impl Fn(&Value) -> String) -> std::io::Result<()> {
    let mut read = Vec::new();
    let head = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |it| it.trim().parse().unwrap());
    while read.len() < head + length {
        stream.read_buf(&mut read).await?;
    }
    let message: Value = serde_json::from_slice(&read[head..]).unwrap_or_default();
    let mut reply = if text.starts_with("post /mcp ") {
        answer(&message)
    } else if text.starts_with("post") {
        http("404 Not Found", "text/plain", "no")
    } else {
        http("405 Method Not Allowed", "text/plain", "")
    };
    if reply.is_empty() {
        reply = match message["method"].as_str() {
            Some("initialize") => result(
                &message,
                &json!({
                    "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                    "serverInfo": {"name": "d", "version": "1"},
                }),
            ),
            Some("tools/list") => {
                let tool = json!({ "name": "echo", "inputSchema": {"type": "object"} });
                result(&message, &json!({ "tools": [tool] }))
            }
            Some("tools/call") => result(&message, &json!({ "content": [] })),
            Some("ping") => result(&message, &json!({})),
            _ => http("202 Accepted", "text/plain", ""),
        };
    }
    stream.write_all(reply.as_bytes()).await
}

fn is_call(message: &Value) -> bool {
    message["method"] == "tools/call"
}

/// The answers, the exit code of `call`, what it and the proxy say.
const TABLE: &[(Answer, i32, &[&str])] = &[
    (
        |it| {
            let page = || http("200 OK", "text/html", "<title>Sign in</title>");
            is_call(it).then(page).unwrap_or_default()
        },
        2,
        &[
            "answered 200 OK",
            "an HTML page",
            "Sign in",
            "may not be the URL",
        ],
    ),
    (
        |it| {
            let to = "307 X\r\nlocation: /login";
            if is_call(it) {
                http(to, "text/plain", "")
            } else {
                String::new()
            }
        },
        2,
        &[
            "/login answered 404 Not Found",
            "the server says: \"no\"",
            "may not be the URL",
        ],
    ),
    (
        |it| {
            let cut = || http("200 OK", "text/event-stream", "data: {\n");
            is_call(it).then(cut).unwrap_or_default()
        },
        5,
        &[
            "ended the stream without an answer",
            "not known whether the server did",
        ],
    ),
    (
        |it| {
            let cut = || http("200 OK", "application/json", "{").replace("length: 1", "length: 9");
            is_call(it).then(cut).unwrap_or_default()
        },
        5,
        &["broke off", "not known whether the server did"],
    ),
    (
        |it| {
            let failed = || http("500 Internal Server Error", "text/plain", "out of disk");
            is_call(it).then(failed).unwrap_or_default()
        },
        5,
        &["answered 500", "out of disk"],
    ),
    (
        |it| {
            let much = || http("200 OK", "application/json", &"x".repeat(3 << 20));
            is_call(it).then(much).unwrap_or_default()
        },
        2,
        &["larger than 2 MiB", "--max-message-size MIB"],
    ),
    (
        |it| {
            let much = || format!("data: {}\n\n", "x".repeat(3 << 20));
            let much = || http("200 OK", "text/event-stream", &much());
            is_call(it).then(much).unwrap_or_default()
        },
        2,
        &["larger than 2 MiB", "--max-message-size MIB"],
    ),
];

#[tokio::test]
async fn answer_that_is_none_reads_alike_in_call_and_proxy() {
    let fixture = Fixture::new().await;
    for (answer, code, says) in TABLE {
        let url = serve(*answer).await;
        let limit = ["--max-message-size", "2"];
        let called = fixture
            .run(&["call", &url, "echo", limit[0], limit[1]])
            .await;
        let called = called.expect(*code);
        let mut host = Host::start_at(&fixture, &url, &limit);
        host.open().await;
        let call = json!({ "name": "echo", "arguments": {} });
        let answer = host.ask(1, "tools/call", call).await;
        let told = answer["error"]["message"].as_str().unwrap();
        for text in [called.stderr.as_str(), told] {
            for word in *says {
                assert!(text.contains(word), "`{word}` in {text}");
            }
            assert!(
                !text.contains("::") && !text.contains("Transport"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn max_message_size_is_set_for_the_same_command() {
    let fixture = Fixture::new().await;
    let url = serve(|it| {
        let text = || json!({ "content": [{ "type": "text", "text": "x".repeat(3 << 20) }] });
        if is_call(it) {
            result(it, &text())
        } else {
            String::new()
        }
    })
    .await;
    let call = ["call", &url, "echo", "--max-message-size", "2"];
    let ended = fixture.run(&call).await.expect(2);
    let printed = "  hint: set `--max-message-size MIB`\n";
    assert!(ended.stderr.contains(printed), "{}", ended.stderr);
    let call = ["call", &url, "echo", "--max-message-size", "4"];
    let ended = fixture.run(&call).await.expect(0);
    assert_eq!(ended.stdout.trim_end().len(), 3 << 20);
}

#[tokio::test]
async fn whatever_the_server_says_to_initialized_the_commands_go_on() {
    const SAID: &[Answer] = &[
        |_| http("500 Internal Server Error", "text/plain", "oops"),
        |_| http("200 OK", "text/event-stream", ": ok\n\n"),
        |_| http("200 OK", "text/html", "<p>hello</p>"),
    ];
    let fixture = Fixture::new().await;
    for said in SAID {
        let url = serve(move |it| {
            let is_told = it["method"] == "notifications/initialized";
            if is_told { said(it) } else { String::new() }
        })
        .await;
        let tools = fixture.run(&["tools", &url]).await.expect(0);
        assert!(tools.stdout.contains("echo"), "{}", tools.stdout);
        let called = fixture.run(&["call", &url, "echo"]).await.expect(0);
        assert!(!called.stderr.contains("error"), "{}", called.stderr);
    }
}
