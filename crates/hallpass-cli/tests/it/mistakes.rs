//! Mistakes at a terminal, and the message that helps.

use hallpass_testkit::{
    AuthorizationServerOptions, Endpoint, Fault, McpServer, McpServerOptions, PlannedFault, When,
};

use crate::{first_steps::Newcomer, program::Fixture};

#[cfg(unix)]
#[tokio::test]
async fn argument_that_is_not_utf8_is_usage_error() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let fixture = Fixture::new().await;
    for json in [false, true] {
        let mut command = fixture.command(if json { &["--json"] } else { &[] });
        command.arg(OsStr::from_bytes(b"\xff"));
        let ended = fixture.wait(command.spawn().unwrap()).await.expect(2);
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
        assert_eq!(ended.stdout.contains(r#""code":"usage""#), json);
    }
}

#[tokio::test]
async fn add_without_name_asks_for_one() {
    let new = Newcomer::new().await;
    for url in ["https://mcp.example.com/mcp", "mcp.example.com/mcp"] {
        let ended = new.run(&["add", url]).await.expect(2);
        let tip = format!("tip: choose a name for the server: hallpass add NAME {url}\n");
        assert!(ended.stderr.contains(&tip), "{}", ended.stderr);
    }
    let ended = new.run(&["add", "mine"]).await.expect(2);
    assert!(!ended.stderr.contains("tip:"), "{}", ended.stderr);
}

#[tokio::test]
async fn logout_of_unknown_name_is_one_error() {
    let new = Newcomer::new().await;
    let ended = new.run(&["logout", "typo"]).await.expect(2);
    assert_eq!(ended.stderr.matches("typo` is not").count(), 1);
    assert!(!ended.stderr.contains("note:"), "{}", ended.stderr);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn standard_output_that_cannot_be_written_is_an_error() {
    let fixture = Fixture::new().await;
    for arguments in [
        &["list"][..],
        &["--json", "list"],
        &["completions", "bash"],
        &["--help"],
        &["--json", "--help"],
    ] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let mut command = fixture.command(arguments);
        command.stdout(full);
        let ended = command.spawn().unwrap().wait_with_output().await.unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("error: standard output can't be written\n  because: No space"),
            "{arguments:?}: {stderr}"
        );
    }
}

#[tokio::test]
async fn closed_pipe_is_no_error() {
    let fixture = Fixture::new().await;
    for arguments in [&["completions", "bash"][..], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = fixture.command(arguments);
        command.stdout(writer);
        let ended = command.spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
        assert!(ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn list_shows_states() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    new.run(&["add", "mine", &url]).await.expect(0);
    let other = [
        "add",
        "other",
        "https://mcp.example.com/mcp",
        "--scope",
        "a",
    ];
    new.run(&other).await.expect(0);
    let ended = new.run(&["list"]).await.expect(0);
    assert!(
        ended.stdout.contains("  not signed in\n"),
        "{}",
        ended.stdout
    );

    let login = new.command(&["login", "mine", "--no-browser"]);
    new.0.sign_in(login).await.expect(0);
    let ended = new.run(&["list"]).await.expect(0);
    let lines: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        lines,
        [
            vec!["mine", &url, "signed in"],
            vec![
                "other",
                "https://mcp.example.com/mcp",
                "not signed in",
                "(scope)"
            ],
        ]
    );
    let listed = new.run(&["--json", "list"]).await.expect(0).json();
    let servers = &listed["result"]["servers"];
    assert_eq!(servers[0]["state"], "signed-in");
    assert_eq!(servers[1]["state"], "not-signed-in");
}

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"open","version":"1"}}}"#;

fn always(endpoint: Endpoint, content_type: &str, body: &str) -> PlannedFault {
    let fault = Fault::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.to_owned(),
    };
    let when = When::Always;
    PlannedFault {
        endpoint,
        when,
        fault,
    }
}

/// A server that wants no token, with a web page where metadata would be.
async fn open_server() -> McpServer {
    let options = McpServerOptions {
        faults: vec![
            always(Endpoint::Mcp, "application/json", HELLO),
            always(Endpoint::ResourceMetadata, "text/html", "<!doctype html>"),
        ],
        ..McpServerOptions::default()
    };
    McpServer::start(options).await.unwrap()
}

