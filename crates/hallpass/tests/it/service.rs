//! A host that signs in as a service, without a user.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hallpass::{
    BoxFuture, ClientId, ClientSecret, Clock, Hallpass, HttpClient, ServerSettings, Timestamp,
    http::{Body, HttpError, RequestOptions},
    http_client::{Client, HttpConfig},
    record::{GrantKind, State},
    service::{ServiceClient, ServiceGrant},
    settings::PreRegisteredClient,
};
use hallpass_testkit::{Endpoint, FakeClock, TokenRegistry};
use http::{Request, Response};
use url::form_urlencoded;

use crate::fixture::{Fixture, add, connect};

/// Seconds that a token lives.
const LIFETIME: u64 = 300;

/// The network, with a token endpoint that knows one machine.
#[derive(Debug)]
struct Network {
    below: Client,
    book: TokenRegistry,
    asked: Mutex<Vec<Vec<(String, String)>>>,
}

impl HttpClient for Network {
    fn open(
        &self,
        request: Request<Bytes>,
        policy: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let form: Vec<(String, String)> = form_urlencoded::parse(request.body())
            .into_owned()
            .collect();
        if !form.iter().any(|(name, _)| name == "grant_type") {
            return self.below.open(request, policy);
        }
        assert!(
            request.headers()["authorization"]
                .to_str()
                .unwrap()
                .starts_with("Basic ")
        );
        let resource = form.iter().find(|(name, _)| name == "resource").unwrap();
        let body = serde_json::json!({
            "access_token": self.book.plant(Some(&resource.1), ""),
            "token_type": "Bearer",
            "expires_in": LIFETIME,
        });
        self.asked.lock().unwrap().push(form);
        Box::pin(async move { Ok(Response::new(Body::whole(body.to_string()))) })
    }
}

fn host(fixture: &Fixture, network: &Arc<Network>, clock: &FakeClock) -> Hallpass {
    let mut settings = ServerSettings::default();
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

fn network(fixture: &Fixture) -> Arc<Network> {
    Arc::new(Network {
        below: Client::new(HttpConfig::default()).unwrap(),
        book: fixture.issuer.registry().clone(),
        asked: Mutex::default(),
    })
}

#[tokio::test]
async fn a_machine_signs_in_on_the_challenge_and_again_when_its_token_ends() {
    let fixture = Fixture::new().await;
    let network = network(&fixture);
    let clock = FakeClock::new(Timestamp::from_unix_seconds(1_800_000_000));
    let hallpass = host(&fixture, &network, &clock);
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 2, 3).await, "5");
    let asked = |network: &Network| network.asked.lock().unwrap().len();
    assert_eq!(asked(&network), 1);
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
    clock.advance(Duration::from_secs(LIFETIME - 10));
    assert_eq!(add(&client, 3, 4).await, "7");
    assert_eq!((asked(&network), refused()), (2, 1));

    // Revoked before its end: the server says so.
    fixture.issuer.expire_access_tokens();
    assert_eq!(add(&client, 4, 5).await, "9");
    assert_eq!(asked(&network), 3);
    client.cancel().await.unwrap();

    let url = fixture.server.url();
    for form in &*network.asked.lock().unwrap() {
        let grant = ("grant_type".to_owned(), "client_credentials".to_owned());
        assert!(form.contains(&grant));
        assert!(form.contains(&("resource".to_owned(), url.clone())));
    }
    assert_eq!(fixture.browser.visits(), 0);
    assert!(fixture.requests_to(Endpoint::Registration).is_empty());
}
