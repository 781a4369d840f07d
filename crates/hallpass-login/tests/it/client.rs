//! Which client signs in, and what becomes of registrations.

use std::time::Duration;

use hallpass_core::{
    ClientId, ClientSecret, Issuer, PreRegisteredClient, Record, Scopes, SignInReason, State,
    TokenEndpointAuthMethod,
    record::{RegistrationOrigin, SignInCause},
};
use hallpass_login::{BrowserLogin, LoginErrorKind, PlannedClient};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Endpoint, Fault, Person, StaticClient,
};
use url::Url;

use crate::desk::{Desk, quiet_port};

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

/// A desk at which somebody has signed in and out again.
async fn signed_out_desk() -> (Desk, Record) {
    let mut desk = Desk::new().await;
    desk.settings.callback.port = Some(quiet_port().await);
    let mut record = desk.signed_in().await;
    desk.settings.callback.port = None;
    record.grant = None;
    record.state = State::SignInRequired(SignInCause::SignedOut);
    desk.previous = Some(record.clone());
    desk.reason = SignInReason::Requested;
    (desk, record)
}

fn registrations(desk: &Desk) -> usize {
    desk.issuer.requests_to(Endpoint::Registration).len()
}

#[tokio::test]
async fn a_registration_is_kept_before_the_browser_opens() {
    let mut desk = Desk::with(|options| options.behaviour.interactive = true).await;
    desk.seat(Person::new().denying());
    desk.settings.callback.port = Some(quiet_port().await);
    let error = desk.login().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Denied);
    desk.settings.callback.port = None;
    let kept = desk.kept.records();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].state, State::Registered);
    assert!(kept[0].grant.is_none());
    // The next login goes on with it, port included.
    desk.previous = Some(kept[0].clone());
    desk.seat(Person::new());
    let record = desk.signed_in().await;
    assert_eq!(client_id(&record), client_id(&kept[0]));
    assert_eq!(redirect_uri(&record), redirect_uri(&kept[0]));
    assert_eq!(registrations(&desk), 1);
}

#[tokio::test]
async fn a_registration_is_used_again_with_its_port() {
    let (desk, before) = signed_out_desk().await;
    let record = desk.signed_in().await;
    assert_eq!(record.registration, before.registration);
    assert_eq!(record.state, State::SignedIn);
    assert_eq!(registrations(&desk), 1);
    assert_eq!(desk.kept.records().len(), 1, "nothing new was kept");
}

#[tokio::test]
async fn a_taken_port_is_registered_anew_and_not_changed_silently() {
    let (desk, before) = signed_out_desk().await;
    let port = redirect_uri(&before)
        .parse::<Url>()
        .unwrap()
        .port()
        .unwrap();
    let _holder = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    let record = desk.signed_in().await;
    assert_ne!(client_id(&record), client_id(&before));
    assert_ne!(redirect_uri(&record), redirect_uri(&before));
    assert_eq!(registrations(&desk), 2);
    let events = desk.browser.events().join("\n");
    assert!(events.contains("anew: Some(PortTaken)"), "{events}");
}

#[tokio::test]
async fn a_taken_fixed_port_is_an_error_that_names_it() {
    let holder = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = holder.local_addr().unwrap().port();
    let mut desk = Desk::new().await;
    desk.settings.callback.port = Some(port);
    let error = desk.login().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::CallbackPort);
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert_eq!(
        registrations(&desk),
        0,
        "bound before anything is registered"
    );
}

#[tokio::test]
async fn a_forgotten_registration_is_made_anew_before_the_browser_opens() {
    let (desk, before) = signed_out_desk().await;
    desk.clock.advance(A_DAY);
    desk.issuer.forget_clients();
    let record = desk.signed_in().await;
    assert_ne!(client_id(&record), client_id(&before));
    assert_eq!(registrations(&desk), 2);
    assert_eq!(
        desk.browser.urls().len(),
        2,
        "one window in each of the two logins"
    );
}

#[tokio::test]
async fn a_client_that_signed_in_lately_is_not_asked_for_in_advance() {
    for (passed, asked) in [(A_DAY.saturating_sub(SECOND), 1), (A_DAY, 2)] {
        let (desk, before) = signed_out_desk().await;
        desk.clock.advance(passed);
        let earlier = desk.issuer.requests_to(Endpoint::Authorization).len();
        let record = desk.signed_in().await;
        assert_eq!(client_id(&record), client_id(&before));
        let requests = desk.issuer.requests_to(Endpoint::Authorization).len();
        assert_eq!(requests - earlier, asked, "after {passed:?}");
    }
}