#[tokio::test]
async fn open_server_needs_no_sign_in() {
    let new = Newcomer::new().await;
    let server = open_server().await;
    let url = server.url();
    let ended = new.run(&["add", "open", &url]).await.expect(0);
    let advice = "it needs no sign-in: `hallpass tools open` lists its tools\n";
    assert!(ended.stdout.ends_with(advice), "{}", ended.stdout);

    let ended = new.run(&["login", "open"]).await.expect(0);
    let said = format!("{url} needs no sign-in: it answers without a token\n");
    assert_eq!(ended.stdout, said);
    let ended = new.run(&["--json", "login", "open"]).await.expect(0).json();
    assert_eq!(ended["result"]["needs_sign_in"], false);

    for command in [&["token", "open"][..], &["exec", "open", "--", "true"]] {
        let ended = new.run(command).await.expect(2);
        let said = format!("error: {url} needs no token: it answers without one\n");
        assert_eq!(ended.stderr, said, "{command:?}");
    }
}

#[tokio::test]
async fn login_after_a_refused_call_requests_the_refused_scopes() {
    let issuer = AuthorizationServerOptions::default();
    let protect = |options: &mut McpServerOptions| {
        options.protection.challenge_scope = Some("read".to_owned());
        options.protection.call_scope = Some("write".to_owned());
    };
    let fixture = Fixture::with(issuer, protect).await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let ended = fixture.run(&["call", &url, "ping"]).await.expect(3);
    let hint = format!("  hint: hallpass login {url}\n");
    assert!(ended.stderr.ends_with(&hint), "{}", ended.stderr);
    fixture.login(&[]).await.expect(0);
    let asked = fixture.issuer.requests_to(Endpoint::Authorization);
    let scopes: Vec<_> = asked.iter().map(|asked| asked.parameter("scope")).collect();
    assert_eq!(scopes, [Some("read"), Some("read write")]);
    fixture.run(&["call", &url, "ping"]).await.expect(0);
}

