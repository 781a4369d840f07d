//! `hallpass login` as people meet it, through a pseudo-terminal: at a desktop, over SSH, in a
//! container, and where nobody is.

use std::{fs, io, path::PathBuf};

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, Person};
use serde_json::{Value, json};
use url::Url;

use crate::{
    device::{self, CODE},
    program::Fixture,
    terminal::Terminal,
};

/// A command that runs a script as the browser. A file that is executed must not be open for writing, and a
/// process that another test has just started may hold it open; the shell only reads it.
fn browser_command(fixture: &Fixture, script: &str) -> String {
    let browser = fixture.folder.path().join("browser");
    io::Write::write_all(&mut fs::File::create(&browser).unwrap(), script.as_bytes()).unwrap();
    format!("/bin/sh {} %s", browser.display())
}

/// A browser that only notes where it was sent, and the pipe that it writes it to.
fn browser(fixture: &Fixture) -> (String, PathBuf) {
    let pipe = fixture.folder.path().join("address bar");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let script = format!("printf '%s' \"$1\" > '{}'\n", pipe.display());
    (browser_command(fixture, &script), pipe)
}

#[tokio::test]
async fn desktop_login_opens_browser() {
    let fixture = Fixture::new().await;
    let (browser, pipe) = browser(&fixture);
    let environment = [("BROWSER", browser.as_str())];
    let url = fixture.url();
    let mut terminal = Terminal::start(&fixture, &["login", &url, "--wait", "60"], &environment);
    let opened = tokio::fs::read_to_string(&pipe).await.unwrap();
    let shown = terminal.line_after("visit\r\n\r\n").await;
    assert_eq!(opened, shown);
    assert!(!terminal.written.contains("ssh -L"), "{}", terminal.written);
    let visit = fixture.person.visit(&Url::parse(&opened).unwrap()).await;
    assert!(visit.is_ok(), "{visit:?}");
    let (code, written) = terminal.end().await;
    assert_eq!(code, 0, "{written}");
    assert!(
        written.contains(&format!("signed in to {url}")),
        "{written}"
    );
}

#[tokio::test]
async fn proxy_at_a_terminal_says_what_it_waits_for() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let mut terminal = Terminal::start(&fixture, &["proxy", &url], &[]);
    terminal
        .until(&format!(
            "put `hallpass proxy {url}` into the host's configuration"
        ))
        .await;
    terminal.interrupts().await;
    assert_eq!(terminal.end().await.0, 130);
}

#[tokio::test]
async fn browser_that_ends_with_an_error_is_noticed() {
    let fixture = Fixture::new().await;
    let browser = browser_command(&fixture, "exit 4\n");
    let environment = [("BROWSER", browser.as_str())];
    let url = fixture.url();
    let mut terminal = Terminal::start(&fixture, &["login", &url, "--wait", "60"], &environment);
    let said = terminal.line_after("the browser was not opened: ").await;
    assert_eq!(
        said,
        "`/bin/sh` ended with exit status: 4; to sign in, visit"
    );
    let shown = terminal
        .line_after("exit status: 4; to sign in, visit\r\n\r\n")
        .await;
    let visit = fixture
        .person
        .visit(&Url::parse(shown.trim()).unwrap())
        .await;
    assert!(visit.is_ok(), "{visit:?}");
    let (code, written) = terminal.end().await;
    assert_eq!(code, 0, "{written}");
}

#[tokio::test]
async fn ssh_login_accepts_pasted_address() {
    let fixture = Fixture::new().await;
    let environment = [("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")];
    let url = fixture.url();
    let mut terminal = Terminal::start(&fixture, &["login", &url, "--wait", "60"], &environment);
    let shown = terminal.line_after("to sign in, visit\r\n\r\n").await;
    let forward = terminal
        .line_after("forward the callback port first: ")
        .await;
    let elsewhere = Person::new().copying_callback();
    let shown = Url::parse(&shown).unwrap();
    let callback = elsewhere.visit(&shown).await.unwrap().callback.unwrap();
    let port = callback.port().unwrap();
    assert_eq!(forward, format!("ssh -L {port}:127.0.0.1:{port} HOST"));

    let pair = callback.query_pairs().find(|(name, _)| name == "code");
    let (_, code) = pair.unwrap();
    terminal.types(&code).await;
    terminal.until("paste").await;
    terminal.until("whole").await;
    assert_eq!(fixture.issuer.requests_to(Endpoint::Token).len(), 0);

    terminal.types(callback.as_str()).await;
    let (code, written) = terminal.end().await;
    assert_eq!(code, 0, "{written}");
    assert!(
        written.contains(&format!("signed in to {url}")),
        "{written}"
    );
}

/// A server with this device grant.
async fn with_device_grant(device: &device::Server) -> Fixture {
    let mut options = AuthorizationServerOptions::default();
    let metadata = &mut options.behaviour.metadata_overrides;
    for (name, path) in [
        ("device_authorization_endpoint", "/device"),
        ("token_endpoint", "/token"),
    ] {
        metadata.insert(name.to_owned(), json!(device.url(path)));
    }
    let grants = [
        "authorization_code",
        "urn:ietf:params:oauth:grant-type:device_code",
    ];
    metadata.insert("grant_types_supported".to_owned(), json!(grants));
    Fixture::with(options, |_| {}).await
}

