//! The client's own document, and what a login is asked to say besides.

use hallpass_testkit::Endpoint;

use crate::program::Fixture;

const DOCUMENT: &str = "https://client.example/hallpass.json";

#[tokio::test]
async fn cimd_prints_client_metadata() {
    let fixture = Fixture::new().await;
    let options = ["--name", "Example", "--callback-port", "4711"];
    let ended = fixture
        .run(&[&["cimd", DOCUMENT], &options[..]].concat())
        .await
        .expect(0);
    let document = ended.json();
    assert_eq!(document["client_id"], DOCUMENT);
    assert_eq!(document["client_name"], "Example");
    assert_eq!(document["token_endpoint_auth_method"], "none");
    let expected: Vec<String> = ["", ":4711"]
        .iter()
        .flat_map(|port| {
            ["127.0.0.1", "[::1]", "localhost"].map(|host| format!("http://{host}{port}/callback"))
        })
        .collect();
    assert_eq!(document["redirect_uris"], serde_json::json!(expected));
    for wrong in [
        "http://client.example/c.json",
        "https://client.example",
        "https://client.example/c.json#f",
        "client.json",
    ] {
        fixture.run(&["cimd", wrong]).await.expect(2);
    }
}

#[tokio::test]
async fn authorize_params_are_sent_and_saved() {
    let fixture = Fixture::new().await;
    let given = [
        "--authorize-param",
        "access_type=offline",
        "--authorize-param",
        "audience=a=b&c",
    ];
    fixture.login(&given).await.expect(0);
    fixture.login(&[]).await.expect(0);
    let asked = fixture.issuer.requests_to(Endpoint::Authorization);
    assert!(asked.len() >= 2, "{asked:?}");
    for request in asked {
        assert_eq!(request.parameter("access_type"), Some("offline"));
        assert_eq!(request.parameter("audience"), Some("a=b&c"));
    }
}

#[tokio::test]
async fn authorize_param_can_not_replace_protocol_parameter() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    for given in ["state=mine", "resource=https://other.example/", "=x", "x"] {
        let arguments = ["login", &url, "--no-browser", "--authorize-param", given];
        let ended = fixture.run(&arguments).await;
        assert_eq!(ended.code, 2, "{given}: {}", ended.stderr);
    }
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 0);
}

#[tokio::test]
async fn second_account_requests_account_selection() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    fixture.login(&["--account", "work"]).await.expect(0);
    let mine = ["--account", "third", "--authorize-param", "prompt=login"];
    fixture.login(&mine).await.expect(0);
    let asked = fixture.issuer.requests_to(Endpoint::Authorization);
    let prompts: Vec<_> = asked
        .iter()
        .map(|request| request.parameter("prompt"))
        .collect();
    assert_eq!(prompts, [None, Some("select_account"), Some("login")]);
}