#[tokio::test]
async fn a_client_with_which_nobody_came_back_is_asked_for_in_advance_the_next_time() {
    let (mut desk, before) = signed_out_desk().await;
    desk.issuer.forget_clients();
    let clock = desk.clock.clone();
    let passing = async {
        clock.until_asleep(1).await;
        clock.advance(BrowserLogin::TIMEOUT);
    };
    let (outcome, ()) = tokio::join!(desk.login(), passing);
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Timeout);

    desk.previous = desk.kept.records().pop();
    let record = desk.signed_in().await;
    assert_ne!(client_id(&record), client_id(&before));
    assert_eq!(registrations(&desk), 2);
}

#[tokio::test]
async fn a_registration_that_the_token_endpoint_refuses_is_made_anew_once() {
    let refusal = || Fault::Answer {
        status: 401,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: r#"{"error":"invalid_client"}"#.to_owned(),
    };
    let (desk, before) = signed_out_desk().await;
    desk.issuer.once(Endpoint::CodeExchange, refusal());
    let record = desk.signed_in().await;
    assert_ne!(client_id(&record), client_id(&before));
    assert_eq!(registrations(&desk), 2);

    // A fresh one that is refused as well is tried with a secret, and that is the end of it.
    let (desk, _) = signed_out_desk().await;
    for _ in 0..3 {
        desk.issuer.once(Endpoint::CodeExchange, refusal());
    }
    let error = desk.login().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Exchange);
    assert!(error.hint().is_some());
    let asked: Vec<_> = desk
        .issuer
        .requests_to(Endpoint::Registration)
        .iter()
        .map(|request| request.json().unwrap()["token_endpoint_auth_method"].clone())
        .collect();
    assert_eq!(asked, ["none", "none", "client_secret_basic"]);
}

#[tokio::test]
async fn a_public_client_that_is_refused_at_the_first_sign_in_is_tried_with_a_secret() {
    let desk = Desk::with(|_| {}).await;
    desk.issuer.once(
        Endpoint::CodeExchange,
        Fault::Answer {
            status: 401,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: r#"{"error":"invalid_client"}"#.to_owned(),
        },
    );
    let record = desk.signed_in().await;
    assert!(record.registration.unwrap().client_secret.is_some());
    let asked: Vec<_> = desk
        .issuer
        .requests_to(Endpoint::Registration)
        .iter()
        .map(|request| request.json().unwrap()["token_endpoint_auth_method"].clone())
        .collect();
    assert_eq!(asked, ["none", "client_secret_basic"]);
}

#[tokio::test]
async fn a_login_that_fails_leaves_a_usable_grant_alone() {
    let mut desk = Desk::with(|options| options.behaviour.interactive = true).await;
    let before = desk.signed_in().await;
    let kept = desk.kept.records().len();
    desk.previous = Some(before.clone());
    desk.reason = SignInReason::Requested;
    desk.seat(Person::new().denying());
    // Not even a registration that has to be made anew replaces the record.
    desk.settings.callback.path = "/another".to_owned();
    desk.login().await.unwrap_err();
    assert_eq!(registrations(&desk), 2);
    assert_eq!(desk.kept.records().len(), kept);
}

#[tokio::test]
async fn a_step_up_asks_with_the_same_client_and_not_in_advance() {
    let mut desk = Desk::new().await;
    desk.settings.callback.port = Some(quiet_port().await);
    desk.settings.scopes = Some(Scopes::from_server("a b"));
    let before = desk.signed_in().await;
    desk.settings.scopes = None;
    desk.scopes = Scopes::from_server("a b");
    desk.reason = SignInReason::StepUp;
    desk.previous = Some(before.clone());
    let record = desk.signed_in().await;
    assert_eq!(client_id(&record), client_id(&before));
    assert_eq!(desk.issuer.requests_to(Endpoint::Authorization).len(), 2);

    // More than the client is registered for needs another one (RFC 7591 §2), and the grant before
    // stays until it is there.
    desk.scopes = Scopes::from_server("a b c");
    desk.previous = Some(record.clone());
    let kept = desk.kept.records().len();
    let wider = desk.signed_in().await;
    assert_ne!(client_id(&wider), client_id(&record));
    assert_eq!(wider.grant.unwrap().scopes().to_string(), "a b c");
    assert_eq!(desk.kept.records().len(), kept);
}

#[tokio::test]
async fn what_a_record_holds_beyond_a_login_survives_it() {
    let (mut desk, before) = signed_out_desk().await;
    let generation = hallpass_core::Generation::new(7);
    desk.previous.as_mut().unwrap().generation = generation;
    let record = desk.signed_in().await;
    assert_eq!(record.generation, generation);
    assert_eq!(record.issuer, before.issuer);
}

