use std::sync::Arc;

use hallpass_core::{ServerUrl, Timestamp};

use super::*;

const SERVER: &str = "https://mcp.example/mcp";
const TOKEN: &str = "https://as.example/token?a=1";

async fn send(
    client: &ScriptedClient,
    method: Method,
    url: &str,
) -> Result<Response<Bytes>, HttpError> {
    let server = ServerUrl::parse(SERVER).unwrap();
    let options = match url {
        SERVER => RequestOptions::mcp(&server),
        _ => RequestOptions::authorization_server(&server),
    };
    let request = Request::builder().method(method).uri(url);
    let request = request.body(Bytes::from("a=1&b=2&c=3&c=4")).unwrap();
    (client as &dyn HttpClient).fetch(request, options).await
}

async fn statuses<const N: usize>(client: &ScriptedClient, urls: [&str; N]) -> [u16; N] {
    let mut statuses = [0; N];
    for (status, url) in statuses.iter_mut().zip(urls) {
        let response = send(client, Method::GET, url).await;
        *status = response.map_or(0, |response| response.status().as_u16());
    }
    statuses
}

fn responses<const N: usize>(statuses: [u16; N]) -> [ScriptedResponse; N] {
    statuses.map(ScriptedResponse::new)
}

#[tokio::test]
async fn last_response_of_a_pattern_stays() {
    let client = ScriptedClient::new();
    client.on(RequestPattern::path("/token"), responses([500, 201]));
    assert_eq!(statuses(&client, [TOKEN; 3]).await, [500, 201, 201]);
}

#[tokio::test]
async fn strict_client_gives_each_response_once() {
    let client = ScriptedClient::new().strict();
    client.on(RequestPattern::any(), responses([200, 202]));
    assert_eq!(statuses(&client, [TOKEN; 3]).await, [200, 202, 0]);
}

#[tokio::test]
async fn unscripted_request_has_no_connection_and_is_kept() {
    let client = ScriptedClient::new();
    let error = send(&client, Method::GET, TOKEN).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Connect);
    assert_eq!(error.target(), RequestTarget::AuthorizationServer);
    assert_eq!(error.url(), "https://as.example/token");
    assert_eq!(client.requests().len(), 1);
}

#[tokio::test]
async fn fallback_answers_what_no_entry_fits() {
    let client = ScriptedClient::new().with_fallback(ScriptedResponse::new(404));
    client.on("/token", responses([200]));
    assert_eq!(statuses(&client, [TOKEN, SERVER]).await, [200, 404]);
}

#[tokio::test]
async fn request_that_no_entry_fits_goes_through_the_fallback_client() {
    let inner = Arc::new(ScriptedClient::new());
    inner.on(TOKEN, responses([500]));
    inner.on(SERVER, responses([401]));
    let client = ScriptedClient::new().with_fallback_client(inner.clone());
    client.on("/token", responses([200]));
    assert_eq!(statuses(&client, [TOKEN, SERVER]).await, [200, 401]);
    assert_eq!(client.requests().len(), 2);
    assert_eq!(client.requests_to("/token").len(), 1);
    assert_eq!(inner.requests().len(), 1);
}

#[tokio::test]
async fn client_behind_a_gate_waits_for_it() {
    let gate = Gate::new();
    let client = Arc::new(ScriptedClient::new().with_gate(&gate));
    client.on(TOKEN, responses([200]));
    let task = tokio::spawn({
        let client = Arc::clone(&client);
        async move { statuses(&client, [TOKEN]).await }
    });
    gate.until_arrived(1).await;
    assert!(!task.is_finished());
    gate.open();
    assert_eq!(task.await.unwrap(), [200]);
}

#[tokio::test]
async fn pattern_selects_by_method_url_path_and_target() {
    let client = ScriptedClient::new();
    let other = "https://as.example/other";
    client.on(TOKEN, responses([201]));
    client.on("/other", responses([202]));
    client.on(RequestPattern::target(RequestTarget::Mcp), responses([203]));
    assert_eq!(
        statuses(&client, [TOKEN, other, SERVER]).await,
        [201, 202, 203]
    );
    let post = RequestPattern::path("/other").with_method(Method::POST);
    client.replace(RequestPattern::path("/other"), []);
    client.on(post, responses([204]));
    assert_eq!(statuses(&client, [other]).await, [0]);
    let posted = send(&client, Method::POST, other).await.unwrap();
    assert_eq!(posted.status(), 204);
}

