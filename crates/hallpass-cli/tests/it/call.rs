//! Calls: what is typed, what is sent, and what is made of the answer.

use std::{fs, io::Write};

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, Lifecycle};
use serde_json::{Value, json};

use crate::program::Fixture;

/// A server that can do everything, and somebody signed in to it.
pub(crate) async fn everything() -> Fixture {
    everything_by(Lifecycle::Any).await
}

/// The same, and how it is begun with.
pub(crate) async fn everything_by(lifecycle: Lifecycle) -> Fixture {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |options| {
        options.everything = true;
        options.lifecycle = lifecycle;
    })
    .await;
    fixture.login(&[]).await.expect(0);
    fixture
}

/// The parameters of the calls that the server got.
fn called(fixture: &Fixture) -> Vec<Value> {
    let sent = fixture.server.requests_to(Endpoint::Mcp);
    let bodies = sent.iter().filter_map(|request| request.body.json());
    let calls = bodies.filter(|message| message["method"] == "tools/call");
    calls
        .map(|message| message["params"]["arguments"].clone())
        .collect()
}

/// Cargo gives the program reqwest's gzip, which no code asks for.
#[tokio::test]
async fn requests_of_the_program_accept_gzip() {
    let fixture = everything().await;
    let requests = fixture.server.requests_to(Endpoint::Mcp);
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.header("accept-encoding"), Some("gzip"));
    }
}