#[tokio::test]
async fn another_authorization_server_gets_nothing_of_the_one_before() {
    let (mut desk, before) = signed_out_desk().await;
    let other = AuthorizationServer::start(AuthorizationServerOptions::default())
        .await
        .unwrap();
    desk.server.change(|protection| {
        protection.authorization_servers = vec![other.issuer().to_owned()];
    });
    desk.reason = SignInReason::Migration;
    let record = desk.signed_in().await;
    assert_eq!(record.issuer.as_str(), other.issuer());
    assert_ne!(client_id(&record), client_id(&before));
    for request in other.requests() {
        let text = format!("{:?} {:?}", request.query, request.body);
        assert!(!text.contains(client_id(&before)), "{text}");
    }
}

/// A client that is its document's URL travels; what the old server gave it does not.
#[tokio::test]
async fn a_metadata_document_goes_along_to_another_authorization_server() {
    let mut desk = documented_desk().await;
    let before = desk.signed_in().await;
    let grant = before.grant.clone().unwrap();
    let other = AuthorizationServer::start(documented()).await.unwrap();
    desk.server.change(|protection| {
        protection.authorization_servers = vec![other.issuer().to_owned()];
    });
    desk.previous = Some(before);
    desk.reason = SignInReason::Migration;
    let record = desk.signed_in().await;
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

async fn documented_desk() -> Desk {
    let mut desk = Desk::with(|options| *options = documented()).await;
    desk.settings.client.metadata_document = Some(Url::parse(DOCUMENT).unwrap());
    desk
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
async fn a_configured_client_signs_in_with_its_method_on_any_port() {
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let method = TokenEndpointAuthMethod::from(method.to_owned());
        let mut desk = Desk::with(|options| {
            options.clients = vec![known_by_hand(method.clone())];
            options.behaviour.any_loopback_port = true;
            options.behaviour.auth_methods = vec![method.clone()];
            options.behaviour.registration = false;
        })
        .await;
        desk.settings.client.pre_registered = Some(by_hand(&method));
        let record = desk.signed_in().await;
        let registration = record.registration.as_ref().unwrap();
        assert_eq!(registration.origin, RegistrationOrigin::PreRegistered);
        assert_eq!(registration.auth_method, method);
        assert_eq!(registration.client_secret.is_some(), method.needs_secret());
        assert!(desk.kept.records().is_empty());
    }
}

#[tokio::test]
async fn a_configured_client_is_not_shown_to_another_issuer() {
    let mut desk = Desk::new().await;
    let mut client = by_hand(&TokenEndpointAuthMethod::ClientSecretBasic);
    client.issuer = Some(Issuer::parse("https://as.example").unwrap());
    desk.settings.client.pre_registered = Some(client);
    let error = desk.login().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::OtherIssuer);
    let asked = desk.issuer.requests();
    assert!(
        asked
            .iter()
            .all(|request| request.is_to(Endpoint::ServerMetadata)
                || request.is_to(Endpoint::ResourceMetadata)
                || request.is_to(Endpoint::Mcp))
    );
    assert!(desk.browser.urls().is_empty());
}

#[tokio::test]
async fn a_metadata_document_is_the_client_where_it_is_supported() {
    let desk = documented_desk().await;
    let record = desk.signed_in().await;
    assert_eq!(client_id(&record), DOCUMENT);
    assert_eq!(registrations(&desk), 0);
}

#[tokio::test]
async fn a_client_that_is_registered_with_a_secret_uses_it() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let method = TokenEndpointAuthMethod::from(method.to_owned());
        let desk = Desk::with(|options| {
            options.behaviour.auth_method_given = Some(method.clone());
        })
        .await;
        let record = desk.signed_in().await;
        assert_eq!(record.registration.unwrap().auth_method, method);
    }
}

#[tokio::test]
async fn the_outlook_is_what_the_login_does() {
    let desk = Desk::new().await;
    let (client, known) = desk.outlook().await;
    assert_eq!(client.unwrap(), PlannedClient::Register(None));
    assert_eq!(known, None);
    assert_eq!(registrations(&desk), 0);

    let (desk, record) = signed_out_desk().await;
    let registration = record.registration.unwrap();
    let (client, known) = desk.outlook().await;
    assert_eq!(client.unwrap(), PlannedClient::Again(registration.clone()));
    assert_eq!(known, Some(true));
    desk.issuer.forget_clients();
    assert_eq!(desk.outlook().await.1, Some(false));

    desk.issuer
        .change(|behaviour| behaviour.registration = false);
    let mut desk = desk;
    desk.previous = None;
    let error = desk.outlook().await.0.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::NoClient);
    assert_eq!(registrations(&desk), 1);
}
