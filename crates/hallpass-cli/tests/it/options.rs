//! What a server needs to be told is remembered at login.

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, ListenOptions, Person, TestCa};

use crate::program::Fixture;

#[tokio::test]
async fn login_options_are_saved_for_later_commands() {
    let ca = TestCa::new().unwrap();
    let listen = |name: &str| ListenOptions::new(name).over_tls(ca.server().unwrap());
    let issuer = AuthorizationServerOptions {
        listen: listen("authorization server"),
        ..AuthorizationServerOptions::default()
    };
    let mut fixture = Fixture::with(issuer, |server| server.listen = listen("MCP server")).await;
    fixture.person = Person::new().trusting(ca.pem());
    let url = fixture.url();
    let file = fixture.folder.path().join("corporate.pem");
    std::io::Write::write_all(
        &mut std::fs::File::create(&file).unwrap(),
        ca.pem().as_bytes(),
    )
    .unwrap();
    let file = file.to_str().unwrap();

    fixture.login(&[]).await.expect(2);
    let for_issuer = format!("{} X-Gateway: issuer", fixture.issuer.origin());
    let options = [
        "--ca-certificate",
        file,
        "--header",
        "X-Gateway: ${SECRET}",
        "--header",
        &for_issuer,
    ];
    let mut login = fixture.command(&["login", &url, "--no-browser"]);
    login.args(options).env("SECRET", "s3cret");
    fixture.sign_in(login).await.expect(0);

    fixture.issuer.expire_access_tokens();
    let mut call = fixture.command(&["call", &url, "ping"]);
    call.env("SECRET", "s3cret");
    fixture.sign_in(call).await.expect(0);

    for request in fixture.issuer.recorder().requests() {
        let expected = match request.endpoints.as_slice() {
            [Endpoint::Authorization, ..] | [Endpoint::Other] => None,
            _ if request.origin == fixture.server.origin() => Some("s3cret"),
            _ => Some("issuer"),
        };
        assert_eq!(
            request.header("x-gateway"),
            expected,
            "{} {}",
            request.method,
            request.path
        );
    }
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
}

#[tokio::test]
async fn relative_file_option_is_saved_absolute() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let ca = TestCa::new().unwrap();
    let file = fixture.folder.path().join("ca.pem");
    let mut out = std::fs::File::create(&file).unwrap();
    std::io::Write::write_all(&mut out, ca.pem().as_bytes()).unwrap();

    let mut login = fixture.command(&["login", &url, "--no-browser", "--ca-certificate", "ca.pem"]);
    login.current_dir(fixture.folder.path());
    fixture.sign_in(login).await.expect(0);
    fixture.run(&["token", &url]).await.expect(0);
    std::fs::remove_file(&file).unwrap();
    let ended = fixture.run(&["token", &url]).await.expect(2);
    assert!(
        ended.stderr.contains(file.to_str().unwrap()),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn logout_works_with_invalid_saved_option() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let mut login = fixture.command(&["login", &url, "--no-browser", "--header", "X-Key: ${KEY}"]);
    login.env("KEY", "s3cret");
    fixture.sign_in(login).await.expect(0);
    fixture.run(&["token", &url]).await.expect(2);
    let ended = fixture.run(&["logout", &url]).await.expect(0);
    assert!(
        ended.stdout.contains("\n  refresh token: revoked\n"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.contains("without the server's options"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn later_options_override_saved_ones() {
    let fixture = Fixture::new().await;
    let first = fixture
        .login(&["--header", "X-Team: tools", "--scope", "a"])
        .await
        .expect(0);
    assert!(
        first.stderr.contains("`X-Team` is saved as typed"),
        "{}",
        first.stderr
    );
    fixture.login(&["--scope", "b"]).await.expect(0);
    let asked = fixture.issuer.requests_to(Endpoint::Authorization);
    assert_eq!(asked.last().unwrap().parameter("scope"), Some("b"));
    assert_eq!(
        fixture.server.requests().last().unwrap().header("x-team"),
        Some("tools")
    );

    fixture.login(&["--reset-options"]).await.expect(0);
    let asked = fixture.issuer.requests_to(Endpoint::Authorization);
    assert_eq!(asked.last().unwrap().parameter("scope"), None);
    assert_eq!(
        fixture.server.requests().last().unwrap().header("x-team"),
        None
    );
}

#[tokio::test]
async fn saved_scope_needs_no_new_sign_in() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&["--scope", "mcp:tools"]).await.expect(0);
    let asked = &fixture.issuer.requests_to(Endpoint::Authorization)[0];
    assert_eq!(asked.parameter("scope"), Some("mcp:tools"));
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    fixture
        .run(&["token", &url, "--scope", "mcp:other"])
        .await
        .expect(3);
}

#[tokio::test]
async fn printed_line_keeps_store_and_account_of_the_call() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let store = fixture.folder.path().join("another store");
    let store = store.to_str().unwrap();
    let token = ["--store", store, "token", &url, "--account", "work"];
    let refused = fixture.run(&token).await.expect(3);
    let line = format!("hallpass login {url} --account work --store '{store}'");
    assert!(refused.stderr.contains(&line), "{}", refused.stderr);
}
