//! What a registration asks for, and what it leaves out where the server refuses it (RFC 7591 §3.2.2).

use std::sync::Arc;

use hallpass_core::{
    AuthScheme::Bearer as BEARER, ExplicitEndpoints, Hint, Record, Scopes, State,
    record::SignInCause,
};
use hallpass_login::LoginError;
use hallpass_testkit::ScriptedResponse;
use serde_json::{Value, json};
use url::Url;

use crate::guesses::guessed;
use crate::scripted_server::{ScriptedServer, answer, error, tokens};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The words of glewlwyd 2.7.5.
const GRANT_TYPES: &str = "grant_types must have one of the following values: \
                           'authorization_code', 'refresh_token', 'device_authorization'";

fn refusal(words: &str) -> ScriptedResponse {
    let error = json!({ "error": "invalid_client_metadata", "error_description": words });
    answer(400, &error)
}

fn client() -> ScriptedResponse {
    answer(201, &json!({ "client_id": "the-client" }))
}

/// A server with the device grant.
fn server(more: &Value) -> ScriptedServer {
    let mut metadata = json!({ "device_authorization_endpoint": "https://as.example/device" });
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    ScriptedServer::new(&metadata)
}

/// The registrations that were sent.
fn registrations(server: &ScriptedServer) -> Vec<Value> {
    let sent = server.sent("/register").into_iter();
    sent.map(|sent| serde_json::from_slice(sent.request.body()).unwrap())
        .collect()
}

fn members<'a>(registrations: &'a [Value], name: &str) -> Vec<&'a Value> {
    registrations.iter().map(|body| &body[name]).collect()
}

async fn signs_in(server: ScriptedServer) -> (Arc<ScriptedServer>, Record) {
    let server = Arc::new(server);
    let record = server.login(BEARER, None).await.unwrap();
    assert!(record.is_signed_in());
    (server, record)
}

async fn fails(server: ScriptedServer) -> (Arc<ScriptedServer>, LoginError) {
    let server = Arc::new(server);
    let error = server.login(BEARER, None).await.unwrap_err();
    (server, error)
}

/// The path of the redirect URI that a login registers at the issuer of `metadata`.
async fn registered_path(metadata: &Value, path: Option<&str>) -> String {
    let mut server = ScriptedServer::new(metadata);
    server.settings.callback.path = path.map(str::to_owned);
    server.settings.trusted_issuers = vec!["https://other.example".parse().unwrap()];
    let (server, record) = signs_in(server).await;
    let sent = registrations(&server);
    let redirect_uri = sent[0]["redirect_uris"][0].as_str().unwrap();
    assert_eq!(
        record.registration.unwrap().redirect_uri.unwrap(),
        redirect_uri
    );
    Url::parse(redirect_uri).unwrap().path().to_owned()
}

#[tokio::test]
async fn each_issuer_has_its_own_redirect_uri() {
    let usual = json!({});
    let other = json!({ "issuer": "https://other.example" });
    let own = "/callback/93e20fbd9d9436f7";
    assert_eq!(registered_path(&usual, None).await, own);
    assert_eq!(registered_path(&usual, None).await, own);
    assert_ne!(registered_path(&other, None).await, own);
    // What the user set is registered as it is.
    for path in ["/callback", "/oauth/back"] {
        assert_eq!(registered_path(&usual, Some(path)).await, path);
    }
}

#[tokio::test]
async fn refused_redirect_uri_names_the_path_that_servers_know() {
    let server = server(&json!({}));
    server.on("/register", [error(400, "invalid_redirect_uri")]);
    let (_, failed) = fails(server).await;
    let usual = Hint::setting("callback.path", Some("/callback"));
    assert!(failed.hints().contains(&usual), "{:?}", failed.hints());
    let mut server = self::server(&json!({}));
    server.settings.callback.path = Some("/callback".to_owned());
    server.on("/register", [error(400, "invalid_redirect_uri")]);
    let (_, failed) = fails(server).await;
    assert!(!failed.hints().contains(&usual), "{:?}", failed.hints());
}

#[tokio::test]
async fn refused_device_grant_is_left_out() {
    let server = server(&json!({ "grant_types_supported": ["authorization_code", DEVICE] }));
    server.on("/register", [refusal(GRANT_TYPES), client()]);
    let (server, record) = signs_in(server).await;
    let sent = registrations(&server);
    assert_eq!(
        members(&sent, "grant_types"),
        [
            &json!(["authorization_code", "refresh_token", DEVICE]),
            &json!(["authorization_code", "refresh_token"]),
        ]
    );
    assert_eq!(sent[0]["application_type"], sent[1]["application_type"]);
    assert!(server.sent("/device").is_empty(), "the client lacks it");
    assert!(server.heard("DeviceEnded"), "the host offered it");
    // The next login does not register again for what was refused.
    let record = signed_out(record);
    server.login(BEARER, Some(&record)).await.unwrap();
    assert_eq!(registrations(&server).len(), 2);
    assert!(server.sent("/device").is_empty());
}

