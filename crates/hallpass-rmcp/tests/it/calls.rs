//! rmcp's service on the transport, against a resource-bound server and its authorization server.

use hallpass_core::{Remedy, SignInReason};
use hallpass_rmcp::{Error, transport};
use hallpass_session::SignOut;
use hallpass_testkit::{Endpoint, Fault, Lifecycle, PlannedFault, When};
use rmcp::{ClientLifecycleMode, ClientServiceExt, ServiceExt, model::ProtocolVersion};

use crate::world::{LIFETIME, World, add};

#[tokio::test]
async fn from_nothing_to_a_call() {
    let world = World::new(|_| {}).await;
    let service = world.serve().await;
    assert_eq!(service.list_all_tools().await.unwrap().len(), 4);
    assert_eq!(add(&service, 19, 23).await.unwrap(), "42");
    service.cancel().await.unwrap();
    assert_eq!(
        world.asked(),
        [
            "initialize - 401",
            "initialize + 200",
            "notifications/initialized + 202",
            "tools/list + 200",
            "tools/call + 200",
            "DELETE + 202",
        ]
    );
    assert_eq!(world.authorizer.reasons(), [SignInReason::First]);
    assert!(world.refreshes().is_empty());
    let exchanges = world.issuer.requests_to(Endpoint::CodeExchange);
    assert_eq!(exchanges.len(), 1);
    let resource = exchanges[0].parameter("resource");
    assert_eq!(resource, Some(world.server.resource().as_str()));
}

#[tokio::test]
async fn plain_json_and_no_session() {
    let world = World::new(|options| {
        options.lifecycle = Lifecycle::WithoutSessions;
        options.json_response = true;
    })
    .await;
    let service = world.serve().await;
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    service.cancel().await.unwrap();
    assert!(world.asked().iter().all(|it| !it.starts_with("DELETE")));
}

