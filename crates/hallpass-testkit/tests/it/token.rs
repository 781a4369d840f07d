//! The token endpoint and the life of tokens.

use std::{sync::Arc, time::Duration};

use hallpass_core::Clock;
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, ExpiresIn, FakeClock, Misuse, RefreshTokens,
};

use crate::wire::{VERIFIER, World, changed, parameter, post_form, register};

/// Redeems a fresh code with changes.
async fn check_redeem(world: &World, changes: &[(&str, &str)], expected: &str) {
    let answer = world.redeem(&world.code().await, changes).await;
    assert_eq!(answer.outcome(), expected, "{changes:?}: {answer:?}");
}

#[tokio::test]
async fn a_code_is_redeemed_by_the_book_or_not_at_all() {
    let world = World::new().await;
    let other = register(&world.issuer).await;
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
        check_redeem(&world, changes, expected).await;
    }
    let wrong = VERIFIER.replace('a', "b");
    check_redeem(&world, &[("code_verifier", &wrong)], "400 invalid_grant").await;
    let slash = format!("{}/", world.server.resource());
    check_redeem(&world, &[("resource", &slash)], "400 invalid_target").await;
    let resource = world.server.resource();
    let twice = [("resource", resource.as_str()), ("resource", &resource)];
    check_redeem(&world, &twice, "400 invalid_target").await;
    let twice = [("code_verifier", VERIFIER), ("code_verifier", VERIFIER)];
    check_redeem(&world, &twice, "400 invalid_request").await;
}

#[tokio::test]
async fn a_code_used_twice_takes_its_tokens_with_it() {
    let world = World::new().await;
    let code = world.code().await;
    let first = world.redeem(&code, &[]).await;
    assert_eq!(world.initialize(&first.text("access_token")).await, 200);
    let second = world.redeem(&code, &[]).await;
    assert_eq!(second.outcome(), "400 invalid_grant");
    assert_eq!(world.initialize(&first.text("access_token")).await, 401);
    let refreshed = world.refresh(&first.text("refresh_token"), &[]).await;
    assert_eq!(refreshed.outcome(), "400 invalid_grant");
    assert_eq!(world.issuer.book().misuse().codes_reused, 1);
}

#[tokio::test]
async fn a_code_that_was_tried_with_a_wrong_verifier_is_gone() {
    let world = World::new().await;
    let code = world.code().await;
    let wrong = VERIFIER.replace('a', "b");
    let first = world.redeem(&code, &[("code_verifier", &wrong)]).await;
    assert_eq!(first.outcome(), "400 invalid_grant");
    assert_eq!(
        world.redeem(&code, &[]).await.outcome(),
        "400 invalid_grant"
    );
}

#[tokio::test]
async fn without_resource_the_login_completes_and_initialize_answers_401() {
    let world = World::new().await;
    let tokens = world.redeem(&world.code().await, &[("resource", "")]).await;
    assert_eq!(tokens.outcome(), "200");
    assert_eq!(world.initialize(&tokens.text("access_token")).await, 401);

    world
        .issuer
        .change(|behaviour| behaviour.resource_demanded = true);
    check_redeem(&world, &[("resource", "")], "400 invalid_target").await;
}

#[tokio::test]
async fn a_resource_that_nobody_consented_to_is_refused() {
    let world = World::new().await;
    let mut request = world.request();
    request.retain(|(name, _)| name != "resource");
    let callback = world.callback(&request).await;
    let code = parameter(&callback, "code").unwrap();
    assert_eq!(
        world.redeem(&code, &[]).await.outcome(),
        "400 invalid_target"
    );
}