#[tokio::test]
async fn replaced_responses_are_given_instead() {
    let client = ScriptedClient::new();
    client.on(RequestPattern::any(), responses([200, 201]));
    client.replace(RequestPattern::any(), responses([404]));
    assert_eq!(statuses(&client, [TOKEN]).await, [404]);
}

#[tokio::test]
async fn every_error_kind_fails_the_request() {
    for kind in [
        HttpErrorKind::InvalidRequest,
        HttpErrorKind::AddressRefused,
        HttpErrorKind::Resolve,
        HttpErrorKind::Connect,
        HttpErrorKind::ProxyAuthentication,
        HttpErrorKind::Tls,
        HttpErrorKind::ConnectTimeout,
        HttpErrorKind::Timeout,
        HttpErrorKind::Interrupted,
        HttpErrorKind::Redirect,
        HttpErrorKind::BodyTooLarge,
        HttpErrorKind::Malformed,
    ] {
        let client = ScriptedClient::new();
        client.on(RequestPattern::any(), [ScriptedResponse::error(kind)]);
        let error = send(&client, Method::GET, TOKEN).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn body_fails_after_its_chunks() {
    let client = ScriptedClient::new();
    let response = ScriptedResponse::events("data: 1\n\n")
        .with_header("mcp-session-id", "4711")
        .with_body_error(HttpErrorKind::Interrupted);
    client.on(RequestPattern::any(), [response]);
    let error = send(&client, Method::GET, SERVER).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Interrupted);
    assert_eq!(error.target(), RequestTarget::Mcp);
}

#[tokio::test]
async fn response_and_body_wait_for_their_gates() {
    let (head, body) = (Gate::new(), Gate::new());
    let client = Arc::new(ScriptedClient::new());
    let response = ScriptedResponse::json(200, "{")
        .with_gate(&head)
        .with_body_gate(&body)
        .with_chunk("}");
    client.on(RequestPattern::any(), [response]);
    let task = tokio::spawn({
        let client = Arc::clone(&client);
        async move { send(&client, Method::GET, TOKEN).await.unwrap() }
    });
    head.until_arrived(1).await;
    assert_eq!(client.requests().len(), 1);
    head.open();
    body.until_arrived(1).await;
    assert!(!task.is_finished());
    body.open();
    let response = task.await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(&response.body()[..], b"{}");
}

#[tokio::test]
async fn request_takes_the_given_time() {
    let clock = FakeClock::new(Timestamp::from_unix_seconds(1_000));
    let client = ScriptedClient::new().with_time(clock.clone(), Duration::from_secs(7));
    client.on(RequestPattern::any(), responses([200]));
    statuses(&client, [TOKEN; 2]).await;
    let now = hallpass_core::Clock::now(&clock);
    assert_eq!(now, Timestamp::from_unix_seconds(1_014));
}

#[tokio::test]
async fn sent_request_gives_its_form_and_hides_it_from_debug() {
    let client = ScriptedClient::new();
    client.on(RequestPattern::any(), responses([200]));
    send(&client, Method::POST, TOKEN).await.unwrap();
    let [sent] = &client.take_requests()[..] else {
        panic!("one request")
    };
    assert_eq!(sent.parameter("b").as_deref(), Some("2"));
    assert_eq!(sent.parameter("c"), None);
    assert_eq!(sent.parameters("c"), ["3", "4"]);
    assert_eq!(sent.header("authorization"), None);
    assert_eq!(format!("{sent:?}"), "POST /token");
    assert!(client.requests().is_empty());
}

#[tokio::test]
async fn oauth_error_is_a_json_body_with_its_code() {
    let client = ScriptedClient::new();
    let error = ScriptedResponse::oauth_error(429, "slow_down").with_header("retry-after", "7");
    client.on(RequestPattern::any(), [error]);
    let response = send(&client, Method::GET, TOKEN).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(&response.body()[..], br#"{"error":"slow_down"}"#);
}
