//! The client of a login, and dynamic registrations.

use std::time::Duration;

use hallpass_core::{
    ClientId, ClientSecret, Issuer, PreRegisteredClient, Record, Scopes, SignInReason, State,
    TokenEndpointAuthMethod,
    record::{RegistrationOrigin, SignInCause},
};
use hallpass_login::{BrowserLogin, LoginErrorKind, PlannedClient};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Callback, Endpoint, Fault, Person,
    StaticClient,
};
use url::Url;

use crate::fixture::{Browser, Fixture, quiet_port};

const SECOND: Duration = Duration::from_secs(1);
const A_DAY: Duration = Duration::from_secs(24 * 3600);

fn client_id(record: &Record) -> &str {
    record.registration.as_ref().unwrap().client_id.as_str()
}

fn redirect_uri(record: &Record) -> &str {
    record
        .registration
        .as_ref()
        .unwrap()
        .redirect_uri
        .as_deref()
        .unwrap()
}

/// A fixture after a sign-in and a sign-out.
async fn signed_out_fixture() -> (Fixture, Record) {
    let mut fixture = Fixture::new().await;
    fixture.settings.callback.port = Some(quiet_port().await);
    let mut record = fixture.signed_in().await;
    fixture.settings.callback.port = None;
    record.grant = None;
    record.state = State::SignInRequired(SignInCause::SignedOut);
    fixture.previous = Some(record.clone());
    fixture.reason = SignInReason::Requested;
    (fixture, record)
}

fn registrations(fixture: &Fixture) -> usize {
    fixture.issuer.requests_to(Endpoint::Registration).len()
}

#[tokio::test]
async fn registration_is_saved_before_the_browser_opens() {
    let mut fixture = Fixture::with(|options| options.behaviour.interactive = true).await;
    fixture.set_person(Person::new().denying());
    fixture.settings.callback.port = Some(quiet_port().await);
    let error = fixture.login().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Denied);
    fixture.settings.callback.port = None;
    let kept = fixture.saved.records();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].state, State::Registered);
    assert!(kept[0].grant.is_none());
    // The next login goes on with it, port included.
    fixture.previous = Some(kept[0].clone());
    fixture.set_person(Person::new());
    let record = fixture.signed_in().await;
    assert_eq!(client_id(&record), client_id(&kept[0]));
    assert_eq!(redirect_uri(&record), redirect_uri(&kept[0]));
    assert_eq!(registrations(&fixture), 1);
}

#[tokio::test]
async fn registration_is_reused_with_its_port() {
    let (fixture, before) = signed_out_fixture().await;
    let record = fixture.signed_in().await;
    assert_eq!(client_id(&record), client_id(&before));
    assert_eq!(redirect_uri(&record), redirect_uri(&before));
    assert_eq!(record.state, State::SignedIn);
    assert_eq!(registrations(&fixture), 1);
    // Until the callback came the client was not proven.
    let saved = fixture.saved.records();
    let proofs = saved
        .iter()
        .map(|record| record.registration.as_ref().unwrap().proven_at);
    assert_eq!(proofs.collect::<Vec<_>>(), [None, None]);
    assert!(record.registration.as_ref().unwrap().proven_at.is_some());
}

#[tokio::test]
async fn registration_with_taken_port_is_replaced() {
    let (fixture, before) = signed_out_fixture().await;
    let port = redirect_uri(&before)
        .parse::<Url>()
        .unwrap()
        .port()
        .unwrap();
    let _holder = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    let record = fixture.signed_in().await;
    assert_ne!(client_id(&record), client_id(&before));
    assert_ne!(redirect_uri(&record), redirect_uri(&before));
    assert_eq!(registrations(&fixture), 2);
    let events = fixture.browser.events().join("\n");
    assert!(events.contains("reason: Some(PortTaken)"), "{events}");
}

#[tokio::test]
async fn taken_fixed_port_is_an_error_with_its_number() {
    let holder = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = holder.local_addr().unwrap().port();
    let mut fixture = Fixture::new().await;
    fixture.settings.callback.port = Some(port);
    let error = fixture.login().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::CallbackPort);
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert_eq!(
        registrations(&fixture),
        0,
        "bound before anything is registered"
    );
}

#[tokio::test]
async fn forgotten_registration_is_replaced_before_the_browser_opens() {
    let (fixture, before) = signed_out_fixture().await;
    fixture.clock.advance(A_DAY);
    fixture.issuer.forget_clients();
    let record = fixture.signed_in().await;
    assert_ne!(client_id(&record), client_id(&before));
    assert_eq!(registrations(&fixture), 2);
    assert_eq!(
        fixture.browser.urls().len(),
        2,
        "one window in each of the two logins"
    );
}