#[tokio::test]
async fn both_lifecycles() {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let discover = ClientLifecycleMode::Discover {
        preferred_versions: preferred_versions.clone(),
    };
    let auto = ClientLifecycleMode::Auto {
        preferred_versions,
        legacy_version: None,
    };
    for lifecycle in [ClientLifecycleMode::Initialize, discover, auto] {
        let world = World::new(|_| {}).await;
        let transport = transport(world.client.clone(), &world.url);
        let service = ().serve_with_lifecycle(transport, lifecycle).await.unwrap();
        assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
        world.revoke();
        assert_eq!(add(&service, 3, 4).await.unwrap(), "7");
        assert_eq!(world.refreshes().len(), 1);
        assert_eq!(world.authorizer.reasons(), [SignInReason::First]);
        service.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn a_redirect_on_the_way() {
    let world = World::new(|options| {
        options.protection.moved_to = Some("/elsewhere".to_owned());
    })
    .await;
    let service = world.serve().await;
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn a_token_that_has_expired_is_refreshed_once_before_it_is_sent() {
    let world = World::new(|_| {}).await;
    let service = world.serve().await;
    world.clock.advance(LIFETIME);
    let sums = tokio::join!(
        add(&service, 1, 1),
        add(&service, 2, 2),
        add(&service, 3, 3),
        add(&service, 4, 4),
    );
    for (sum, expected) in [sums.0, sums.1, sums.2, sums.3]
        .into_iter()
        .zip(["2", "4", "6", "8"])
    {
        assert_eq!(sum.unwrap(), expected);
    }
    let refreshes = world.refreshes();
    assert_eq!(refreshes.len(), 1);
    let resource = refreshes[0].parameter("resource");
    assert_eq!(resource, Some(world.server.resource().as_str()));
    assert_eq!(world.authorizer.reasons(), [SignInReason::First]);
    let calls = world.asked();
    let calls = calls.iter().filter(|it| it.starts_with("tools/call"));
    assert!(
        calls.clone().all(|it| it == "tools/call + 200"),
        "{calls:?}"
    );
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn calls_in_flight_whose_token_died_adopt_the_winner() {
    let world = World::new(|_| {}).await;
    let service = world.serve().await;
    // The stream is open by then, and meets no refusal in their place.
    assert_eq!(add(&service, 0, 0).await.unwrap(), "0");
    world.revoke();
    let sums = tokio::join!(
        add(&service, 1, 1),
        add(&service, 2, 2),
        add(&service, 3, 3),
        add(&service, 4, 4),
    );
    for (sum, expected) in [sums.0, sums.1, sums.2, sums.3]
        .into_iter()
        .zip(["2", "4", "6", "8"])
    {
        assert_eq!(sum.unwrap(), expected);
    }
    assert_eq!(world.refreshes().len(), 1);
    assert_eq!(world.authorizer.reasons(), [SignInReason::First]);
    assert!(world.asked().contains(&"tools/call + 401".to_owned()));
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn an_open_stream_holds_nothing_up() {
    let world = World::new(|_| {}).await;
    let service = world.serve().await;
    let is_open = || {
        let requests = world.server.requests();
        let mut streams = requests.iter().filter(|it| it.method == "GET");
        streams.any(|it| it.is_to(Endpoint::Mcp) && it.status() == Some(200))
    };
    while !is_open() {
        tokio::task::yield_now().await;
    }
    world.revoke();
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(world.refreshes().len(), 1);
    let session = world.client.session();
    let done = session.sign_out(SignOut::default()).await.unwrap();
    assert!(done.had_grant);
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn more_scopes_in_the_middle() {
    let world = World::new(|_| {}).await;
    let service = world.serve().await;
    world
        .server
        .change(|protection| protection.call_scope = Some("sums".to_owned()));
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(
        world.authorizer.reasons(),
        [SignInReason::First, SignInReason::StepUp]
    );
    assert_eq!(
        world.asked()[3..],
        ["tools/call + 403", "tools/call + 200"],
        "{:?}",
        world.asked()
    );
    service.cancel().await.unwrap();
}

fn always(status: u16) -> Vec<PlannedFault> {
    vec![PlannedFault {
        endpoint: Endpoint::Mcp,
        when: When::Always,
        fault: Fault::Answer {
            status,
            headers: vec![("WWW-Authenticate".to_owned(), "Bearer".to_owned())],
            body: "canary".to_owned(),
        },
    }]
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_any_more() {
    let world = World::new(|_| {}).await;
    let service = world.serve().await;
    world.server.plan(always(401));
    let before = world.asked().len();
    let error = add(&service, 1, 2).await.unwrap_err();
    let found = Error::find_in_chain(&error).unwrap();
    assert!(
        matches!(found, Error::Session(_) | Error::TooManyChallenges(_)),
        "{found:?}"
    );
    assert!(world.asked().len() - before <= 4, "{:?}", world.asked());
    let text = format!("{error} {error:?}");
    assert!(!text.contains("canary"), "{text}");
    // It is not for ever: the service lives on.
    world.server.plan(Vec::new());
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_from_the_start() {
    let world = World::new(|options| options.faults = always(401)).await;
    let transport = transport(world.client.clone(), &world.url);
    let error = ().serve(transport).await.unwrap_err();
    let found = Error::find_in_chain(&error).unwrap();
    assert!(
        matches!(found, Error::Session(_) | Error::TooManyChallenges(_)),
        "{found:?}"
    );
    assert!(world.asked().len() <= 4, "{:?}", world.asked());
    assert_eq!(world.authorizer.reasons().len(), 1);
}

#[tokio::test]
async fn a_server_that_has_no_time_is_a_matter_of_trying_again() {
    for status in [429, 503] {
        let plan = vec![PlannedFault {
            endpoint: Endpoint::Mcp,
            when: When::Always,
            fault: Fault::Status {
                status,
                retry_after: Some("7".to_owned()),
            },
        }];
        let check = |error: &(dyn std::error::Error + 'static)| {
            let Some(found @ Error::UnexpectedStatus(answer)) = Error::find_in_chain(error) else {
                panic!("{error:?}");
            };
            assert_eq!(found.remedy(), Remedy::Retry);
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.retry_after(), Some("7"));
        };
        let world = World::new(|options| options.faults.clone_from(&plan)).await;
        let first = transport(world.client.clone(), &world.url);
        check(&().serve(first).await.unwrap_err());
        world.server.plan(Vec::new());
        let service = world.serve().await;
        world.server.plan(plan);
        check(&add(&service, 1, 2).await.unwrap_err());
        world.server.plan(Vec::new());
        assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
        service.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn a_host_that_does_not_sign_in() {
    let world = World::with_authorizer(|_| {}, false).await;
    let transport = transport(world.client.clone(), &world.url);
    let error = ().serve(transport).await.unwrap_err();
    let found = Error::find_in_chain(&error).unwrap();
    assert!(matches!(found, Error::Session(_)), "{found:?}");
    assert_eq!(found.remedy(), Remedy::SignIn);
    assert_eq!(world.asked(), ["initialize - 401"]);
}

#[tokio::test]
async fn after_signing_out_the_next_call_signs_in() {
    let world = World::new(|_| {}).await;
    let service = world.serve().await;
    let session = world.client.session();
    session.sign_out(SignOut::default()).await.unwrap();
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(world.authorizer.reasons().len(), 2);
    assert_eq!(world.asked()[3..], ["tools/call - 401", "tools/call + 200"]);
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn signing_in_before_rmcp_begins() {
    let world = World::new(|_| {}).await;
    world.client.ensure_signed_in().await.unwrap();
    let asked = ["server/discover - 401", "server/discover + 200"];
    assert_eq!(world.asked(), asked);
    world.client.ensure_signed_in().await.unwrap();
    assert_eq!(world.asked(), asked, "with a token nothing is sent");
    let lifecycle = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let transport = transport(world.client.clone(), &world.url);
    let service = ().serve_with_lifecycle(transport, lifecycle).await.unwrap();
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(world.authorizer.reasons(), [SignInReason::First]);
    assert!(world.asked().iter().skip(2).all(|it| it.contains(" + 2")));
    service.cancel().await.unwrap();
}
