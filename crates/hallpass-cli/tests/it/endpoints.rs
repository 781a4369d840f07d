//! Where a sign-in sends the browser and its result: what is refused, and what the user is asked.

use hallpass_testkit::{AuthorizationServerOptions, Endpoint};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use crate::{program::Fixture, terminal::Terminal};

/// A server whose metadata has the user sign in there.
async fn signing_in_at(authorization_endpoint: &str) -> Fixture {
    let mut options = AuthorizationServerOptions::default();
    let metadata = &mut options.behaviour.metadata_overrides;
    let name = "authorization_endpoint".to_owned();
    metadata.insert(name, json!(authorization_endpoint));
    Fixture::with(options, |_| {}).await
}

const ELSEWHERE: &str = "https://sign-in.example/authorize";
const ASKED: &str = "you sign in at sign-in.example; 127.0.0.1 receives the result";

#[tokio::test]
async fn internal_authorization_endpoint_is_refused_and_diagnosed() {
    let fixture = signing_in_at("https://169.254.169.254/authorize").await;
    let url = fixture.url();
    let ended = fixture
        .run(&["login", &url, "--no-browser", "--wait", "5"])
        .await;
    let stderr = ended.expect(2).stderr;
    assert!(!stderr.contains("visit"), "{stderr}");
    for word in [
        "no browser is sent to the authorization endpoint https://169.254.169.254/authorize",
        fixture.issuer.issuer(),
        "`169.254.169.254` is a link-local address",
        "--authorization-endpoint URL",
    ] {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
    assert!(
        fixture
            .issuer
            .requests_to(Endpoint::Registration)
            .is_empty()
    );

    let ended = fixture.run(&["doctor", &url]).await.expect(2);
    let report = ended.stdout + &ended.stderr;
    assert!(report.contains("`address-refused`"), "{report}");
    assert!(report.contains("169.254.169.254"), "{report}");
}

#[tokio::test]
async fn token_host_of_another_operator_is_refused_without_terminal() {
    let fixture = signing_in_at(ELSEWHERE).await;
    let (url, issuer) = (fixture.url(), fixture.issuer.issuer());
    let login = ["login", &url, "--no-browser", "--wait", "1"];
    let stderr = fixture.run(&login).await.expect(2).stderr;
    assert!(!stderr.contains("to sign in, visit"), "{stderr}");
    let hint = format!("hint: hallpass login {url}");
    assert!(
        stderr.contains("sign-in.example, and 127.0.0.1 receives the result"),
        "{stderr}"
    );
    assert!(stderr.contains(&hint), "{stderr}");
    assert!(stderr.contains(&format!("--issuer {issuer}")), "{stderr}");
    assert!(
        fixture
            .issuer
            .requests_to(Endpoint::Registration)
            .is_empty()
    );

    let ended = fixture.run(&["doctor", &url]).await.expect(3);
    let report = ended.stdout + &ended.stderr;
    assert!(report.contains("`confirmation-asked`"), "{report}");
    assert!(report.contains(&format!("--issuer {issuer}")), "{report}");

    // Named by the user, the issuer is trusted. No user comes back from the page.
    for named in [issuer, "from-resource"] {
        let words = [&login[..], &["--issuer", named]].concat();
        let stderr = fixture.run(&words).await.expect(3).stderr;
        assert!(
            stderr.contains("to sign in, visit\n\n  https://sign-in.example"),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn user_at_terminal_confirms_token_host_once() {
    let fixture = signing_in_at(ELSEWHERE).await;
    let url = fixture.url();
    let login = ["login", &url, "--no-browser", "--wait", "60"];
    for answer in ["no", ""] {
        let mut terminal = Terminal::start(&fixture, &login, &[]);
        terminal.until(ASKED).await;
        terminal.until("yes or no [no]: ").await;
        terminal.types(answer).await;
        let (code, written) = terminal.end().await;
        assert_eq!(code, 4, "{written}");
        assert!(!written.contains("to sign in, visit"), "{written}");
        assert!(written.contains("--issuer "), "{written}");
    }
    let mut terminal = Terminal::start(&fixture, &login, &[]);
    terminal.until("yes or no [no]: ").await;
    terminal.types("yes").await;
    terminal.until("to sign in, visit").await;
    terminal.interrupts().await;
    assert_eq!(terminal.end().await.0, 130);

    // The registration that was saved before the browser keeps the answer.
    let mut terminal = Terminal::start(&fixture, &login, &[]);
    let shown = terminal.until("to sign in, visit").await;
    assert!(!shown.contains(ASKED), "{shown}");
    terminal.interrupts().await;
    assert_eq!(terminal.end().await.0, 130);
}

#[tokio::test]
async fn stray_requests_to_the_callback_port_are_two_lines() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let login = ["login", &url, "--no-browser", "--wait", "60"];
    let mut terminal = Terminal::start(&fixture, &login, &[]);
    let shown = terminal.line_after("to sign in, visit\r\n\r\n").await;
    let shown = Url::parse(&shown).unwrap();
    let pair = shown.query_pairs().find(|(name, _)| name == "redirect_uri");
    let callback = Url::parse(&pair.unwrap().1).unwrap();
    let (port, path) = (callback.port().unwrap(), callback.path());
    for _ in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request =
            format!("GET {path}?code=c&state=guessed HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    }
    fixture.person.visit(&shown).await.unwrap();
    let (code, written) = terminal.end().await;
    assert_eq!(code, 0, "{written}");
    let lines: Vec<_> = written
        .lines()
        .filter(|line| line.contains("ignored"))
        .collect();
    assert_eq!(
        lines,
        [
            "ignored a request: the callback belongs to another sign-in",
            "ignored 300 requests to the callback port",
        ]
    );
}