#[tokio::test]
async fn recently_proven_client_is_not_checked() {
    for (passed, asked) in [(A_DAY.saturating_sub(SECOND), 1), (A_DAY, 2)] {
        let (fixture, before) = signed_out_fixture().await;
        fixture.clock.advance(passed);
        let earlier = fixture.issuer.requests_to(Endpoint::Authorization).len();
        let record = fixture.signed_in().await;
        assert_eq!(client_id(&record), client_id(&before));
        let requests = fixture.issuer.requests_to(Endpoint::Authorization).len();
        assert_eq!(requests - earlier, asked, "after {passed:?}");
    }
}

/// How a login ends whose browser does not come back.
#[derive(Clone, Copy)]
enum End {
    TimeLimit,
    /// The user gives up, as with Ctrl-C.
    Dropped,
}

/// A login that ends without a callback.
async fn no_callback(fixture: &Fixture, end: End) {
    let clock = fixture.clock.clone();
    let passing = async {
        clock.until_asleep(1).await;
        if let End::TimeLimit = end {
            clock.advance(BrowserLogin::TIMEOUT);
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        outcome = fixture.login() => {
            assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Timeout);
        }
        () = passing => {}
    }
}

#[tokio::test]
async fn client_of_a_login_without_callback_is_checked_at_the_next_one() {
    for end in [End::TimeLimit, End::Dropped] {
        for (reason, has_grant) in [
            (SignInReason::Requested, false),
            (SignInReason::Requested, true),
            (SignInReason::StepUp, true),
        ] {
            let mut fixture = Fixture::new().await;
            fixture.settings.callback.port = Some(quiet_port().await);
            let mut before = fixture.signed_in().await;
            fixture.settings.callback.port = None;
            if !has_grant {
                before.grant = None;
                before.state = State::SignInRequired(SignInCause::SignedOut);
            }
            fixture.previous = Some(before.clone());
            fixture.reason = reason;
            fixture.issuer.forget_clients();
            no_callback(&fixture, end).await;
            let saved = fixture.saved.records().pop().unwrap();
            assert_eq!(client_id(&saved), client_id(&before));
            assert_eq!(saved.grant, before.grant, "the grant is kept");

            fixture.previous = Some(saved);
            let record = fixture.signed_in().await;
            assert_ne!(client_id(&record), client_id(&before));
            assert_eq!(registrations(&fixture), 2);
        }
    }
}

#[tokio::test]
async fn client_of_a_refused_login_stays_proven() {
    let (fixture, before) = signed_out_fixture().await;
    fixture
        .issuer
        .change(|it| it.callback = Callback::Error("access_denied".to_owned()));
    fixture.login().await.unwrap_err();
    let saved = fixture.saved.records().pop().unwrap();
    assert_eq!(saved.registration, before.registration);
}

#[tokio::test]
async fn client_that_the_check_finds_is_used_after_a_login_without_callback() {
    let (mut fixture, before) = signed_out_fixture().await;
    let asleep = fixture.login_through(Browser::declining());
    let clock = fixture.clock.clone();
    tokio::select! {
        _ = asleep => panic!("a login without a browser"),
        () = clock.until_asleep(1) => {}
    }
    fixture.previous = fixture.saved.records().pop();
    let record = fixture.signed_in().await;
    assert_eq!(client_id(&record), client_id(&before));
    assert_eq!(registrations(&fixture), 1);
}

#[tokio::test]
async fn registration_refused_by_the_token_endpoint_is_replaced_once() {
    let refusal = || Fault::Answer {
        status: 401,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: r#"{"error":"invalid_client"}"#.to_owned(),
    };
    let (fixture, before) = signed_out_fixture().await;
    fixture.issuer.once(Endpoint::CodeExchange, refusal());
    let record = fixture.signed_in().await;
    assert_ne!(client_id(&record), client_id(&before));
    assert_eq!(registrations(&fixture), 2);

    // A fresh one that is refused as well is tried with a secret, and that is the end of it.
    let (fixture, _) = signed_out_fixture().await;
    for _ in 0..3 {
        fixture.issuer.once(Endpoint::CodeExchange, refusal());
    }
    let error = fixture.login().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Exchange);
    assert!(!error.hints().is_empty());
    let asked: Vec<_> = fixture
        .issuer
        .requests_to(Endpoint::Registration)
        .iter()
        .map(|request| request.json().unwrap()["token_endpoint_auth_method"].clone())
        .collect();
    assert_eq!(asked, ["none", "none", "client_secret_basic"]);
}

