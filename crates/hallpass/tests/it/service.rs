//! A host that signs in as a service, without a user.

use std::{sync::Arc, time::Duration};

use hallpass::{
    ClientId, ClientSecret, Clock, Hallpass, HttpClient, Issuer, ServerSettings, Timestamp,
    http_client::{Client, HttpConfig},
    record::{GrantKind, State},
    service::{ServiceClient, ServiceGrant},
    settings::PreRegisteredClient,
};
use hallpass_testkit::{Endpoint, FakeClock, ScriptedClient, ScriptedResponse};
use serde_json::json;

use crate::fixture::{Fixture, add, connect};

/// Seconds that a token lives.
const LIFETIME: u64 = 300;

fn host(fixture: &Fixture, network: &Arc<ScriptedClient>, clock: &FakeClock) -> Hallpass {
    let issuer: Option<Issuer> = fixture.issuer.issuer().parse().ok();
    let mut settings = ServerSettings::default().with_issuer(issuer);
    settings.client.pre_registered = Some(
        PreRegisteredClient::new(ClientId::new("machine")).with_secret(ClientSecret::new("secret")),
    );
    Hallpass::builder(fixture.server.url().parse().unwrap())
        .settings(settings)
        .http_client(Arc::clone(network) as Arc<dyn HttpClient>)
        .clock(Arc::new(clock.clone()) as Arc<dyn Clock>)
        .service(ServiceClient::new(ServiceGrant::ClientCredentials))
        .build()
        .unwrap()
}

/// Answers the next token requests with a new token. The authorization server has no client
/// credentials grant.
fn issue_token(fixture: &Fixture, network: &ScriptedClient) {
    let body = json!({
        "access_token": fixture.issuer.registry().plant(Some(&fixture.server.url()), ""),
        "token_type": "Bearer",
        "expires_in": LIFETIME,
    });
    network.replace("/token", [ScriptedResponse::json(200, body)]);
}

#[tokio::test]
async fn service_signs_in_on_the_challenge_and_again_when_its_token_ends() {
    let fixture = Fixture::new().await;
    let http = Client::new(HttpConfig::default()).unwrap();
    let network = Arc::new(ScriptedClient::new().with_fallback_client(Arc::new(http)));
    issue_token(&fixture, &network);
    let clock = FakeClock::new(Timestamp::from_unix_seconds(1_800_000_000));
    let hallpass = host(&fixture, &network, &clock);
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 2, 3).await, "5");
    assert_eq!(network.requests_to("/token").len(), 1);
    let record = hallpass.record().await.unwrap().unwrap();
    assert_eq!(record.state, State::SignedIn);
    assert_eq!(record.grant.unwrap().kind, GrantKind::ClientCredentials);
    let refused = || {
        let requests = fixture.requests_to(Endpoint::Mcp);
        let refused = requests
            .iter()
            .filter(|request| request.status() == Some(401));
        refused.count()
    };
    assert_eq!(refused(), 1, "the first request went out without a token");

    // Its end is near: the next one is there before the server has to refuse.
    issue_token(&fixture, &network);
    clock.advance(Duration::from_secs(LIFETIME - 10));
    assert_eq!(add(&client, 3, 4).await, "7");
    assert_eq!((network.requests_to("/token").len(), refused()), (2, 1));

    // Revoked before its end: the server says so.
    fixture.issuer.expire_access_tokens();
    issue_token(&fixture, &network);
    assert_eq!(add(&client, 4, 5).await, "9");
    assert_eq!(network.requests_to("/token").len(), 3);
    client.cancel().await.unwrap();

    for request in network.requests_to("/token") {
        assert_eq!(
            request.header("authorization"),
            Some("Basic bWFjaGluZTpzZWNyZXQ=")
        );
        let value = |name| request.parameter(name);
        assert_eq!(value("grant_type").as_deref(), Some("client_credentials"));
        assert_eq!(value("resource"), Some(fixture.server.url()));
    }
    assert_eq!(fixture.browser.visits(), 0);
    assert!(fixture.requests_to(Endpoint::Registration).is_empty());
}