#[tokio::test]
async fn arguments_are_converted_by_schema() {
    let fixture = everything().await;
    let url = fixture.url();
    let file = fixture.folder.path().join("arguments.json");
    let arguments = br#"{"query": "from a file", "limit": 3}"#;
    fs::File::create(&file)
        .unwrap()
        .write_all(arguments)
        .unwrap();
    let file = format!("@{}", file.display());
    for (words, expected) in [
        (
            &["query=7", "limit=7", "hidden=true", "kinds=file,link"][..],
            json!({"query": "7", "limit": 7, "hidden": true, "kinds": ["file", "link"]}),
        ),
        (
            &["query=a=b", r#"order:={"by": "name"}"#],
            json!({"query": "a=b", "order": {"by": "name"}}),
        ),
        (
            &[r#"{"query": "x", "hidden": null}"#, "limit=2"],
            json!({"query": "x", "hidden": null, "limit": 2}),
        ),
        (
            &[&file, "limit=4"],
            json!({"query": "from a file", "limit": 4}),
        ),
        (
            &["query=x", "nonsense=1", "--no-validate"],
            json!({"query": "x", "nonsense": 1}),
        ),
    ] {
        let before = called(&fixture).len();
        let ended = fixture
            .run(&[&["call", &url, "search"], words].concat())
            .await;
        assert_eq!(ended.code, 0, "{words:?}: {}", ended.stderr);
        assert_eq!(called(&fixture)[before..], [expected], "{words:?}");
    }

    let mut command = fixture.command(&["call", &url, "search", "@-"]);
    command.stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, br#"{"query": "typed"}"#)
        .await
        .unwrap();
    drop(stdin);
    fixture.wait(child).await.expect(0);
    assert_eq!(called(&fixture).last(), Some(&json!({"query": "typed"})));
}

#[tokio::test]
async fn arguments_outside_schema_are_not_sent() {
    let fixture = everything().await;
    let url = fixture.url();
    for (words, says) in [
        (
            &["serach", "query=x"][..],
            &["no tool `serach`", "did you mean `search`?"][..],
        ),
        (&["search"], &["`query` is missing", "add query=TEXT"]),
        (
            &["search", "qery=x"],
            &["`qery` is not asked for", "did you mean `query`?"],
        ),
        (
            &["search", "query=x", "limit=many"],
            &["`limit` is \"many\", not whole number from 1 to 100"],
        ),
        (&["search", "query=x", "limit=101"], &["`limit` is 101"]),
        (
            &["search", "query=x", "kinds=file,dir"],
            &["`kinds[1]` is \"dir\", not file, folder or link"],
        ),
        (
            &["search", r#"{"query": "x", "order": {"bye": "name"}}"#],
            &["`order.bye` is not asked for", "did you mean `by`?"],
        ),
        (
            &["search", "query"],
            &["`query` is no argument", "key=value"],
        ),
        (&["search", "query:=x"], &["`query=` takes text"]),
        (&["search", "@/nowhere.json"], &["/nowhere.json"]),
    ] {
        let ended = fixture.run(&[&["call", &url], words].concat()).await;
        assert_eq!(ended.code, 2, "{words:?}: {}", ended.stderr);
        for says in says {
            assert!(ended.stderr.contains(says), "{words:?}: {}", ended.stderr);
        }
        assert_eq!(ended.stdout, "");
    }
    assert_eq!(called(&fixture), [Value::Null; 0]);
}

#[tokio::test]
async fn binary_content_is_written_to_files() {
    let fixture = everything().await;
    let url = fixture.url();
    let ended = fixture.run(&["call", &url, "pictures"]).await.expect(0);
    let expected = [
        "a picture",
        "[image/png, 68 bytes; `--output FILE` writes it to a file]",
        "[application/octet-stream, 2 bytes; `--output FILE` writes it to a file]",
        "[a.txt: test://files/a.txt]",
    ];
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), expected);

    let folder = fixture.folder.path().join("got/");
    let into = format!("{}/", folder.display());
    let arguments = ["--json", "call", &url, "pictures", "--output", &into];
    let ended = fixture.run(&arguments).await.expect(0).json();
    assert_eq!(ended["result"]["written"][0]["mime_type"], "image/png");
    assert_eq!(ended["result"]["written"][1]["bytes"], 2);
    assert!(
        fs::read(folder.join("pictures-1.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    assert_eq!(fs::read(folder.join("pictures-2.bin")).unwrap(), b"hi");

    let text = fixture.folder.path().join("text");
    let into = text.display().to_string();
    let ended = fixture
        .run(&["call", &url, "ping", "-o", &into])
        .await
        .expect(0);
    assert_eq!(
        (ended.stdout.as_str(), fs::read(&text).unwrap()),
        ("", b"pong\n".to_vec())
    );

    let nowhere = text.join("below-a-file").display().to_string();
    let ended = fixture
        .run(&["call", &url, "ping", "-o", &nowhere])
        .await
        .expect(1);
    assert!(
        ended.stderr.contains("was to be written to"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn content_without_text_is_summarized() {
    let fixture = everything().await;
    let ended = fixture
        .run(&["call", &fixture.url(), "facts"])
        .await
        .expect(0);
    assert_eq!(ended.stdout, "{\n  \"answer\": 42\n}\n");
}

#[tokio::test]
async fn text_in_a_pipe_is_exact() {
    let fixture = everything().await;
    let ended = fixture
        .run(&["call", &fixture.url(), "rude"])
        .await
        .expect(0);
    assert_eq!(
        ended.stdout,
        "red \u{1b}[31malert\u{7}\r\nand\u{202e} back\n"
    );
}

#[tokio::test]
async fn server_log_is_shown_with_verbose() {
    let fixture = everything().await;
    let url = fixture.url();
    let quiet = fixture
        .run(&["call", &url, "steps", "steps=2"])
        .await
        .expect(0);
    assert_eq!(
        (quiet.stdout.as_str(), quiet.stderr.as_str()),
        ("2 steps\n", "")
    );
    let told = fixture
        .run(&["-v", "call", &url, "steps", "steps=2"])
        .await
        .expect(0);
    for line in [
        "server info: step 1",
        "progress: 1 of 2, walking[2J 1",
        "progress: 2 of 2",
    ] {
        assert!(told.stderr.contains(line), "{line}: {}", told.stderr);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn interrupted_call_is_cancelled_at_server() {
    let fixture = everything().await;
    let url = fixture.url();
    for (arguments, code) in [(&[][..], 130), (&["--timeout", "3"], 5)] {
        let before = fixture.server.requests_to(Endpoint::Mcp).len();
        let arguments = [arguments, &["call", &url, "wait"]].concat();
        let child = fixture.command(&arguments).spawn().unwrap();
        let messages = || {
            let sent = fixture.server.requests_to(Endpoint::Mcp).split_off(before);
            let bodies = sent
                .iter()
                .filter_map(|request| request.body.json().cloned());
            bodies.collect::<Vec<Value>>()
        };
        if code == 130 {
            while !messages()
                .iter()
                .any(|message| message["method"] == "tools/call")
            {
                tokio::task::yield_now().await;
            }
            let pid = child.id().unwrap().to_string();
            let sent = tokio::process::Command::new("kill")
                .args(["-INT", &pid])
                .status();
            assert!(sent.await.unwrap().success());
        }
        let ended = fixture.wait(child).await;
        assert_eq!(ended.code, code, "{}", ended.stderr);
        let of = |method: &str| {
            messages()
                .into_iter()
                .find(|it| it["method"] == method)
                .unwrap()
        };
        let cancelled = of("notifications/cancelled");
        assert_eq!(cancelled["params"]["requestId"], of("tools/call")["id"]);
    }
}