#[tokio::test]
async fn refused_public_client_is_registered_with_a_secret() {
    let fixture = Fixture::with(|_| {}).await;
    fixture.issuer.once(
        Endpoint::CodeExchange,
        Fault::Answer {
            status: 401,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: r#"{"error":"invalid_client"}"#.to_owned(),
        },
    );
    let record = fixture.signed_in().await;
    assert!(record.registration.unwrap().client_secret.is_some());
    let asked: Vec<_> = fixture
        .issuer
        .requests_to(Endpoint::Registration)
        .iter()
        .map(|request| request.json().unwrap()["token_endpoint_auth_method"].clone())
        .collect();
    assert_eq!(asked, ["none", "client_secret_basic"]);
}

#[tokio::test]
async fn failed_login_keeps_a_usable_grant() {
    let mut fixture = Fixture::with(|options| options.behaviour.interactive = true).await;
    let before = fixture.signed_in().await;
    let kept = fixture.saved.records().len();
    fixture.previous = Some(before.clone());
    fixture.reason = SignInReason::Requested;
    fixture.set_person(Person::new().denying());
    // A new registration does not replace the record either.
    fixture.settings.callback.path = Some("/another".to_owned());
    fixture.login().await.unwrap_err();
    assert_eq!(registrations(&fixture), 2);
    assert_eq!(fixture.saved.records().len(), kept);
}

#[tokio::test]
async fn step_up_reuses_the_client_without_check() {
    let mut fixture = Fixture::new().await;
    fixture.settings.callback.port = Some(quiet_port().await);
    fixture.settings.scopes = Some(Scopes::from_server("a b"));
    let before = fixture.signed_in().await;
    fixture.settings.scopes = None;
    fixture.scopes = Scopes::from_server("a b");
    fixture.reason = SignInReason::StepUp;
    fixture.previous = Some(before.clone());
    let record = fixture.signed_in().await;
    assert_eq!(client_id(&record), client_id(&before));
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 2);

    // More than the client is registered for needs another one (RFC 7591 §2), and the grant before
    // stays until it is there.
    fixture.scopes = Scopes::from_server("a b c");
    fixture.previous = Some(record.clone());
    let kept = fixture.saved.records().len();
    let wider = fixture.signed_in().await;
    assert_ne!(client_id(&wider), client_id(&record));
    assert_eq!(wider.grant.unwrap().scopes().to_string(), "a b c");
    assert_eq!(fixture.saved.records().len(), kept);
}

#[tokio::test]
async fn other_members_of_the_record_survive_a_login() {
    let (mut fixture, before) = signed_out_fixture().await;
    let generation = hallpass_core::Generation::new(7);
    fixture.previous.as_mut().unwrap().generation = generation;
    let record = fixture.signed_in().await;
    assert_eq!(record.generation, generation);
    assert_eq!(record.issuer, before.issuer);
}

#[tokio::test]
async fn another_authorization_server_gets_nothing_of_the_previous_one() {
    let (mut fixture, before) = signed_out_fixture().await;
    let other = AuthorizationServer::start(AuthorizationServerOptions::default())
        .await
        .unwrap();
    fixture.server.change(|protection| {
        protection.authorization_servers = vec![other.issuer().to_owned()];
    });
    fixture.reason = SignInReason::Migration;
    let record = fixture.signed_in().await;
    assert_eq!(record.issuer.as_str(), other.issuer());
    assert_ne!(client_id(&record), client_id(&before));
    for request in other.requests() {
        let text = format!("{:?} {:?}", request.query, request.body);
        assert!(!text.contains(client_id(&before)), "{text}");
    }
}

