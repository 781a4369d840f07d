//! The token endpoint and the life of tokens.

use std::{sync::Arc, time::Duration};

use hallpass_core::Clock;
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, ExpiresIn, FakeClock, RefreshTokens,
    ReuseCounts,
};

use crate::fixture::{Fixture, VERIFIER, changed, parameter, post_form, register};

/// Redeems a fresh code with changes.
async fn check_redeem(fixture: &Fixture, changes: &[(&str, &str)], expected: &str) {
    let answer = fixture.redeem(&fixture.code().await, changes).await;
    assert_eq!(answer.outcome(), expected, "{changes:?}: {answer:?}");
}

#[tokio::test]
async fn invalid_code_exchange_is_refused() {
    let fixture = Fixture::new().await;
    let other = register(&fixture.issuer).await;
    for (changes, expected) in [
        (&[][..], "200"),
        (&[("grant_type", "")], "400 invalid_request"),
        (&[("grant_type", "password")], "400 unsupported_grant_type"),
        (&[("code", "")], "400 invalid_request"),
        (&[("code", "code-of-my-own")], "400 invalid_grant"),
        (&[("code_verifier", "")], "400 invalid_request"),
        (&[("code_verifier", "too-short")], "400 invalid_grant"),
        (&[("redirect_uri", "")], "400 invalid_request"),
        (
            &[("redirect_uri", "http://127.0.0.1:1/callback/")],
            "400 invalid_grant",
        ),
        (
            &[("redirect_uri", "http://127.0.0.1:2/callback")],
            "400 invalid_grant",
        ),
        (&[("client_id", "")], "401 invalid_client"),
        (&[("client_id", "nobody")], "401 invalid_client"),
        (&[("client_id", &other)], "400 invalid_grant"),
        (&[("client_secret", "guess")], "401 invalid_client"),
        (
            &[("resource", "https://elsewhere.example")],
            "400 invalid_target",
        ),
        (&[("resource", "not a uri")], "400 invalid_target"),
    ] {
        check_redeem(&fixture, changes, expected).await;
    }
    let wrong = VERIFIER.replace('a', "b");
    check_redeem(&fixture, &[("code_verifier", &wrong)], "400 invalid_grant").await;
    let slash = format!("{}/", fixture.server.resource());
    check_redeem(&fixture, &[("resource", &slash)], "400 invalid_target").await;
    let resource = fixture.server.resource();
    let twice = [("resource", resource.as_str()), ("resource", &resource)];
    check_redeem(&fixture, &twice, "400 invalid_target").await;
    let twice = [("code_verifier", VERIFIER), ("code_verifier", VERIFIER)];
    check_redeem(&fixture, &twice, "400 invalid_request").await;
}

#[tokio::test]
async fn code_used_twice_revokes_its_tokens() {
    let fixture = Fixture::new().await;
    let code = fixture.code().await;
    let first = fixture.redeem(&code, &[]).await;
    assert_eq!(fixture.initialize(&first.text("access_token")).await, 200);
    let second = fixture.redeem(&code, &[]).await;
    assert_eq!(second.outcome(), "400 invalid_grant");
    assert_eq!(fixture.initialize(&first.text("access_token")).await, 401);
    let refreshed = fixture.refresh(&first.text("refresh_token"), &[]).await;
    assert_eq!(refreshed.outcome(), "400 invalid_grant");
    assert_eq!(fixture.issuer.registry().reuse_counts().codes_reused, 1);
}

#[tokio::test]
async fn wrong_verifier_consumes_the_code() {
    let fixture = Fixture::new().await;
    let code = fixture.code().await;
    let wrong = VERIFIER.replace('a', "b");
    let first = fixture.redeem(&code, &[("code_verifier", &wrong)]).await;
    assert_eq!(first.outcome(), "400 invalid_grant");
    assert_eq!(
        fixture.redeem(&code, &[]).await.outcome(),
        "400 invalid_grant"
    );
}

#[tokio::test]
async fn without_resource_the_login_completes_and_initialize_answers_401() {
    let fixture = Fixture::new().await;
    let tokens = fixture
        .redeem(&fixture.code().await, &[("resource", "")])
        .await;
    assert_eq!(tokens.outcome(), "200");
    assert_eq!(fixture.initialize(&tokens.text("access_token")).await, 401);

    fixture
        .issuer
        .change(|behaviour| behaviour.resource_demanded = true);
    check_redeem(&fixture, &[("resource", "")], "400 invalid_target").await;
}

#[tokio::test]
async fn resource_without_consent_is_refused() {
    let fixture = Fixture::new().await;
    let mut request = fixture.request();
    request.retain(|(name, _)| name != "resource");
    let callback = fixture.callback(&request).await;
    let code = parameter(&callback, "code").unwrap();
    assert_eq!(
        fixture.redeem(&code, &[]).await.outcome(),
        "400 invalid_target"
    );
}

