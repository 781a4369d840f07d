//! A refresh that the server refuses with another error than `invalid_grant`: every command says the way
//! out.

use std::time::Duration;

use hallpass_testkit::{Endpoint, Fault, PlannedFault, When};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::{
    program::Fixture,
    proxy::{Host, SOON, visited},
};

/// An answer of the token endpoint: its status, its media type and its body.
type Refusal = (u16, &'static str, &'static str);

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const INVALID_GRANT: Refusal = (400, JSON, r#"{"error":"invalid_grant"}"#);

const REFUSALS: &[Refusal] = &[
    (
        400,
        JSON,
        r#"{"error":"invalid_request","error_description":"refresh_token is invalid"}"#,
    ),
    (401, JSON, r#"{"error":"unauthorized_client"}"#),
    (400, HTML, "<html>bad</html>"),
    (200, HTML, "<html>sign in</html>"),
    (302, HTML, ""),
    (401, HTML, ""),
];

/// A user whose access token has ended, and whose refresh is answered with this.
async fn refused((status, media_type, body): Refusal) -> Fixture {
    let fixture = Fixture::new().await;
    let lifetime = |seconds| {
        fixture
            .issuer
            .change(|it| it.access_token_lifetime = Duration::from_secs(seconds));
    };
    lifetime(0);
    fixture.login(&[]).await.expect(0);
    lifetime(3_600);
    fixture.issuer.plan(vec![PlannedFault {
        endpoint: Endpoint::Refresh,
        when: When::Always,
        fault: Fault::Answer {
            status,
            headers: vec![("content-type".to_owned(), media_type.to_owned())],
            body: body.to_owned(),
        },
    }]);
    fixture
}

async fn token_error(fixture: &Fixture) -> Value {
    let arguments = ["--json", "--non-interactive", "token", &fixture.url()];
    fixture.run(&arguments).await.expect(3).json()["error"].clone()
}

#[tokio::test]
async fn refused_refresh_has_a_way_out_in_every_command() {
    let definitive = token_error(&refused(INVALID_GRANT).await).await;
    for refusal in REFUSALS {
        let fixture = refused(*refusal).await;
        let (url, login) = (fixture.url(), format!("hallpass login {}", fixture.url()));
        let error = token_error(&fixture).await;
        for member in ["code", "exit_code", "data"] {
            assert_eq!(error[member], definitive[member], "{refusal:?}");
        }
        let hints = error["hints"].as_array().unwrap();
        assert!(hints.iter().any(|hint| *hint == *login), "{error}");
        let status = format!("(status {}", refusal.0);
        assert!(error["causes"][0].as_str().unwrap().contains(&status));

        let hint = format!("  hint: {login}");
        for arguments in [
            &["tools", &url][..],
            &["call", &url, "ping"],
            &["token", &url],
            &["--non-interactive", "tools", &url],
        ] {
            let ended = fixture.run(arguments).await.expect(3);
            let is_said = ended.stderr.lines().any(|line| line == hint);
            assert!(is_said, "{refusal:?} {arguments:?} {}", ended.stderr);
            assert!(ended.stderr.contains(&status), "{}", ended.stderr);
        }

        let shown = fixture.run(&["status", &url]).await.expect(0).stdout;
        assert!(
            shown.contains("sign-in required: refresh refused since "),
            "{shown}"
        );
        let shown = fixture.run(&["--json", "status", &url]).await.expect(0);
        let account = &shown.json()["result"]["accounts"][0];
        assert_eq!(account["state"], "sign-in-required", "{account}");
        assert_eq!(account["cause"], "refresh-refused", "{account}");
        assert!(account["refresh_refused_since"].is_i64(), "{account}");

        for arguments in [&["doctor", &url][..], &["doctor", &url, "--refresh"]] {
            let ended = fixture.run(arguments).await.expect(3);
            assert!(ended.stdout.contains(&login), "{}", ended.stdout);
            assert!(ended.stdout.contains(&status), "{}", ended.stdout);
        }

        let mut host = Host::start(&fixture, &[]);
        host.open().await;
        let error = host.ping(1).await["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&login), "{error}");
        assert!(message.contains(&status), "{error}");
        assert_eq!(error["data"]["remedy"], "sign-in", "{error}");

        fixture.issuer.plan(Vec::new());
        fixture.login(&[]).await.expect(0);
        fixture.run(&["tools", &url]).await.expect(0);
        let shown = fixture.run(&["--json", "status", &url]).await.expect(0);
        let account = &shown.json()["result"]["accounts"][0];
        assert_eq!(account["state"], "signed-in", "{account}");
        assert!(account["refresh_refused_since"].is_null(), "{account}");
    }
}

#[tokio::test]
async fn status_knows_that_changed_settings_end_a_refusal() {
    for refusal in [REFUSALS[0], (200, HTML, "<html>sign in</html>")] {
        let fixture = refused(refusal).await;
        token_error(&fixture).await;
        let file = fixture.folder.path().join("config.toml");
        let config = ["--json", "--config", file.to_str().unwrap()];
        let run = async |arguments: &[&str]| {
            let arguments = [&config[..], arguments].concat();
            fixture.run(&arguments).await.expect(0).json()["result"].clone()
        };
        run(&["add", "mine", &fixture.url()]).await;
        let account = run(&["status", "mine"]).await["accounts"][0].clone();
        assert_eq!(account["state"], "sign-in-required", "{account}");
        run(&["remove", "mine"]).await;

        run(&["add", "mine", &fixture.url(), "--refresh-scope"]).await;
        let account = run(&["status", "mine"]).await["accounts"][0].clone();
        assert_ne!(account["state"], "sign-in-required", "{account}");
        assert!(account["cause"].is_null(), "{account}");
        assert!(account["refresh_refused_since"].is_null(), "{account}");
        let listed = run(&["list"]).await["servers"][0].clone();
        assert_eq!(listed["state"], account["state"], "{listed}");
        let text = fixture
            .run(&[&config[1..], &["status", "mine"]].concat())
            .await;
        assert!(
            text.stdout.contains("; the next use tries again"),
            "{}",
            text.stdout
        );
    }
}

#[tokio::test]
async fn interactive_proxy_signs_in_after_a_refused_refresh() {
    let fixture = refused(REFUSALS[0]).await;
    let mut host = Host::start(&fixture, &["--interactive", "--wait", "60"]);
    let talk = BufReader::new(host.child.stderr.take().unwrap()).lines();
    host.open().await;
    let shown = timeout(SOON, visited(talk)).await.unwrap();
    fixture.person.visit(&shown.unwrap()).await.unwrap();
    while host.ping(1).await["error"].is_object() {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.issuer.requests_to(Endpoint::CodeExchange).len(), 2);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
}
