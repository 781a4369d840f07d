//! A server that speaks the lifecycle of MCP 2026-07-28 alone: it knows no handshake.

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, Fault, Lifecycle};

use crate::program::Fixture;

#[tokio::test]
async fn stateless_server_works_with_every_command() {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |server| {
        server.lifecycle = Lifecycle::WithoutHandshake;
        server.everything = true;
    })
    .await;
    let url = fixture.url();
    let needed = fixture.run(&["tools", &url]).await.expect(3);
    assert!(
        needed.stderr.contains("hallpass login"),
        "{}",
        needed.stderr
    );
    fixture.login(&[]).await.expect(0);
    let call = fixture.run(&["call", &url, "add", "a=2", "b=3"]).await;
    assert_eq!(call.expect(0).stdout, "5\n");
    let tools = fixture.run(&["tools", &url, "search"]).await.expect(0);
    assert!(
        tools.stdout.contains("What to look for."),
        "{}",
        tools.stdout
    );
    let resource = fixture
        .run(&["resources", &url, "test://files/a.txt"])
        .await;
    assert_eq!(resource.expect(0).stdout, "the text of a\n");
    let prompt = fixture.run(&["prompts", &url, "greet", "name=Ada"]).await;
    assert!(prompt.expect(0).stdout.contains("Greet Ada."));
    let steps = fixture.run(&["-v", "call", &url, "steps", "steps=2"]).await;
    assert!(steps.expect(0).stderr.contains("progress: 2 of 2"));
    let doctor = fixture.run(&["doctor", &url]).await.expect(0);
    assert!(
        doctor.stdout.contains("2026-07-28, without a handshake"),
        "{}",
        doctor.stdout
    );
}

#[tokio::test]
async fn sign_in_is_required_when_handshake_is_refused() {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |server| {
        server.lifecycle = Lifecycle::WithoutHandshake;
    })
    .await;
    let refusal =
        r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"Method not found"}}"#;
    let json = ("content-type".to_owned(), "application/json".to_owned());
    fixture.server.once(
        Endpoint::Mcp,
        Fault::Answer {
            status: 200,
            headers: vec![json],
            body: refusal.to_owned(),
        },
    );
    let needed = fixture.run(&["tools", &fixture.url()]).await.expect(3);
    assert!(
        needed.stderr.contains("hallpass login"),
        "{}",
        needed.stderr
    );
}