#[tokio::test]
async fn replaced_refresh_token_used_again_revokes_the_family() {
    let fixture = Fixture::new().await;
    let first = fixture.tokens().await;
    let second = fixture.refresh(&first.text("refresh_token"), &[]).await;
    assert_eq!(second.outcome(), "200");
    assert_ne!(first.text("refresh_token"), second.text("refresh_token"));
    assert_eq!(fixture.initialize(&second.text("access_token")).await, 200);

    let again = fixture.refresh(&first.text("refresh_token"), &[]).await;
    assert_eq!(again.outcome(), "400 invalid_grant");
    assert_eq!(
        fixture
            .issuer
            .registry()
            .reuse_counts()
            .refresh_tokens_reused,
        1
    );
    assert_eq!(fixture.initialize(&second.text("access_token")).await, 401);
    let newest = fixture.refresh(&second.text("refresh_token"), &[]).await;
    assert_eq!(newest.outcome(), "400 invalid_grant");

    let other_login = fixture.tokens().await;
    assert_eq!(
        fixture.initialize(&other_login.text("access_token")).await,
        200
    );
}

#[tokio::test]
async fn another_resource_at_refresh_gives_a_useless_token() {
    let fixture = Fixture::new().await;
    let first = fixture.tokens().await;
    let refused = fixture
        .refresh(
            &first.text("refresh_token"),
            &[("resource", "https://elsewhere.example")],
        )
        .await;
    assert_eq!(refused.outcome(), "400 invalid_target");
    let unbound = fixture
        .refresh(&first.text("refresh_token"), &[("resource", "")])
        .await;
    assert_eq!(unbound.outcome(), "200", "a refusal uses nothing up");
    assert_eq!(fixture.initialize(&unbound.text("access_token")).await, 401);
    let bound = fixture.refresh(&unbound.text("refresh_token"), &[]).await;
    assert_eq!(fixture.initialize(&bound.text("access_token")).await, 200);
}

#[tokio::test]
async fn wider_scope_at_refresh_is_refused() {
    let fixture = Fixture::new().await;
    let mut request = fixture.request();
    request.push(("scope".to_owned(), "files:read files:write".to_owned()));
    let callback = fixture.callback(&request).await;
    let first = fixture
        .redeem(&parameter(&callback, "code").unwrap(), &[])
        .await;
    assert_eq!(first.text("scope"), "files:read files:write");
    let token = first.text("refresh_token");
    let grown = fixture
        .refresh(&token, &[("scope", "files:read admin")])
        .await;
    assert_eq!(grown.outcome(), "400 invalid_scope");
    let shrunk = fixture.refresh(&token, &[("scope", "files:read")]).await;
    assert_eq!(shrunk.text("scope"), "files:read");
    let whole = fixture.refresh(&shrunk.text("refresh_token"), &[]).await;
    assert_eq!(whole.text("scope"), "files:read files:write");
}

#[tokio::test]
async fn expired_access_tokens_leave_refresh_tokens_valid() {
    let fixture = Fixture::new().await;
    let first = fixture.tokens().await;
    fixture.issuer.expire_access_tokens();
    assert_eq!(fixture.initialize(&first.text("access_token")).await, 401);
    let second = fixture.refresh(&first.text("refresh_token"), &[]).await;
    assert_eq!(fixture.initialize(&second.text("access_token")).await, 200);
}