#[tokio::test]
async fn a_replaced_refresh_token_that_comes_back_revokes_the_family() {
    let world = World::new().await;
    let first = world.tokens().await;
    let second = world.refresh(&first.text("refresh_token"), &[]).await;
    assert_eq!(second.outcome(), "200");
    assert_ne!(first.text("refresh_token"), second.text("refresh_token"));
    assert_eq!(world.initialize(&second.text("access_token")).await, 200);

    let again = world.refresh(&first.text("refresh_token"), &[]).await;
    assert_eq!(again.outcome(), "400 invalid_grant");
    assert_eq!(world.issuer.book().misuse().refresh_tokens_reused, 1);
    assert_eq!(world.initialize(&second.text("access_token")).await, 401);
    let newest = world.refresh(&second.text("refresh_token"), &[]).await;
    assert_eq!(newest.outcome(), "400 invalid_grant");

    let other_login = world.tokens().await;
    assert_eq!(
        world.initialize(&other_login.text("access_token")).await,
        200
    );
}

#[tokio::test]
async fn resource_at_refresh_is_the_same_or_the_token_is_good_for_nothing() {
    let world = World::new().await;
    let first = world.tokens().await;
    let refused = world
        .refresh(
            &first.text("refresh_token"),
            &[("resource", "https://elsewhere.example")],
        )
        .await;
    assert_eq!(refused.outcome(), "400 invalid_target");
    let unbound = world
        .refresh(&first.text("refresh_token"), &[("resource", "")])
        .await;
    assert_eq!(unbound.outcome(), "200", "a refusal uses nothing up");
    assert_eq!(world.initialize(&unbound.text("access_token")).await, 401);
    let bound = world.refresh(&unbound.text("refresh_token"), &[]).await;
    assert_eq!(world.initialize(&bound.text("access_token")).await, 200);
}

#[tokio::test]
async fn scopes_can_shrink_at_refresh_and_never_grow() {
    let world = World::new().await;
    let mut request = world.request();
    request.push(("scope".to_owned(), "files:read files:write".to_owned()));
    let callback = world.callback(&request).await;
    let first = world
        .redeem(&parameter(&callback, "code").unwrap(), &[])
        .await;
    assert_eq!(first.text("scope"), "files:read files:write");
    let token = first.text("refresh_token");
    let grown = world
        .refresh(&token, &[("scope", "files:read admin")])
        .await;
    assert_eq!(grown.outcome(), "400 invalid_scope");
    let shrunk = world.refresh(&token, &[("scope", "files:read")]).await;
    assert_eq!(shrunk.text("scope"), "files:read");
    let whole = world.refresh(&shrunk.text("refresh_token"), &[]).await;
    assert_eq!(whole.text("scope"), "files:read files:write");
}

#[tokio::test]
async fn all_access_tokens_expire_at_once_and_refresh_tokens_stay() {
    let world = World::new().await;
    let first = world.tokens().await;
    world.issuer.expire_access_tokens();
    assert_eq!(world.initialize(&first.text("access_token")).await, 401);
    let second = world.refresh(&first.text("refresh_token"), &[]).await;
    assert_eq!(world.initialize(&second.text("access_token")).await, 200);
}

