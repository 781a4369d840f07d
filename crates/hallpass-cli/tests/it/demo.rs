//! The demonstration.

use crate::program::Fixture;

#[tokio::test]
async fn demo_shows_each_request() {
    let fixture = Fixture::new().await;
    let ended = fixture.run(&["demo"]).await.expect(0);
    for word in [
        "1. The server is asked without a token",
        "code_challenge_method=S256",
        "grant_type=authorization_code",
        "tools/list",
        "grant_type=refresh_token",
        "the caller did not notice: add(20, 22) is 42",
        "refresh token: revoked",
        "But the token is good for nothing",
        "Auth required",
    ] {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
    assert_eq!(ended.stderr, "");
    for name in ["code", "code_verifier", "refresh_token", "token"] {
        let lines = ended.stdout.lines().map(str::trim);
        let lines: Vec<_> = lines
            .filter(|line| line.starts_with(&format!("{name}=")))
            .collect();
        assert!(!lines.is_empty(), "{name} is never shown");
        assert!(
            lines.iter().all(|line| line.ends_with("=(redacted)")),
            "{lines:?}"
        );
    }
    let headers = ended
        .stdout
        .lines()
        .filter(|line| line.contains("authorization: "));
    let headers: Vec<_> = headers.collect();
    assert!(headers.len() > 3, "{headers:?}");
    assert!(
        headers
            .iter()
            .all(|line| line.ends_with("Bearer (redacted)")),
        "{headers:?}"
    );
}

#[tokio::test]
async fn demo_without_resource_at_refresh_fails() {
    let fixture = Fixture::new().await;
    let ended = fixture
        .run(&["demo", "--forget-resource-at-refresh"])
        .await
        .expect(1);
    assert!(
        ended.stdout.contains("5. The code becomes tokens"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("did not notice"), "{}", ended.stdout);
    let what = "check failed: 1 × Refresh with resource=";
    assert!(ended.stderr.contains(what), "{}", ended.stderr);
}

#[tokio::test]
async fn demo_json_has_each_step_and_resource() {
    let fixture = Fixture::new().await;
    let data = fixture.run(&["--json", "demo"]).await.expect(0).json();
    let steps = data["result"]["steps"].as_array().unwrap();
    let requests = steps
        .iter()
        .flat_map(|step| step["requests"].as_array().unwrap());
    let carrying = requests.filter(|request| !request["resource"].as_array().unwrap().is_empty());
    assert_eq!(carrying.count(), 3, "authorization, exchange and refresh");
}
