//! Servers of HTTP+SSE (MCP 2024-11-05), behind rmcp's streamable HTTP.

use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_mcp::with_causes;
use hallpass_mcp::{AuthorizedEndpoint, TransportKind};
use hallpass_rmcp::{Client, ClientError, Error, transport};
use hallpass_testkit::{Endpoint, Fault, McpServerOptions, ServerTransport};
use rmcp::{
    ClientHandler, ErrorData, RoleClient, ServiceExt,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
        ElicitationCapability, FormElicitationCapability, Implementation,
    },
    service::RequestContext,
};

use crate::fixture::{Fixture, Service, add};

fn sse(post_status: u16) -> ServerTransport {
    ServerTransport::HttpSse {
        post_status,
        endpoint: None,
    }
}

fn old(post_status: u16) -> impl FnOnce(&mut McpServerOptions) {
    move |options| options.transport = sse(post_status)
}

fn open(post_status: u16) -> impl FnOnce(&mut McpServerOptions) {
    move |options| {
        options.transport = sse(post_status);
        options.protection.is_open = true;
    }
}

/// Every request: the method, the path and the status.
fn seen(fixture: &Fixture) -> Vec<String> {
    let requests = fixture.server.requests_to(Endpoint::Mcp);
    let line = |request: &hallpass_testkit::RecordedRequest| {
        let status = request.status().unwrap_or_default();
        format!("{} {} {status}", request.method, request.path)
    };
    requests.iter().map(line).collect()
}

#[tokio::test]
async fn server_of_http_sse_is_called_open_and_behind_oauth() {
    for status in [405, 404, 400] {
        let fixture = Fixture::new(open(status)).await;
        let service = fixture.serve().await;
        assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
        assert_eq!(service.list_all_tools().await.unwrap().len(), 4);
        service.cancel().await.unwrap();
        let first = [format!("POST /mcp {status}"), "GET /mcp 200".to_owned()];
        assert_eq!(seen(&fixture)[..2], first);
        assert!(fixture.authorizer.reasons().is_empty());

        let fixture = Fixture::new(old(status)).await;
        let service = fixture.serve().await;
        assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
        // The token of a later request is another one.
        fixture.revoke();
        assert_eq!(add(&service, 2, 2).await.unwrap(), "4");
        service.cancel().await.unwrap();
        assert_eq!(fixture.authorizer.reasons().len(), 1);
        assert_eq!(fixture.refreshes().len(), 1);
        let messages = seen(&fixture);
        let messages = messages.iter().filter(|it| it.contains("/messages"));
        assert!(messages.clone().any(|it| it.ends_with(" 401")));
        assert!(messages.clone().count() >= 5, "{:?}", seen(&fixture));
    }
}

#[tokio::test]
async fn many_calls_at_once_get_their_own_answers() {
    let fixture = Fixture::new(open(405)).await;
    let service = fixture.serve().await;
    let calls = (0..50).map(|it| {
        let peer = service.peer().clone();
        async move { (it, add(&peer, it, 1).await.unwrap()) }
    });
    for (it, sum) in futures_util::future::join_all(calls).await {
        assert_eq!(sum, (it + 1).to_string());
    }
    service.cancel().await.unwrap();
}

/// A host whose user never answers.
#[derive(Default)]
struct Silent(tokio::sync::Notify);

impl ClientHandler for &'static Silent {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        let form = FormElicitationCapability::new();
        capabilities.elicitation = Some(ElicitationCapability::new().with_form(form));
        ClientConfig::new(capabilities, Implementation::new("host", "1"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.0.notify_one();
        std::future::pending().await
    }
}

