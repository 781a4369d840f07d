//! What a server needs to be told is remembered at login.

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, ListenOptions, Person, TestCa};

use crate::program::Desk;

#[tokio::test]
async fn a_private_authority_and_headers_given_at_login_hold_for_later_commands() {
    let ca = TestCa::new().unwrap();
    let listen = |name: &str| ListenOptions::new(name).over_tls(ca.server().unwrap());
    let issuer = AuthorizationServerOptions {
        listen: listen("authorization server"),
        ..AuthorizationServerOptions::default()
    };
    let mut desk = Desk::with(issuer, |server| server.listen = listen("MCP server")).await;
    desk.person = Person::new().trusting(ca.pem());
    let url = desk.url();
    let file = desk.folder.path().join("corporate.pem");
    std::io::Write::write_all(
        &mut std::fs::File::create(&file).unwrap(),
        ca.pem().as_bytes(),
    )
    .unwrap();
    let file = file.to_str().unwrap();

    desk.login(&[]).await.expect(2);
    let for_issuer = format!("{} X-Gateway: issuer", desk.issuer.origin());
    let options = [
        "--ca-certificate",
        file,
        "--header",
        "X-Gateway: ${SECRET}",
        "--header",
        &for_issuer,
    ];
    let mut login = desk.command(&["login", &url, "--no-browser"]);
    login.args(options).env("SECRET", "s3cret");
    desk.sign_in(login).await.expect(0);

    desk.issuer.expire_access_tokens();
    let mut call = desk.command(&["call", &url, "ping"]);
    call.env("SECRET", "s3cret");
    desk.sign_in(call).await.expect(0);

    for request in desk.issuer.recorder().requests() {
        let expected = match request.endpoints.as_slice() {
            [Endpoint::Authorization, ..] | [Endpoint::Other] => None,
            _ if request.origin == desk.server.origin() => Some("s3cret"),
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
    assert_eq!(desk.issuer.requests_to(Endpoint::Refresh).len(), 1);
}

#[tokio::test]
async fn a_relative_file_means_the_same_from_everywhere() {
    let desk = Desk::new().await;
    let url = desk.url();
    let ca = TestCa::new().unwrap();
    let file = desk.folder.path().join("ca.pem");
    let mut out = std::fs::File::create(&file).unwrap();
    std::io::Write::write_all(&mut out, ca.pem().as_bytes()).unwrap();

    let mut login = desk.command(&["login", &url, "--no-browser", "--ca-certificate", "ca.pem"]);
    login.current_dir(desk.folder.path());
    desk.sign_in(login).await.expect(0);
    desk.run(&["token", &url]).await.expect(0);
    std::fs::remove_file(&file).unwrap();
    let ended = desk.run(&["token", &url]).await.expect(2);
    assert!(
        ended.stderr.contains(file.to_str().unwrap()),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn one_can_sign_out_when_an_option_means_nothing_any_more() {
    let desk = Desk::new().await;
    let url = desk.url();
    let mut login = desk.command(&["login", &url, "--no-browser", "--header", "X-Key: ${KEY}"]);
    login.env("KEY", "s3cret");
    desk.sign_in(login).await.expect(0);
    desk.run(&["token", &url]).await.expect(2);
    let ended = desk.run(&["logout", &url]).await.expect(0);
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
async fn options_given_later_come_over_the_remembered_ones() {
    let desk = Desk::new().await;
    let first = desk
        .login(&["--header", "X-Team: tools", "--scope", "a"])
        .await
        .expect(0);
    assert!(
        first
            .stderr
            .contains("`X-Team` is remembered as it was typed"),
        "{}",
        first.stderr
    );
    desk.login(&["--scope", "b"]).await.expect(0);
    let asked = desk.issuer.requests_to(Endpoint::Authorization);
    assert_eq!(asked.last().unwrap().parameter("scope"), Some("b"));
    assert_eq!(
        desk.server.requests().last().unwrap().header("x-team"),
        Some("tools")
    );

    desk.login(&["--reset-options"]).await.expect(0);
    let asked = desk.issuer.requests_to(Endpoint::Authorization);
    assert_eq!(asked.last().unwrap().parameter("scope"), None);
    assert_eq!(
        desk.server.requests().last().unwrap().header("x-team"),
        None
    );
}

#[tokio::test]
async fn a_scope_given_at_login_is_no_reason_to_sign_in_again() {
    let desk = Desk::new().await;
    let url = desk.url();
    desk.login(&["--scope", "mcp:tools"]).await.expect(0);
    let asked = &desk.issuer.requests_to(Endpoint::Authorization)[0];
    assert_eq!(asked.parameter("scope"), Some("mcp:tools"));
    desk.run(&["call", &url, "ping"]).await.expect(0);
    desk.run(&["token", &url, "--scope", "mcp:other"])
        .await
        .expect(3);
}