#[tokio::test]
async fn mistyped_command_line_gets_the_right_one() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    new.run(&["add", "mine", &url]).await.expect(0);
    let address = url.strip_prefix("http://").unwrap();
    let meant = format!("did you mean `{url}`?");
    let checks: &[(&[&str], &str)] = &[
        (&["tools", &format!("htp://{address}")], &meant),
        (&["tools", &format!("http//{address}")], &meant),
        (&["tools", &format!("http:/{address}")], &meant),
        (&["tools", address], &meant),
        (
            &["login", "https:/mcp.example.com/mcp"],
            "did you mean `https://mcp.example.com/mcp`?",
        ),
        (
            &["call", "ping", "mine"],
            "the server comes first: hallpass call mine ping",
        ),
        (
            &["call", "ping", &url],
            &format!("the server comes first: hallpass call {url} ping"),
        ),
        (
            &["add", &url, "other"],
            &format!("the name comes first: hallpass add other {url}"),
        ),
        (
            &["tools", "my server"],
            "a name has letters, digits, `-`, `_` and `.`",
        ),
        (&["call", "mine"], "`hallpass tools mine` lists the tools"),
        (
            &["call", "mine", "add", "--a", "2"],
            "the arguments of a tool have no dashes: `name=value`",
        ),
        (
            &["exec", "mine", "env"],
            "`--` stands before the command: hallpass exec URL -- COMMAND",
        ),
        (
            &["import", "servers.json"],
            "it finds the files itself; `--from PROGRAM` names a program",
        ),
        (
            &["call", "mine", "add", "{\"a\": 1"],
            "error: `{\"a\": 1` is not a JSON object\n  because: EOF",
        ),
        (
            &["call", "mine", "add", "a:=x"],
            "error: `x` is not JSON\n  because: expected value",
        ),
        (
            &["call", "mine", "add", "@absent"],
            "error: the arguments can't be read from `absent`\n  because: ",
        ),
    ];
    for (arguments, expected) in checks {
        let ended = new.run(arguments).await.expect(2);
        assert!(
            ended.stderr.contains(expected),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(
            !ended.stderr.contains("similar argument"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn mistyped_table_of_the_configuration_is_named() {
    let new = Newcomer::new().await;
    let file = new.0.folder.path().join("config.toml");
    let mut written = std::fs::File::create(&file).unwrap();
    std::io::Write::write_all(
        &mut written,
        b"[server.mine]\nurl = \"https://mcp.example.com/mcp\"\n",
    )
    .unwrap();
    let file = file.display().to_string();
    let ended = new
        .run(&["--config", &file, "tools", "mine"])
        .await
        .expect(2);
    let hint = format!("  hint: {file}:1: unknown key `server`; did you mean `servers`?\n");
    assert!(ended.stderr.ends_with(&hint), "{}", ended.stderr);
}

#[tokio::test]
async fn mistyped_variable_is_named() {
    let new = Newcomer::new().await;
    let mut command = new.command(&["list"]);
    command.env("HALLPASS_NONINTERACTIVE", "1");
    let ended = new.0.wait(command.spawn().unwrap()).await.expect(0);
    assert_eq!(
        ended.stderr,
        "warning: `HALLPASS_NONINTERACTIVE` is not a variable of this program; did you mean \
         `HALLPASS_NON_INTERACTIVE`?\n"
    );
    let mut command = new.command(&["list"]);
    command.env("HALLPASS_CLIENT_SECRET", "1");
    command.env("HALLPASS_TOKEN2", "1");
    let ended = new.0.wait(command.spawn().unwrap()).await.expect(0);
    assert_eq!(ended.stderr, "");
}

#[tokio::test]
async fn scopes_with_a_comma_are_noticed() {
    let fixture = Fixture::new().await;
    let ended = fixture.login(&["--scope", "a,b"]).await.expect(0);
    let note = "note: `a,b` has a comma, and scopes are separated by spaces: --scope 'a b'\n";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
}

#[tokio::test]
async fn failure_at_a_proxy_names_the_proxy() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    // The port is held, so that no other process takes it, and connections to it are refused.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = format!("http://{}", held.local_addr().unwrap());
    let ended = fixture
        .run(&["tools", &url, "--proxy", &proxy])
        .await
        .expect(5);
    let because = format!("  because: the connection goes through the proxy {proxy}");
    assert!(ended.stderr.contains(&because), "{}", ended.stderr);
    let https = url.replace("http://", "https://");
    let ended = fixture.run(&["tools", &https]).await;
    let because = "  because: what answers there does not speak TLS, as `https` needs\n";
    assert!(ended.stderr.contains(because), "{}", ended.stderr);
}

#[tokio::test]
async fn number_that_is_none_is_said_in_plain_words() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    for (arguments, words) in [
        (
            &["login", &url, "--wait", "soon"][..],
            "expected a whole number of seconds",
        ),
        (
            &["login", &url, "--wait", "3601"],
            "a sign-in waits for 3600 seconds at most",
        ),
        (
            &["login", &url, "--callback-port", "http"],
            "expected a number from 0 to 65535",
        ),
        (
            &["tools", &url, "--max-message-size", "0"],
            "expected a whole number above 0",
        ),
        (
            &["tools", &url, "--max-refresh-attempts=-1"],
            "expected a whole number above 0",
        ),
    ] {
        let ended = fixture.run(arguments).await.expect(2);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        for word in ["digit", "non-zero", "invalid type", "u16"] {
            assert!(!ended.stderr.contains(word), "{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn secret_in_the_place_of_a_variable_is_not_shown() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let file = fixture.folder.path().join("config.toml");
    let config = ["--config", file.to_str().unwrap()];
    for secret in ["canary-s3cret/+=", "canary0s3cret"] {
        for (option, more) in [
            ("--client-secret-env", &["--client-id", "by-hand"][..]),
            ("--token-env", &[]),
            ("--passphrase-env", &["--key-store", "passphrase"]),
        ] {
            for command in [&["login"][..], &["tools"], &["doctor"], &["add", "mine"]] {
                let options = [&[option, secret][..], more, &config].concat();
                let arguments = [command, &[&url], &options].concat();
                let ended = fixture.run(&arguments).await;
                let said = ended.stdout + &ended.stderr;
                assert!(!said.contains("canary"), "{arguments:?}: {said}");
            }
        }
    }
    // What can't be a name is written nowhere.
    let given = ["--client-id", "c", "--client-secret-env", "canary/+="];
    let add = [&["add", "other", &url][..], &given, &config].concat();
    let ended = fixture.run(&add).await.expect(2);
    let said = "`--client-secret-env` takes the name of an environment variable";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[tokio::test]
async fn changed_setting_is_named_by_the_command_that_needs_a_sign_in() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let issuer = McpServer::start(McpServerOptions::default()).await.unwrap();
    for (option, value, setting) in [
        ("--client-id", "x", "client"),
        ("--scope", "x", "scopes"),
        ("--resource", "none", "resource"),
        ("--issuer", &issuer.url(), "issuer"),
    ] {
        let tools = ["tools", &url, option, value];
        let ended = fixture.run(&tools).await.expect(3);
        let words = format!("the setting `{setting}` has changed since the last sign-in");
        assert!(ended.stderr.contains(&words), "{option}: {}", ended.stderr);
        let hint = format!("\n  hint: hallpass login {url} {option} {value}\n");
        assert!(ended.stderr.contains(&hint), "{option}: {}", ended.stderr);
    }
    fixture.run(&["tools", &url]).await.expect(0);
}

/// Cuts the files of a folder of the store in the middle.
fn cut_files(fixture: &Fixture, folder: &str, extension: &str) {
    for file in std::fs::read_dir(fixture.store().join(folder)).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|it| it == extension) {
            let length = std::fs::metadata(&path).unwrap().len();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_len(length / 2).unwrap();
        }
    }
}

#[tokio::test]
async fn damaged_file_of_saved_options_is_named_with_the_command_that_replaces_it() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    new.run(&["add", "mine", &url]).await.expect(0);
    let login = ["login", "mine", "--no-browser"];
    new.0.sign_in(new.command(&login)).await.expect(0);
    cut_files(&new.0, "options", "json");
    let options = new.0.store().join("options");
    for command in ["tools", "token", "login", "doctor", "status"] {
        let ended = new.run(&[command, "mine"]).await;
        let words = format!("the saved options in {}", options.display());
        assert!(ended.stderr.contains(&words), "{command}: {}", ended.stderr);
        let advice = "hint: `hallpass login mine --reset-options` discards them";
        assert!(ended.stderr.contains(advice), "{command}: {}", ended.stderr);
    }
    let reset = new.command(&[&login[..], &["--reset-options"]].concat());
    new.0.sign_in(reset).await.expect(0);
    new.run(&["tools", "mine"]).await.expect(0);
}

#[tokio::test]
async fn damaged_file_of_a_failed_login_is_named_with_the_command_that_replaces_it() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let given = ["login", &url, "--issuer", &url];
    assert_ne!(fixture.run(&given).await.code, 0);
    cut_files(&fixture, "failed-logins", "json");
    let ended = fixture.run(&["doctor", &url]).await.expect(1);
    let words = "error: the options of the failed login in /";
    assert!(ended.stderr.starts_with(words), "{}", ended.stderr);
    let advice = format!("hint: `hallpass login {url}` replaces them");
    assert!(ended.stderr.contains(&advice), "{}", ended.stderr);
    fixture.login(&[]).await.expect(0);
    fixture.run(&["doctor", &url]).await.expect(0);
}

#[tokio::test]
async fn damaged_credential_file_is_named_with_the_command_that_moves_it_aside() {
    let new = Newcomer::new().await;
    let url = new.0.url();
    new.run(&["add", "mine", &url]).await.expect(0);
    let login = ["login", "mine", "--no-browser"];
    new.0.sign_in(new.command(&login)).await.expect(0);
    cut_files(&new.0, "slots", "sealed");
    for command in ["tools", "token", "login", "doctor", "status"] {
        let ended = new.run(&[command, "mine"]).await.expect(1);
        let said = ended.stdout + &ended.stderr;
        let advice = "`hallpass store forget mine` moves it out of the way";
        assert!(said.contains(advice), "{command}: {said}");
    }
    new.run(&["store", "forget", "mine"]).await.expect(0);
    new.0.sign_in(new.command(&login)).await.expect(0);
    new.run(&["tools", "mine"]).await.expect(0);
}

#[tokio::test]
async fn empty_variable_is_said_to_be_empty() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    for command in [
        &["tools", &url, "--token-env", "EMPTY"][..],
        &["tools", &url, "--header", "X-Key: ${EMPTY}"],
        &[
            "tools",
            &url,
            "--client-id",
            "x",
            "--client-secret-env",
            "EMPTY",
        ],
        &[
            "store",
            "move",
            "passphrase",
            "--with-passphrase-env",
            "EMPTY",
        ],
    ] {
        let mut command = fixture.command(command);
        let child = command.env("EMPTY", "").spawn().unwrap();
        let ended = fixture.wait(child).await.expect(2);
        let words = "the environment variable `EMPTY` is empty";
        assert!(
            ended.stderr.contains(words),
            "{command:?}: {}",
            ended.stderr
        );
        let words = "the environment variable `EMPTY` is not set";
        assert!(
            !ended.stderr.contains(words),
            "{command:?}: {}",
            ended.stderr
        );
    }
}