#[tokio::test]
async fn call_whose_stream_ends_is_an_error_and_the_next_has_another_one() {
    let fixture = Fixture::new(|options| {
        options.everything = true;
        open(405)(options);
    })
    .await;
    let host: &'static Silent = Box::leak(Box::default());
    let first = transport(fixture.client.clone(), &fixture.url);
    let service = host.serve(first).await.unwrap();
    let call = service.call_tool(CallToolRequestParams::new("question"));
    let ends = async {
        // The server's question has reached the host.
        host.0.notified().await;
        fixture.server.end_streams();
    };
    let (called, ()) = tokio::join!(call, ends);
    let error = ClientError::from(called.unwrap_err());
    let Some(Error::Unanswered(unanswered)) = error.transport_error() else {
        panic!("{error:?}");
    };
    assert!(unanswered.may_have_run());
    assert_eq!(error.remedy(), Remedy::Retry);
    assert!(!service.list_all_tools().await.unwrap().is_empty());
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn ended_stream_is_followed_by_another_one() {
    let fixture = Fixture::new(old(405)).await;
    let service = fixture.serve().await;
    for round in 1..=3 {
        fixture.server.end_streams();
        assert_eq!(service.list_all_tools().await.unwrap().len(), 4);
        assert_eq!(add(&service, round, 0).await.unwrap(), round.to_string());
    }
    let gets = seen(&fixture)
        .iter()
        .filter(|it| it.starts_with("GET"))
        .count();
    assert_eq!(
        gets,
        4,
        "one stream, and another for each end: {:?}",
        seen(&fixture)
    );
    service.cancel().await.unwrap();
}

/// The outcome of a request whose stream ends before its answer comes.
async fn cut<T>(fixture: &Fixture, request: impl Future<Output = T>) -> T {
    let gate = hallpass_testkit::Gate::new();
    fixture
        .server
        .once(Endpoint::Mcp, Fault::HoldRequest(gate.clone()));
    let ends = async {
        gate.until_arrived(1).await;
        fixture.server.end_streams();
        gate.open();
    };
    let (outcome, ()) = tokio::join!(request, ends);
    outcome
}

#[tokio::test]
async fn request_that_the_server_refuses_with_404_is_sent_again_in_another_stream() {
    let fixture = Fixture::new(open(405)).await;
    let service = fixture.serve().await;
    let listed = cut(&fixture, service.list_all_tools()).await;
    assert_eq!(listed.unwrap().len(), 4);
    // A 404 says that it has not run, also of a call.
    assert_eq!(cut(&fixture, add(&service, 1, 2)).await.unwrap(), "3");
    service.cancel().await.unwrap();
}

async fn served_by(fixture: &Fixture, kind: TransportKind) -> Result<Service, ClientError> {
    let http = hallpass_http::Client::new(hallpass_http::HttpConfig::default()).unwrap();
    let session = fixture.client.session().clone();
    let server = AuthorizedEndpoint::new(session, std::sync::Arc::new(http)).with_transport(kind);
    let transport = transport(Client::at(server), &fixture.url);
    Ok(().serve(transport).await?)
}

#[tokio::test]
async fn transport_that_is_set_is_the_only_one_tried() {
    let fixture = Fixture::new(open(405)).await;
    let error = served_by(&fixture, TransportKind::StreamableHttp)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("answered 405"), "{error}");
    assert_eq!(seen(&fixture), ["POST /mcp 405"]);
    let service = served_by(&fixture, TransportKind::HttpSse).await.unwrap();
    assert_eq!(add(&service, 1, 2).await.unwrap(), "3");
    assert_eq!(seen(&fixture)[1], "GET /mcp 200");
    service.cancel().await.unwrap();

    let modern = Fixture::new(|options| options.protection.is_open = true).await;
    let error = served_by(&modern, TransportKind::HttpSse)
        .await
        .unwrap_err();
    assert!(
        matches!(error.transport_error(), Some(Error::HttpSse(_))),
        "{error:?}"
    );
    assert!(
        seen(&modern).iter().all(|it| it.starts_with("GET")),
        "{:?}",
        seen(&modern)
    );
}

#[tokio::test]
async fn endpoint_on_another_origin_gets_no_message() {
    let fixture = Fixture::new(|options| {
        options.transport = ServerTransport::HttpSse {
            post_status: 405,
            endpoint: Some("https://evil.example/messages?key=canary".to_owned()),
        };
    })
    .await;
    let first = transport(fixture.client.clone(), &fixture.url);
    let error = ClientError::from(().serve(first).await.unwrap_err());
    assert_eq!(error.remedy(), Remedy::Report);
    let text = error.to_string();
    assert!(
        text.contains("https://evil.example/messages as the endpoint"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn refusal_of_a_server_without_http_sse_is_the_answer() {
    for status in [400, 404, 405] {
        let fixture = Fixture::new(|options| options.protection.is_open = true).await;
        let refused = Fault::Answer {
            status,
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body: "not today".to_owned(),
        };
        fixture.server.once(Endpoint::Mcp, refused);
        let first = transport(fixture.client.clone(), &fixture.url);
        let error = ClientError::from(().serve(first).await.unwrap_err());
        let text = with_causes(&error);
        assert!(text.contains(&format!("answered {status}")), "{text}");
        assert!(text.contains("not today"), "{text}");
    }
}