#[tokio::test]
async fn user_at_terminal_confirms_the_page_for_a_device_code() {
    let page = "https://device.example/activate";
    let device = device::Server::start_with_page(Some(page)).await;
    let fixture = with_device_grant(&device).await;
    let url = fixture.url();
    let login = ["login", &url, "--no-browser", "--wait", "60"];
    for (answer, exit_code) in [("no", 4), ("yes", 0)] {
        let mut terminal = Terminal::start(&fixture, &login, &[]);
        let asked = "you sign in at device.example; 127.0.0.1 receives the result";
        let before = terminal.until(asked).await;
        // What is typed now is the answer, and no pasted address.
        assert!(!before.contains("to sign in, visit"), "{before}");
        assert!(!before.contains(CODE), "{before}");
        terminal.until("yes or no [no]: ").await;
        terminal.types(answer).await;
        if answer == "yes" {
            terminal.until(CODE).await;
            device.approve();
        }
        let (code, written) = terminal.end().await;
        assert_eq!(code, exit_code, "{written}");
        assert_eq!(written.contains(CODE), answer == "yes", "{written}");
    }

    // Without a terminal the browser is the only way.
    fixture
        .run(&["logout", &url, "--forget-client"])
        .await
        .expect(0);
    let login = ["login", &url, "--no-browser", "--wait", "1"];
    let stderr = fixture.run(&login).await.expect(3).stderr;
    assert!(
        stderr.contains("a sign-in with a code is not possible"),
        "{stderr}"
    );
    let hint = format!("hint: set `--issuer {}`", fixture.issuer.issuer());
    assert!(stderr.contains(&hint), "{stderr}");
    assert!(!stderr.contains(CODE), "{stderr}");
}

#[tokio::test]
async fn container_login_uses_device_code() {
    let device = device::Server::start().await;
    let fixture = with_device_grant(&device).await;
    let url = fixture.url();
    let mut terminal = Terminal::start(&fixture, &["login", &url, "--wait", "60"], &[]);
    let page = terminal
        .line_after("on another device, visit\r\n\r\n")
        .await;
    assert_eq!(page, device.url("/activate"));
    let code = terminal.line_after("and enter the code ").await;
    assert_eq!(code, CODE);
    device.approve();
    let (code, written) = terminal.end().await;
    assert_eq!(code, 0, "{written}");
    assert!(
        written.contains(&format!("signed in to {url}")),
        "{written}"
    );
    assert!(!written.contains("no browser was opened"), "{written}");
    for request in device.requests() {
        assert!(
            request.contains(&format!("resource={}", form(&url))),
            "{request}"
        );
    }
}

#[tokio::test]
async fn non_interactive_command_ends_with_one_line() {
    let fixture = Fixture::new().await;
    let (browser, pipe) = browser(&fixture);
    let environment = [("BROWSER", browser.as_str())];
    let url = fixture.url();
    let arguments = ["--json", "login", &url, "--non-interactive"];
    let (code, written) = Terminal::start(&fixture, &arguments, &environment)
        .end()
        .await;
    assert_eq!(code, 3, "{written}");
    let lines: Vec<&str> = written.lines().collect();
    let [line] = lines.as_slice() else {
        panic!("{written}")
    };
    let answer: Value = serde_json::from_str(line).unwrap();
    assert_eq!(answer["ok"], false);
    assert_eq!(answer["error"]["code"], "sign-in-required", "{answer}");
    // The MCP server was asked whether it wants a sign-in; no authorization server and no browser was.
    let requests = fixture.issuer.recorder().requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].endpoints.contains(&Endpoint::Mcp));
    drop((browser, pipe));

    // And where is signed in, it says so.
    fixture.login(&[]).await.expect(0);
    let (code, written) = Terminal::start(&fixture, &arguments, &[]).end().await;
    assert_eq!(code, 0, "{written}");
    let answer: Value = serde_json::from_str(written.trim()).unwrap();
    assert_eq!(answer["result"]["server"], url);
}

fn form(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn passphrase_prompt_has_no_echo() {
    let fixture = Fixture::new().await;
    fixture.login(&["--key-store", "key-file"]).await.expect(0);
    let to_passphrase = ["store", "move", "passphrase"];

    // A slip of the finger changes nothing.
    let mut terminal = Terminal::start(&fixture, &to_passphrase, &[]);
    terminal
        .until("passphrase of the store from now on: ")
        .await;
    terminal.types("canary horse").await;
    terminal.until("once more: ").await;
    terminal.types("canary house").await;
    let (code, written) = terminal.end().await;
    assert_eq!(code, 2, "{written}");
    assert!(written.contains("passphrases differ"), "{written}");
    assert!(!written.contains("canary"), "{written}");

    let mut terminal = Terminal::start(&fixture, &to_passphrase, &[]);
    terminal.until("now on: ").await;
    terminal.types("canary horse").await;
    terminal.until("once more: ").await;
    terminal.types("canary horse").await;
    let (code, written) = terminal.end().await;
    assert_eq!(code, 0, "{written}");
    assert!(!written.contains("canary"), "{written}");

    let call = ["call", &fixture.url(), "ping"];
    let mut terminal = Terminal::start(&fixture, &call, &[("HALLPASS_KEY_STORE", "")]);
    terminal.until("passphrase of the store: ").await;
    terminal.types("canary horse").await;
    let (code, written) = terminal.end().await;
    assert_eq!(code, 0, "{written}");
    assert!(written.contains("pong"), "{written}");
    assert!(!written.contains("canary"), "{written}");
}