fn signed_out(mut record: Record) -> Record {
    record.grant = None;
    record.state = State::SignInRequired(SignInCause::SignedOut);
    record
}

#[tokio::test]
async fn part_that_the_words_name_first_is_left_out_first() {
    let server = server(&json!({ "scopes_supported": ["a"] }));
    let resource = json!({
        "resource": "https://mcp.example/mcp",
        "authorization_servers": ["https://as.example"],
        "scopes_supported": ["a"],
    });
    let path = "/.well-known/oauth-protected-resource/mcp";
    server.on(path, [answer(200, &resource)]);
    let answers = [
        refusal("`scope` is unknown, and so is application_type"),
        refusal("unknown member application_type"),
        client(),
    ];
    server.on("/register", answers);
    let (server, record) = signs_in(server).await;
    let sent = registrations(&server);
    let null = &Value::Null;
    assert_eq!(members(&sent, "scope"), [&json!("a"), null, null]);
    let native = &json!("native");
    assert_eq!(members(&sent, "application_type"), [native, native, null]);
    assert_eq!(members(&sent, "response_types")[2], null);
    assert_eq!(members(&sent, "client_name")[2], null);
    assert!(sent.iter().all(|body| body["grant_types"][2] == DEVICE));
    assert!(sent.iter().all(|body| body["redirect_uris"].is_array()));
    // The sign-in asks for them all the same.
    assert_eq!(record.grant.unwrap().requested_scopes.to_string(), "a");
}

#[tokio::test]
async fn what_the_user_set_is_never_left_out() {
    let mut server = ScriptedServer::new(&json!({}));
    server.settings.scopes = Some(Scopes::from_server("mine"));
    server.settings.client_name = Some("My name".to_owned());
    let words = "scope and client_name are not accepted";
    server.on("/register", [refusal(words)]);
    let (server, error) = fails(server).await;
    let sent = registrations(&server);
    assert_eq!(sent.len(), 2, "{error}");
    for body in &sent {
        assert_eq!(body["scope"], "mine");
        assert_eq!(body["client_name"], "My name");
        assert!(body["redirect_uris"].is_array());
    }
    assert_eq!(sent[1]["application_type"], Value::Null);
}

#[tokio::test]
async fn registration_is_sent_three_times_at_most() {
    let server = server(&json!({ "token_endpoint_auth_methods_supported": null }));
    server.on("/register", [refusal("no")]);
    let (server, _) = fails(server).await;
    assert_eq!(registrations(&server).len(), 3);
}

#[tokio::test]
async fn refused_redirect_uri_is_no_reason_to_ask_for_less() {
    for refused in [
        error(400, "invalid_redirect_uri"),
        refusal("redirect_uris must not be loopback"),
        error(401, "invalid_client_metadata"),
        error(400, "invalid_request"),
    ] {
        let server = server(&json!({}));
        server.on("/register", [refused]);
        let (server, _) = fails(server).await;
        assert_eq!(registrations(&server).len(), 1);
    }
}