#[tokio::test]
async fn tokens_expire_by_the_given_clock() {
    let clock = FakeClock::default();
    let mut options = AuthorizationServerOptions {
        clock: Some(Arc::new(clock.clone())),
        ..Default::default()
    };
    options.behaviour.access_token_lifetime = Duration::from_secs(60);
    options.behaviour.refresh_token_lifetime = Some(Duration::from_secs(600));
    let fixture = Fixture::with(AuthorizationServer::start(options).await.unwrap()).await;
    let late_code = fixture.code().await;
    let tokens = fixture.tokens().await;
    assert_eq!(tokens.json()["expires_in"], 60);
    clock.advance(Duration::from_secs(59));
    assert_eq!(fixture.initialize(&tokens.text("access_token")).await, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.initialize(&tokens.text("access_token")).await, 401);
    let late = fixture.redeem(&late_code, &[]).await;
    assert_eq!(late.outcome(), "400 invalid_grant");
    clock.advance(Duration::from_secs(600));
    let late = fixture.refresh(&tokens.text("refresh_token"), &[]).await;
    assert_eq!(late.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn token_options_change_the_response() {
    let fixture = Fixture::new().await;
    fixture.issuer.change(|behaviour| {
        behaviour.refresh_tokens = RefreshTokens::Kept;
        behaviour.expires_in = ExpiresIn::Text;
        behaviour.token_type = "bearer".to_owned();
    });
    let first = fixture.tokens().await;
    assert_eq!(first.json()["expires_in"], "3600");
    assert_eq!(first.text("token_type"), "bearer");
    for _ in 0..2 {
        let next = fixture.refresh(&first.text("refresh_token"), &[]).await;
        assert_eq!(next.outcome(), "200");
        assert_eq!(next.text("refresh_token"), "");
    }
    fixture.issuer.change(|behaviour| {
        behaviour.refresh_tokens = RefreshTokens::None;
        behaviour.expires_in = ExpiresIn::Absent;
        behaviour.invalid_grant_status = 403;
    });
    let bare = fixture.tokens().await;
    assert_eq!(bare.text("refresh_token"), "");
    assert!(bare.json().get("expires_in").is_none());
    check_redeem(&fixture, &[("code", "code-of-my-own")], "403 invalid_grant").await;
}

#[tokio::test]
async fn revoked_token_is_invalid() {
    let fixture = Fixture::new().await;
    let other = register(&fixture.issuer).await;
    let tokens = fixture.tokens().await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let revoke = async |client: &str, token: &str| {
        let pairs = changed(&[("client_id", client), ("token", token)], &[]);
        post_form(&fixture.at("/revoke"), &[], &pairs)
            .await
            .outcome()
    };
    assert_eq!(revoke("nobody", &access).await, "401 invalid_client");
    assert_eq!(revoke(&fixture.client_id, "unknown").await, "200");
    assert_eq!(revoke(&other, &refresh).await, "200");
    assert_eq!(
        fixture.initialize(&access).await,
        200,
        "not the other's to revoke"
    );
    assert_eq!(revoke(&fixture.client_id, &access).await, "200");
    assert_eq!(fixture.initialize(&access).await, 401);
    let next = fixture.refresh(&refresh, &[]).await;
    assert_eq!(next.outcome(), "200");
    assert_eq!(
        revoke(&fixture.client_id, &next.text("refresh_token")).await,
        "200"
    );
    assert_eq!(fixture.initialize(&next.text("access_token")).await, 401);
    assert_eq!(
        fixture.issuer.registry().reuse_counts(),
        ReuseCounts::default()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_refreshes_honour_one() {
    let fixture = Fixture::new().await;
    let token = fixture.tokens().await.text("refresh_token");
    let (a, b, c, d) = tokio::join!(
        fixture.refresh(&token, &[]),
        fixture.refresh(&token, &[]),
        fixture.refresh(&token, &[]),
        fixture.refresh(&token, &[]),
    );
    let mut outcomes = [a, b, c, d].map(|answer| answer.outcome());
    outcomes.sort();
    assert_eq!(outcomes[0], "200");
    assert!(
        outcomes[1..].iter().all(|it| it == "400 invalid_grant"),
        "{outcomes:?}"
    );
    assert_eq!(
        fixture
            .issuer
            .registry()
            .reuse_counts()
            .refresh_tokens_reused,
        3
    );
}

#[tokio::test]
async fn same_seed_gives_the_same_tokens() {
    let token = async |seed| {
        let options = AuthorizationServerOptions {
            seed,
            ..AuthorizationServerOptions::default()
        };
        let fixture = Fixture::with(AuthorizationServer::start(options).await.unwrap()).await;
        fixture.tokens().await.text("access_token")
    };
    assert_eq!(token(Some(1)).await, token(Some(1)).await);
    assert_ne!(token(Some(1)).await, token(Some(2)).await);
    assert_ne!(token(None).await, token(None).await);
}

#[tokio::test]
async fn replaced_refresh_token_within_the_grace_is_replaced_again() {
    let clock = FakeClock::default();
    let mut options = AuthorizationServerOptions {
        clock: Some(Arc::new(clock.clone())),
        ..AuthorizationServerOptions::default()
    };
    options.behaviour.reuse_grace = Some(Duration::from_secs(10));
    let fixture = Fixture::with(AuthorizationServer::start(options).await.unwrap()).await;
    let first = fixture.tokens().await.text("refresh_token");
    let second = fixture.refresh(&first, &[]).await.text("refresh_token");
    let replaced_at = clock.monotonic();
    clock.advance(Duration::from_secs(9));
    let again = fixture.refresh(&first, &[]).await.text("refresh_token");
    assert_ne!(second, again);
    assert_eq!(
        fixture.issuer.registry().replaced_at(&first),
        Some(replaced_at)
    );
    assert_eq!(fixture.refresh(&second, &[]).await.outcome(), "200");
    assert_eq!(fixture.refresh(&again, &[]).await.outcome(), "200");
    assert_eq!(fixture.issuer.registry().reused_at(&first), None);
    // The grace is counted from the first time.
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        fixture.refresh(&first, &[]).await.outcome(),
        "400 invalid_grant"
    );
    assert_eq!(
        fixture
            .issuer
            .registry()
            .reuse_counts()
            .refresh_tokens_reused,
        1
    );
    let reused_at = fixture.issuer.registry().reused_at(&first);
    assert_eq!(reused_at, Some(clock.monotonic()));
}
