//! rmcp's service on the transport, against a resource-bound server and its authorization server.

use std::time::Duration;

use hallpass_core::{Diagnostic as _, Remedy, SignInReason};
use hallpass_rmcp::{Error, transport};
use hallpass_session::SignOut;
use hallpass_testkit::{Endpoint, Fault, Lifecycle, PlannedFault, When};
use rmcp::{ClientLifecycleMode, ClientServiceExt, ServiceExt, model::ProtocolVersion};

use crate::fixture::{Fixture, LIFETIME, add};

#[tokio::test]
async fn first_call_signs_in_once() {
    let fixture = Fixture::new(|_| {}).await;
    let service = fixture.serve().await;
    assert_eq!(service.list_all_tools().await.unwrap().len(), 4);
    assert_eq!(add(&service, 19, 23).await.unwrap(), "42");
    service.cancel().await.unwrap();
    assert_eq!(
        fixture.asked(),
        [
            "initialize - 401",
            "initialize + 200",
            "notifications/initialized + 202",
            "tools/list + 200",
            "tools/call + 200",
            "DELETE + 202",
        ]
    );
    assert_eq!(fixture.authorizer.reasons(), [SignInReason::First]);
    assert!(fixture.refreshes().is_empty());
    let exchanges = fixture.issuer.requests_to(Endpoint::CodeExchange);
    assert_eq!(exchanges.len(), 1);
    let resource = exchanges[0].parameter("resource");
    assert_eq!(resource, Some(fixture.server.resource().as_str()));
}

#[tokio::test]
async fn server_with_plain_json_and_no_session_is_called() {
    let fixture = Fixture::new(|options| {
        options.lifecycle = Lifecycle::WithoutSessions;
        options.json_response = true;
    })
    .await;
    let service = fixture.serve().await;
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    service.cancel().await.unwrap();
    assert!(fixture.asked().iter().all(|it| !it.starts_with("DELETE")));
}