/// A client that is its document's URL travels; what the old server gave it does not.
#[tokio::test]
async fn metadata_document_is_used_at_another_authorization_server() {
    let mut fixture = documented_fixture().await;
    let before = fixture.signed_in().await;
    let grant = before.grant.clone().unwrap();
    let other = AuthorizationServer::start(documented()).await.unwrap();
    fixture.server.change(|protection| {
        protection.authorization_servers = vec![other.issuer().to_owned()];
    });
    fixture.previous = Some(before);
    fixture.reason = SignInReason::Migration;
    let record = fixture.signed_in().await;
    assert_eq!(record.issuer.as_str(), other.issuer());
    assert_eq!(client_id(&record), DOCUMENT);
    assert!(other.requests_to(Endpoint::Registration).is_empty());
    for request in other.requests() {
        let text = format!("{:?} {:?}", request.query, request.body);
        for secret in [
            grant.access_token.expose(),
            grant.refresh_token.as_ref().unwrap().expose(),
        ] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

const DOCUMENT: &str = "https://host.example/client.json";

/// A server that takes a document for a client.
fn documented() -> AuthorizationServerOptions {
    let mut options = AuthorizationServerOptions {
        clients: vec![StaticClient {
            id: DOCUMENT.to_owned(),
            ..known_by_hand(TokenEndpointAuthMethod::None)
        }],
        ..AuthorizationServerOptions::default()
    };
    options.behaviour.any_loopback_port = true;
    options.behaviour.metadata_overrides.insert(
        "client_id_metadata_document_supported".to_owned(),
        true.into(),
    );
    options
}

async fn documented_fixture() -> Fixture {
    let mut fixture = Fixture::with(|options| *options = documented()).await;
    fixture.settings.client.metadata_document = Some(Url::parse(DOCUMENT).unwrap());
    fixture
}

fn by_hand(method: &TokenEndpointAuthMethod) -> PreRegisteredClient {
    PreRegisteredClient::new(ClientId::new("by-hand")).with_secret(
        method
            .needs_secret()
            .then(|| ClientSecret::new("canary-secret: /+")),
    )
}

fn known_by_hand(method: TokenEndpointAuthMethod) -> StaticClient {
    StaticClient {
        id: "by-hand".to_owned(),
        secret: method
            .needs_secret()
            .then(|| "canary-secret: /+".to_owned()),
        auth_method: method,
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
    }
}

#[tokio::test]
async fn configured_client_signs_in_with_its_method_on_any_port() {
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let method = TokenEndpointAuthMethod::from(method.to_owned());
        let mut fixture = Fixture::with(|options| {
            options.clients = vec![known_by_hand(method.clone())];
            options.behaviour.any_loopback_port = true;
            options.behaviour.auth_methods = vec![method.clone()];
            options.behaviour.registration = false;
        })
        .await;
        fixture.settings.client.pre_registered = Some(by_hand(&method));
        let record = fixture.signed_in().await;
        let registration = record.registration.as_ref().unwrap();
        assert_eq!(registration.origin, RegistrationOrigin::PreRegistered);
        assert_eq!(registration.auth_method, method);
        assert_eq!(registration.client_secret.is_some(), method.needs_secret());
        assert!(fixture.saved.records().is_empty());
    }
}

#[tokio::test]
async fn configured_client_is_not_sent_to_another_issuer() {
    let mut fixture = Fixture::new().await;
    let mut client = by_hand(&TokenEndpointAuthMethod::ClientSecretBasic);
    client.issuer = Some(Issuer::parse("https://as.example").unwrap());
    fixture.settings.client.pre_registered = Some(client);
    let error = fixture.login().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::OtherIssuer);
    let asked = fixture.issuer.requests();
    assert!(
        asked
            .iter()
            .all(|request| request.is_to(Endpoint::ServerMetadata)
                || request.is_to(Endpoint::ResourceMetadata)
                || request.is_to(Endpoint::Mcp))
    );
    assert!(fixture.browser.urls().is_empty());
}

#[tokio::test]
async fn metadata_document_is_the_client_where_supported() {
    let fixture = documented_fixture().await;
    let record = fixture.signed_in().await;
    assert_eq!(client_id(&record), DOCUMENT);
    assert_eq!(registrations(&fixture), 0);
}

#[tokio::test]
async fn client_registered_with_a_secret_uses_it() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let method = TokenEndpointAuthMethod::from(method.to_owned());
        let fixture = Fixture::with(|options| {
            options.behaviour.auth_method_given = Some(method.clone());
        })
        .await;
        let record = fixture.signed_in().await;
        assert_eq!(record.registration.unwrap().auth_method, method);
    }
}

#[tokio::test]
async fn planned_client_is_the_one_of_the_login() {
    let fixture = Fixture::new().await;
    let (client, known) = fixture.plan().await;
    assert_eq!(client.unwrap(), PlannedClient::Register(None));
    assert_eq!(known, None);
    assert_eq!(registrations(&fixture), 0);

    let (fixture, record) = signed_out_fixture().await;
    let registration = record.registration.unwrap();
    let (client, known) = fixture.plan().await;
    assert_eq!(client.unwrap(), PlannedClient::Reused(registration.clone()));
    assert_eq!(known, Some(true));
    fixture.issuer.forget_clients();
    assert_eq!(fixture.plan().await.1, Some(false));

    fixture
        .issuer
        .change(|behaviour| behaviour.registration = false);
    let mut fixture = fixture;
    fixture.previous = None;
    let error = fixture.plan().await.0.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::NoClient);
    assert_eq!(registrations(&fixture), 1);
}
