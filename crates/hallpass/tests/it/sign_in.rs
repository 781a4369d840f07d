//! From a URL to an authorized call.

use hallpass::Diagnostic as _;
use hallpass::{Remedy, TransportError, record::State};
use hallpass_testkit::Endpoint;
use rmcp::ServiceExt;

use crate::fixture::{Fixture, add, connect};

#[tokio::test]
async fn first_call_signs_in_on_the_challenge() {
    let fixture = Fixture::new().await;
    let hallpass = fixture.host().build().unwrap();

    let client = connect(&hallpass).await;
    assert_eq!(client.list_all_tools().await.unwrap().len(), 4);
    assert_eq!(add(&client, 2, 3).await, "5");
    client.cancel().await.unwrap();

    assert_eq!(
        fixture.browser.visits(),
        1,
        "the transport signed in on the server's challenge"
    );
    let url = fixture.server.url();
    assert_eq!(fixture.resources(Endpoint::Authorization), [[url.clone()]]);
    assert_eq!(fixture.resources(Endpoint::CodeExchange), [[url.clone()]]);
    let record = hallpass.record().await.unwrap().unwrap();
    assert_eq!(record.state, State::SignedIn);
    assert_eq!(record.grant.unwrap().resource.unwrap().as_str(), url);
}

#[tokio::test]
async fn login_before_the_first_call_signs_in_once() {
    let fixture = Fixture::new().await;
    let hallpass = fixture.host().build().unwrap();

    hallpass.login().await.unwrap();
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 2, 3).await, "5");
    client.cancel().await.unwrap();

    assert_eq!(fixture.browser.visits(), 1);
    let refused = fixture.requests_to(Endpoint::Mcp);
    let refused = refused
        .iter()
        .filter(|request| request.status() == Some(401));
    assert_eq!(refused.count(), 1, "only the probe had no token");
}

#[tokio::test]
async fn expired_token_is_refreshed_once_with_the_same_resource() {
    let fixture = Fixture::new().await;
    let hallpass = fixture.host().build().unwrap();
    let client = connect(&hallpass).await;

    for round in 1..=3 {
        fixture.issuer.expire_access_tokens();
        assert_eq!(add(&client, round, 1).await, (round + 1).to_string());
    }
    client.cancel().await.unwrap();

    let url = fixture.server.url();
    assert_eq!(fixture.resources(Endpoint::Refresh), vec![vec![url]; 3]);
    assert_eq!(fixture.browser.visits(), 1);
}

#[tokio::test]
async fn forgotten_client_costs_one_sign_in() {
    let fixture = Fixture::new().await;
    let hallpass = fixture.host().build().unwrap();
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 1, 1).await, "2");

    // It knows neither the client nor what it granted any more.
    fixture.issuer.forget_clients();
    fixture.issuer.expire_access_tokens();
    assert_eq!(add(&client, 2, 3).await, "5");
    client.cancel().await.unwrap();

    assert_eq!(fixture.browser.visits(), 2);
    assert_eq!(fixture.requests_to(Endpoint::Registration).len(), 2);
    assert_eq!(fixture.requests_to(Endpoint::Refresh).len(), 1);
}

#[tokio::test]
async fn host_without_authorizer_gets_remedy_sign_in() {
    let fixture = Fixture::new().await;
    let hallpass = hallpass::Hallpass::builder(fixture.server.url().parse().unwrap())
        .build()
        .unwrap();

    let error = ().serve(hallpass.transport()).await.unwrap_err();
    let error =
        TransportError::find_in_chain(&error).expect("the transport's own error is behind it");
    assert_eq!(error.remedy(), Remedy::SignIn);
    assert_eq!(fixture.requests_to(Endpoint::Authorization).len(), 0);
}