#[tokio::test]
async fn both_lifecycles_are_served() {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let discover = ClientLifecycleMode::Discover {
        preferred_versions: preferred_versions.clone(),
    };
    let auto = ClientLifecycleMode::Auto {
        preferred_versions,
        legacy_version: None,
    };
    for lifecycle in [ClientLifecycleMode::Initialize, discover, auto] {
        let fixture = Fixture::new(|_| {}).await;
        let transport = transport(fixture.client.clone(), &fixture.url);
        let service = ().serve_with_lifecycle(transport, lifecycle).await.unwrap();
        assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
        fixture.revoke();
        assert_eq!(add(&service, 3, 4).await.unwrap(), "7");
        assert_eq!(fixture.refreshes().len(), 1);
        assert_eq!(fixture.authorizer.reasons(), [SignInReason::First]);
        service.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn redirect_on_the_same_origin_is_followed() {
    let fixture = Fixture::new(|options| {
        options.protection.moved_to = Some("/elsewhere".to_owned());
    })
    .await;
    let service = fixture.serve().await;
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn expired_token_is_refreshed_once_before_it_is_sent() {
    let fixture = Fixture::new(|_| {}).await;
    let service = fixture.serve().await;
    fixture.clock.advance(LIFETIME);
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
    let refreshes = fixture.refreshes();
    assert_eq!(refreshes.len(), 1);
    let resource = refreshes[0].parameter("resource");
    assert_eq!(resource, Some(fixture.server.resource().as_str()));
    assert_eq!(fixture.authorizer.reasons(), [SignInReason::First]);
    let calls = fixture.asked();
    let calls = calls.iter().filter(|it| it.starts_with("tools/call"));
    assert!(
        calls.clone().all(|it| it == "tools/call + 200"),
        "{calls:?}"
    );
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn parallel_calls_with_a_revoked_token_share_one_refresh() {
    let fixture = Fixture::new(|_| {}).await;
    let service = fixture.serve().await;
    // The stream is open by then, and meets no refusal in their place.
    assert_eq!(add(&service, 0, 0).await.unwrap(), "0");
    fixture.revoke();
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
    assert_eq!(fixture.refreshes().len(), 1);
    assert_eq!(fixture.authorizer.reasons(), [SignInReason::First]);
    assert!(fixture.asked().contains(&"tools/call + 401".to_owned()));
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn open_stream_delays_no_refresh() {
    let fixture = Fixture::new(|_| {}).await;
    let service = fixture.serve().await;
    let is_open = || {
        let requests = fixture.server.requests();
        let mut streams = requests.iter().filter(|it| it.method == "GET");
        streams.any(|it| it.is_to(Endpoint::Mcp) && it.status() == Some(200))
    };
    while !is_open() {
        tokio::task::yield_now().await;
    }
    fixture.revoke();
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(fixture.refreshes().len(), 1);
    let session = fixture.client.session();
    let done = session.sign_out(SignOut::default()).await.unwrap();
    assert!(done.had_grant);
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn insufficient_scope_during_a_call_steps_up() {
    let fixture = Fixture::new(|_| {}).await;
    let service = fixture.serve().await;
    fixture
        .server
        .change(|protection| protection.call_scope = Some("sums".to_owned()));
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(
        fixture.authorizer.reasons(),
        [SignInReason::First, SignInReason::StepUp]
    );
    assert_eq!(
        fixture.asked()[3..],
        ["tools/call + 403", "tools/call + 200"],
        "{:?}",
        fixture.asked()
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
async fn server_that_refuses_later_ends_the_call_with_an_error() {
    let fixture = Fixture::new(|_| {}).await;
    let service = fixture.serve().await;
    fixture.server.plan(always(401));
    let before = fixture.asked().len();
    let error = add(&service, 1, 2).await.unwrap_err();
    let found = Error::find_in_chain(&error).unwrap();
    assert!(
        matches!(found, Error::Session(_) | Error::TooManyChallenges(_)),
        "{found:?}"
    );
    assert!(fixture.asked().len() - before <= 4, "{:?}", fixture.asked());
    let text = format!("{error} {error:?}");
    assert!(!text.contains("canary"), "{text}");
    // It is not for ever: the service lives on.
    fixture.server.plan(Vec::new());
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn server_that_refuses_at_once_ends_initialize_with_an_error() {
    let fixture = Fixture::new(|options| options.faults = always(401)).await;
    let transport = transport(fixture.client.clone(), &fixture.url);
    let error = ().serve(transport).await.unwrap_err();
    let found = Error::find_in_chain(&error).unwrap();
    assert!(
        matches!(found, Error::Session(_) | Error::TooManyChallenges(_)),
        "{found:?}"
    );
    assert!(fixture.asked().len() <= 4, "{:?}", fixture.asked());
    assert_eq!(fixture.authorizer.reasons().len(), 1);
}

#[tokio::test]
async fn busy_server_leads_to_remedy_retry() {
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
            assert_eq!(answer.retry_after(), Some(Duration::from_secs(7)));
        };
        let fixture = Fixture::new(|options| options.faults.clone_from(&plan)).await;
        let first = transport(fixture.client.clone(), &fixture.url);
        check(&().serve(first).await.unwrap_err());
        fixture.server.plan(Vec::new());
        let service = fixture.serve().await;
        fixture.server.plan(plan);
        check(&add(&service, 1, 2).await.unwrap_err());
        fixture.server.plan(Vec::new());
        assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
        service.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn host_without_authorizer_gets_remedy_sign_in() {
    let fixture = Fixture::with_authorizer(|_| {}, false).await;
    let transport = transport(fixture.client.clone(), &fixture.url);
    let error = ().serve(transport).await.unwrap_err();
    let found = Error::find_in_chain(&error).unwrap();
    assert!(matches!(found, Error::Session(_)), "{found:?}");
    assert_eq!(found.remedy(), Remedy::SignIn);
    assert_eq!(fixture.asked(), ["initialize - 401"]);
}

#[tokio::test]
async fn call_after_sign_out_signs_in() {
    let fixture = Fixture::new(|_| {}).await;
    let service = fixture.serve().await;
    let session = fixture.client.session();
    session.sign_out(SignOut::default()).await.unwrap();
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(fixture.authorizer.reasons().len(), 2);
    assert_eq!(
        fixture.asked()[3..],
        ["tools/call - 401", "tools/call + 200"]
    );
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn ensure_signed_in_before_initialize_sends_one_probe() {
    let fixture = Fixture::new(|_| {}).await;
    fixture.client.ensure_signed_in().await.unwrap();
    let asked = ["server/discover - 401", "server/discover + 200"];
    assert_eq!(fixture.asked(), asked);
    fixture.client.ensure_signed_in().await.unwrap();
    assert_eq!(fixture.asked(), asked, "with a token nothing is sent");
    let lifecycle = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let transport = transport(fixture.client.clone(), &fixture.url);
    let service = ().serve_with_lifecycle(transport, lifecycle).await.unwrap();
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(fixture.authorizer.reasons(), [SignInReason::First]);
    assert!(fixture.asked().iter().skip(2).all(|it| it.contains(" + 2")));
    service.cancel().await.unwrap();
}
