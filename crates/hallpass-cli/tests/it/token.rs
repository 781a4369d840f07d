//! Tokens for somebody else's request: `token` and `exec`.

use crate::program::Fixture;
#[cfg(unix)]
use crate::program::Output;

#[tokio::test]
async fn token_header_is_readable_by_curl() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let token = fixture.run(&["token", &url]).await.expect(0).stdout;
    let header = fixture
        .run(&["token", &url, "--header"])
        .await
        .expect(0)
        .stdout;
    assert_eq!(header, format!("Authorization: Bearer {token}"));
    let json = fixture
        .run(&["--json", "token", &url])
        .await
        .expect(0)
        .json();
    let header = header.trim_end().strip_prefix("Authorization: ").unwrap();
    assert_eq!(json["result"]["headers"]["Authorization"], header);

    // A bearer token needs no proof, whatever the request is.
    let request = ["token", &url, "--header", "--method", "GET", "--url", &url];
    let ended = fixture.run(&request).await.expect(0);
    assert_eq!(ended.stdout, format!("Authorization: {header}\n"));
    fixture
        .run(&["token", &url, "--method", "GET"])
        .await
        .expect(2);
}

#[cfg(unix)]
#[tokio::test]
async fn exec_passes_token_in_environment() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let token = fixture.run(&["token", &url]).await.expect(0).stdout;
    let exec = async |options: &[&str], command: &[&str]| -> Output {
        fixture
            .run(&[&["exec", &url], options, &["--"], command].concat())
            .await
    };
    let shown = exec(&[], &["/bin/sh", "-c", "printenv HALLPASS_TOKEN"])
        .await
        .expect(0);
    assert_eq!(
        (shown.stdout.as_str(), shown.stderr.as_str()),
        (token.as_str(), "")
    );
    let shown = exec(&["--env", "MY_TOKEN"], &["/usr/bin/env"])
        .await
        .expect(0)
        .stdout;
    assert!(shown.contains(&format!("MY_TOKEN={token}")), "{shown}");
    assert!(!shown.contains("HALLPASS_TOKEN="), "{shown}");

    // No shell reads the arguments, and the end is the command's own.
    let words = exec(&[], &["/bin/echo", "$HOME", "a  b", "--json"])
        .await
        .expect(0);
    assert_eq!(words.stdout, "$HOME a  b --json\n");
    exec(&[], &["/bin/sh", "-c", "exit 42"]).await.expect(42);
    let killed = exec(&[], &["/bin/sh", "-c", "kill -9 $$"]).await;
    assert_eq!(killed.code, -1, "it ended by the signal itself");
    for (command, code) in [("/nowhere/at-all", 127), ("/", 126)] {
        let ended = exec(&[], &[command]).await.expect(code);
        assert!(
            ended.stderr.contains(&format!("can't run `{command}`")),
            "{}",
            ended.stderr
        );
    }
    exec(&["--env", "A=B"], &["/bin/true"]).await.expect(2);
    fixture.run(&["exec", &url]).await.expect(2);
}

#[cfg(unix)]
#[tokio::test]
async fn exec_without_token_runs_nothing() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let ended = fixture
        .run(&["exec", &url, "--", "/bin/echo", "ran"])
        .await
        .expect(3);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains(&format!("hallpass login {url}")),
        "{}",
        ended.stderr
    );
}