#[tokio::test]
async fn time_is_the_given_clocks() {
    let clock = FakeClock::default();
    let mut options = AuthorizationServerOptions {
        clock: Some(Arc::new(clock.clone())),
        ..Default::default()
    };
    options.behaviour.access_token_lifetime = Duration::from_secs(60);
    options.behaviour.refresh_token_lifetime = Some(Duration::from_secs(600));
    let world = World::with(AuthorizationServer::start(options).await.unwrap()).await;
    let late_code = world.code().await;
    let tokens = world.tokens().await;
    assert_eq!(tokens.json()["expires_in"], 60);
    clock.advance(Duration::from_secs(59));
    assert_eq!(world.initialize(&tokens.text("access_token")).await, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(world.initialize(&tokens.text("access_token")).await, 401);
    let late = world.redeem(&late_code, &[]).await;
    assert_eq!(late.outcome(), "400 invalid_grant");
    clock.advance(Duration::from_secs(600));
    let late = world.refresh(&tokens.text("refresh_token"), &[]).await;
    assert_eq!(late.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn what_servers_differ_by() {
    let world = World::new().await;
    world.issuer.change(|behaviour| {
        behaviour.refresh_tokens = RefreshTokens::Kept;
        behaviour.expires_in = ExpiresIn::Text;
        behaviour.token_type = "bearer".to_owned();
    });
    let first = world.tokens().await;
    assert_eq!(first.json()["expires_in"], "3600");
    assert_eq!(first.text("token_type"), "bearer");
    for _ in 0..2 {
        let next = world.refresh(&first.text("refresh_token"), &[]).await;
        assert_eq!(next.outcome(), "200");
        assert_eq!(next.text("refresh_token"), "");
    }
    world.issuer.change(|behaviour| {
        behaviour.refresh_tokens = RefreshTokens::None;
        behaviour.expires_in = ExpiresIn::Absent;
        behaviour.invalid_grant_status = 403;
    });
    let bare = world.tokens().await;
    assert_eq!(bare.text("refresh_token"), "");
    assert!(bare.json().get("expires_in").is_none());
    check_redeem(&world, &[("code", "code-of-my-own")], "403 invalid_grant").await;
}

#[tokio::test]
async fn revocation() {
    let world = World::new().await;
    let other = register(&world.issuer).await;
    let tokens = world.tokens().await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let revoke = async |client: &str, token: &str| {
        let pairs = changed(&[("client_id", client), ("token", token)], &[]);
        post_form(&world.at("/revoke"), &[], &pairs).await.outcome()
    };
    assert_eq!(revoke("nobody", &access).await, "401 invalid_client");
    assert_eq!(revoke(&world.client_id, "unknown").await, "200");
    assert_eq!(revoke(&other, &refresh).await, "200");
    assert_eq!(
        world.initialize(&access).await,
        200,
        "not the other's to revoke"
    );
    assert_eq!(revoke(&world.client_id, &access).await, "200");
    assert_eq!(world.initialize(&access).await, 401);
    let next = world.refresh(&refresh, &[]).await;
    assert_eq!(next.outcome(), "200");
    assert_eq!(
        revoke(&world.client_id, &next.text("refresh_token")).await,
        "200"
    );
    assert_eq!(world.initialize(&next.text("access_token")).await, 401);
    assert_eq!(world.issuer.book().misuse(), Misuse::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_refreshes_at_once_one_is_honoured() {
    let world = World::new().await;
    let token = world.tokens().await.text("refresh_token");
    let (a, b, c, d) = tokio::join!(
        world.refresh(&token, &[]),
        world.refresh(&token, &[]),
        world.refresh(&token, &[]),
        world.refresh(&token, &[]),
    );
    let mut outcomes = [a, b, c, d].map(|answer| answer.outcome());
    outcomes.sort();
    assert_eq!(outcomes[0], "200");
    assert!(
        outcomes[1..].iter().all(|it| it == "400 invalid_grant"),
        "{outcomes:?}"
    );
    assert_eq!(world.issuer.book().misuse().refresh_tokens_reused, 3);
}

#[tokio::test]
async fn with_a_seed_the_tokens_are_the_same_in_every_run() {
    let token = async |seed| {
        let options = AuthorizationServerOptions {
            seed,
            ..AuthorizationServerOptions::default()
        };
        let world = World::with(AuthorizationServer::start(options).await.unwrap()).await;
        world.tokens().await.text("access_token")
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
    let world = World::with(AuthorizationServer::start(options).await.unwrap()).await;
    let first = world.tokens().await.text("refresh_token");
    let second = world.refresh(&first, &[]).await.text("refresh_token");
    let replaced_at = clock.monotonic();
    clock.advance(Duration::from_secs(9));
    let again = world.refresh(&first, &[]).await.text("refresh_token");
    assert_ne!(second, again);
    assert_eq!(world.issuer.book().replaced_at(&first), Some(replaced_at));
    assert_eq!(world.refresh(&second, &[]).await.outcome(), "200");
    assert_eq!(world.refresh(&again, &[]).await.outcome(), "200");
    assert_eq!(world.issuer.book().reused_at(&first), None);
    // The grace is counted from the first time.
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        world.refresh(&first, &[]).await.outcome(),
        "400 invalid_grant"
    );
    assert_eq!(world.issuer.book().misuse().refresh_tokens_reused, 1);
    let reused_at = world.issuer.book().reused_at(&first);
    assert_eq!(reused_at, Some(clock.monotonic()));
}