#[tokio::test]
async fn refresh_grant_is_left_out_only_where_it_is_not_listed_and_refused() {
    let unlisted = json!({ "grant_types_supported": ["authorization_code"] });
    let server = server(&unlisted);
    server.on("/register", [refusal("bad grant_types"), client()]);
    let (server, record) = signs_in(server).await;
    let sent = registrations(&server);
    assert_eq!(
        members(&sent, "grant_types"),
        [
            &json!(["authorization_code", "refresh_token"]),
            &json!(["authorization_code"]),
        ]
    );
    // A client that lacks it is registered again at the next login.
    let record = signed_out(record);
    server.login(BEARER, Some(&record)).await.unwrap();
    let sent = registrations(&server);
    assert_eq!(
        sent[2]["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );

    let listed = json!({ "grant_types_supported": ["authorization_code", "refresh_token"] });
    let server = ScriptedServer::new(&listed);
    server.on("/register", [refusal("bad grant_types")]);
    let (server, _) = fails(server).await;
    for body in registrations(&server) {
        assert_eq!(body["grant_types"][1], "refresh_token");
    }
}

#[tokio::test]
async fn client_of_an_earlier_version_without_refresh_grant_is_registered_again() {
    let unlisted = json!({ "grant_types_supported": ["authorization_code"] });
    let (server, record) = signs_in(ScriptedServer::new(&unlisted)).await;
    let mut record = signed_out(record);
    let registration = record.registration.as_mut().unwrap();
    registration.grant_types = None;
    server.login(BEARER, Some(&record)).await.unwrap();
    assert_eq!(registrations(&server).len(), 2);
    let events = server.events.lock().unwrap().join("\n");
    assert!(events.contains("reason: Some(Grants)"), "{events}");
}

#[tokio::test]
async fn grants_that_the_server_did_not_register_are_asked_for_once() {
    let server = server(&json!({}));
    let answered = json!({ "client_id": "c", "grant_types": ["authorization_code"] });
    server.on("/register", [answer(201, &answered)]);
    let (server, record) = signs_in(server).await;
    assert!(server.sent("/device").is_empty(), "the client lacks it");
    let record = signed_out(record);
    server.login(BEARER, Some(&record)).await.unwrap();
    assert_eq!(registrations(&server).len(), 1);
}

#[tokio::test]
async fn registration_that_was_not_processed_is_sent_again() {
    for status in [429, 503] {
        let server = ScriptedServer::new(&json!({}));
        let busy = || answer(status, &json!({}));
        server.on("/register", [busy(), busy(), client()]);
        let (server, _) = signs_in(server).await;
        let sent = registrations(&server);
        assert_eq!(sent.len(), 3);
        assert!(sent.iter().all(|body| *body == sent[0]));

        let server = ScriptedServer::new(&json!({}));
        server.on("/register", [busy()]);
        let (server, error) = fails(server).await;
        assert_eq!(registrations(&server).len(), 3);
        assert_eq!(error.remedy(), hallpass_core::Remedy::Retry);
    }
}

/// The methods that registrations asked for.
fn methods(server: &ScriptedServer) -> Vec<String> {
    let sent = registrations(server);
    let methods = members(&sent, "token_endpoint_auth_method").into_iter();
    methods.map(|it| it.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn metadata_without_methods_means_basic_and_then_none() {
    let silent = json!({ "token_endpoint_auth_methods_supported": null });
    let with_secret = json!({ "client_id": "c", "client_secret": "canary-secret" });
    let server = ScriptedServer::new(&silent);
    server.on("/register", [answer(201, &with_secret)]);
    let (server, record) = signs_in(server).await;
    assert_eq!(methods(&server), ["client_secret_basic"]);
    assert!(record.registration.unwrap().client_secret.is_some());

    for refused in [
        refusal(""),
        error(400, "invalid_request"),
        answer(400, &json!({})),
    ] {
        let server = ScriptedServer::new(&silent);
        server.on("/register", [refused, client()]);
        let (server, record) = signs_in(server).await;
        assert_eq!(methods(&server), ["client_secret_basic", "none"]);
        assert!(record.registration.unwrap().client_secret.is_none());
    }
}

#[tokio::test]
async fn endpoints_without_metadata_register_a_public_client() {
    let named = |path: &str| Url::parse(&format!("https://as.example{path}")).unwrap();
    let explicit = || {
        let mut server = ScriptedServer::new(&json!({}));
        server.settings.endpoints = Some(
            ExplicitEndpoints::new(named("/token"))
                .with_authorization(Some(named("/authorize")))
                .with_registration(Some(named("/register"))),
        );
        server
    };
    for server in [explicit(), guessed()] {
        let (server, _) = signs_in(server).await;
        assert_eq!(methods(&server), ["none"]);
    }
    for server in [explicit(), guessed()] {
        let with_secret = json!({ "client_id": "c", "client_secret": "canary-secret" });
        server.on("/register", [refusal(""), answer(201, &with_secret)]);
        server.on("/token", [answer(200, &tokens("Bearer"))]);
        let (server, _) = signs_in(server).await;
        assert_eq!(methods(&server), ["none", "client_secret_basic"]);
    }
}

#[tokio::test]
async fn endpoint_that_leads_to_another_server_is_named_with_both() {
    for (to, is_elsewhere, is_fix) in [
        ("https://as.example/v2/register", false, true),
        ("https://other.example/register", true, true),
        ("https://127.0.0.1/register", false, false),
    ] {
        let server = server(&json!({}));
        let moved = ScriptedResponse::new(307).with_header("location", to);
        server.on("/register", [moved]);
        let (_, error) = fails(server).await;
        let hints: Vec<_> = error.hints().iter().map(ToString::to_string).collect();
        let hints = hints.join("\n");
        let words = "https://other.example is another server than https://as.example";
        assert_eq!(hints.contains(words), is_elsewhere, "{hints}");
        assert_eq!(hints.contains(to), is_fix, "{hints}");
    }
}
