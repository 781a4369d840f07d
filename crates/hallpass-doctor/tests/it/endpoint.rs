//! What the endpoint says to a request without a token.

use hallpass::{Hint, Remedy, mcp::TransportKind};
use hallpass_doctor::{Code, Report};
use hallpass_testkit::{ChallengeStyle, Endpoint, Fault, ServerTransport};

use crate::fixture::{Fixture, JSON, always, answer};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"open","version":"1"}}}"#;

async fn challenged(name: &str, style: ChallengeStyle) {
    let fixture = Fixture::new().await;
    fixture.server.change(|it| it.challenge = style);
    fixture.report(name).await;
}

#[tokio::test]
async fn healthy_server_without_sign_in_is_one_fault() {
    let report = Fixture::new().await.report("not-signed-in").await;
    assert_eq!(report.remedy(), Some(Remedy::SignIn));
    assert_eq!(report.findings().count(), 1);
}

#[tokio::test]
async fn unauthorized_without_challenge_is_a_warning() {
    challenged("no-challenge", ChallengeStyle::None).await;
}

#[tokio::test]
async fn challenge_without_metadata_is_a_note() {
    challenged(
        "challenge-without-metadata",
        ChallengeStyle::WithoutMetadata,
    )
    .await;
}

#[tokio::test]
async fn several_challenges_are_a_note() {
    let fields = [
        "Basic realm=\"x\"",
        "Bearer scope=\"a\", DPoP algs=\"ES256\"",
    ];
    let fields = fields.map(str::to_owned).to_vec();
    challenged("several-challenges", ChallengeStyle::Exactly(fields)).await;
}

#[tokio::test]
async fn challenge_of_another_scheme_is_a_warning() {
    let fields = vec!["Negotiate".to_owned()];
    challenged("other-scheme-only", ChallengeStyle::Exactly(fields)).await;
}

#[tokio::test]
async fn open_server_is_a_note() {
    let fixture = Fixture::new().await;
    fixture.answers(200, &[JSON], HELLO);
    fixture
        .server
        .change(|it| it.metadata_at = hallpass_testkit::ResourceMetadataPath::Nowhere);
    let report = fixture.report("open-server").await;
    assert_eq!(report.first_fault(), None);
}

#[tokio::test]
async fn open_server_with_pages_in_place_of_metadata_has_no_fault() {
    for (status, name) in [
        (200, "open-server-with-pages"),
        (503, "open-server-with-errors"),
    ] {
        let fixture = Fixture::new().await;
        let page = answer(status, &[("content-type", "text/html")], "<!doctype html>");
        fixture.server.plan(vec![
            always(Endpoint::Mcp, answer(200, &[JSON], HELLO)),
            always(Endpoint::ResourceMetadata, page),
        ]);
        let report = fixture.report(name).await;
        assert_eq!(report.first_fault(), None);
    }
}

const REFUSAL: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"Unsupported protocol version"}}"#;
const UNKNOWN: &str =
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#;
const ANOTHERS: &str =
    r#"{"jsonrpc":"2.0","id":7,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;

#[tokio::test]
async fn server_without_handshake_or_discover_is_a_fault() {
    let events = |data: &str| {
        let kind = [("content-type", "text/event-stream")];
        answer(200, &kind, &format!(": hello\n\ndata: {data}\n\n"))
    };
    let json = |body: &str| answer(200, &[JSON], body);
    let not_ours = r#"{"error":"invalid_request"}"#;
    let anothers_first = format!("{ANOTHERS}\n\ndata: {UNKNOWN}");
    for (refusal, discovered, code, name) in [
        (
            REFUSAL,
            json(UNKNOWN),
            Code::McpError,
            "neither-way-leads-in",
        ),
        (
            not_ours,
            events(&anothers_first),
            Code::McpError,
            "neither-way-leads-in-as-events",
        ),
        (
            REFUSAL,
            json(ANOTHERS),
            Code::McpError,
            "mcp-error-of-the-handshake",
        ),
        (
            not_ours,
            json(not_ours),
            Code::UnexpectedStatus,
            "unexpected-status-of-the-handshake",
        ),
    ] {
        let fixture = Fixture::new().await;
        let no_stream = answer(405, &[], "");
        fixture
            .server
            .plan(vec![always(Endpoint::Stream, no_stream)]);
        let refused = answer(400, &[JSON], refusal);
        fixture.server.once(Endpoint::Mcp, refused);
        fixture.server.once(Endpoint::Mcp, discovered);
        let report = fixture.report(name).await;
        assert_eq!(report.first_fault().unwrap().code, code, "{name}");
        let requests = fixture.server.requests_to(Endpoint::Mcp);
        let posts = requests.iter().filter(|it| it.method == "POST");
        assert_eq!(posts.count(), 2, "{name}");
    }
}

#[tokio::test]
async fn unreadable_answer_to_initialize_is_a_fault() {
    for (body, code, name) in [
        (UNKNOWN, Code::McpUnreadable, "mcp-unreadable-for-its-id"),
        (REFUSAL, Code::McpError, "mcp-error-without-a-token"),
    ] {
        let fixture = Fixture::new().await;
        fixture.answers(200, &[JSON], body);
        let report = fixture.report(name).await;
        assert_eq!(report.first_fault().unwrap().code, code, "{name}");
    }
}

#[tokio::test]
async fn challenge_after_a_refused_handshake_is_found() {
    let fixture = Fixture::new().await;
    fixture
        .server
        .once(Endpoint::Mcp, answer(200, &[JSON], REFUSAL));
    let report = fixture.report("challenge-without-a-handshake").await;
    assert_eq!(report.remedy(), Some(Remedy::SignIn));
}

#[tokio::test]
async fn forbidden_without_challenge_is_a_fault() {
    let fixture = Fixture::with(
        |_| {},
        |server| {
            server.listen.required_header = Some(("x-gateway".to_owned(), "s3cret".to_owned()));
        },
    )
    .await;
    fixture.report("forbidden").await;
}

#[tokio::test]
async fn url_beside_the_endpoint_hints_the_right_one() {
    for (told, served, name) in [
        ("", "/mcp", "not-found-at-the-origin"),
        ("/mcp/", "/mcp", "not-found-with-a-slash"),
        ("/mcp", "/mcp/", "not-found-without-a-slash"),
        ("/api", "/api/mcp", "not-found-above"),
    ] {
        let mut fixture = Fixture::with(|_| {}, |server| server.path = served.to_owned()).await;
        fixture.url = format!("{}{told}", fixture.server.origin());
        let report = fixture.report(name).await;
        let expected = format!("{}{served}", fixture.server.origin());
        let hints = &report.first_fault().unwrap().hints;
        assert_eq!(hints[0], Hint::Url { url: expected }, "{name}");
    }
}

#[tokio::test]
async fn url_without_neighbouring_endpoint_is_not_found() {
    let mut fixture = Fixture::with(|_| {}, |server| server.path = "/deep/down".to_owned()).await;
    fixture.url = format!("{}/mcp", fixture.server.origin());
    let report = fixture.report("not-found").await;
    let mut hints = report.findings().flat_map(|it| &it.hints);
    assert!(!hints.any(|it| *it == Hint::SignIn), "there is nowhere to");
}

/// A server of HTTP+SSE that names `endpoint` for messages, or its own.
async fn of_http_sse(post_status: u16, endpoint: Option<&str>, is_open: bool) -> Fixture {
    let endpoint = endpoint.map(str::to_owned);
    let old = ServerTransport::HttpSse {
        post_status,
        endpoint,
    };
    Fixture::with(
        |_| {},
        |server| {
            server.transport = old;
            server.protection.is_open = is_open;
        },
    )
    .await
}

#[tokio::test]
async fn server_of_the_old_transport_is_a_note() {
    let fixture = of_http_sse(405, None, true).await;
    let report = fixture.report("sse-only").await;
    assert_eq!(report.first_fault(), None);
    assert!(report.findings().any(|it| it.code == Code::SseOnly));
}

#[tokio::test]
async fn transport_of_the_host_is_the_one_that_is_diagnosed() {
    let report = async |fixture: &Fixture, kind| {
        let builder = fixture.builder().transport_kind(kind);
        fixture.doctor_of(builder).diagnose().await
    };
    let first = |report: &Report| report.first_fault().map(|it| it.code);
    let old = of_http_sse(405, None, true).await;
    let told = report(&old, TransportKind::StreamableHttp).await;
    assert_eq!(first(&told), Some(Code::NoStreamableHttp));
    let told = report(&old, TransportKind::HttpSse).await;
    assert_eq!(first(&told), None, "{told}");

    let new = Fixture::with(|_| {}, |server| server.protection.is_open = true).await;
    let told = report(&new, TransportKind::StreamableHttp).await;
    assert_eq!(first(&told), None, "{told}");
    let told = report(&new, TransportKind::HttpSse).await;
    assert_eq!(first(&told), Some(Code::SseFails), "{told}");
    assert!(told.to_string().contains("answers a GET with"), "{told}");
}

#[tokio::test]
async fn server_of_the_old_transport_behind_oauth_is_a_note() {
    for status in [400, 404, 405] {
        let fixture = of_http_sse(status, None, false).await;
        fixture.sign_in().await;
        let name = format!("sse-only-behind-oauth-{status}");
        let report = fixture.report(&name).await;
        assert_eq!(report.first_fault(), None, "{status}");
        assert!(report.findings().any(|it| it.code == Code::SseOnly));
    }
}

#[tokio::test]
async fn old_transport_that_takes_no_message_is_a_fault() {
    let elsewhere = "https://other.example/messages?key=s3cret";
    for (endpoint, is_open, name) in [
        ("/nowhere?session_id=s3cret", true, "sse-fails"),
        (
            "/nowhere?session_id=s3cret",
            false,
            "sse-fails-behind-oauth",
        ),
        (elsewhere, true, "sse-fails-for-another-origin"),
    ] {
        let fixture = of_http_sse(405, Some(endpoint), is_open).await;
        if !is_open {
            fixture.sign_in().await;
        }
        let report = fixture.report(name).await;
        let fault = report.first_fault().map(|it| it.code);
        assert_eq!(fault, Some(Code::SseFails), "{name}");
        assert!(!report.to_string().contains("s3cret"), "{name}");
    }
}

#[tokio::test]
async fn old_transport_without_an_answer_is_a_fault() {
    let fixture = of_http_sse(405, None, true).await;
    let kind = [("content-type", "text/event-stream")];
    let stream = "event: endpoint\ndata: /messages\n\n: that is all\n\n";
    let refused = answer(405, &[], "");
    for answer in [refused, answer(200, &kind, stream), answer(202, &[], "")] {
        fixture.server.once(Endpoint::Mcp, answer);
    }
    let report = fixture.report("sse-fails-without-an-answer").await;
    let fault = report.first_fault().map(|it| it.code);
    assert_eq!(fault, Some(Code::SseFails));
}

/// Any server may answer a GET with its own stream.
#[tokio::test]
async fn stream_without_endpoint_is_not_of_the_old_transport() {
    let fixture = Fixture::new().await;
    let kind = [("content-type", "text/event-stream")];
    fixture.server.plan(vec![
        always(Endpoint::Stream, answer(200, &kind, ": hello\n\n")),
        always(Endpoint::Mcp, answer(405, &[], "")),
    ]);
    let report = fixture.doctor().diagnose().await;
    let fault = report.first_fault().map(|it| it.code);
    assert_eq!(fault, Some(Code::NoStreamableHttp));
}

#[tokio::test]
async fn unexpected_statuses_are_faults() {
    for (status, headers, name) in [
        (405, &[][..], "no-streamable-http"),
        (429, &[("retry-after", "17")][..], "too-many-requests"),
        (503, &[], "server-unavailable"),
        (418, &[], "unexpected-status"),
    ] {
        let fixture = Fixture::new().await;
        fixture.answers(status, headers, "out of order");
        fixture.report(name).await;
    }
}

#[tokio::test]
async fn web_page_in_place_of_an_answer_is_a_fault() {
    let fixture = Fixture::new().await;
    fixture
        .server
        .plan(vec![always(Endpoint::Mcp, Fault::Html)]);
    fixture.report("html-page").await;
}

#[tokio::test]
async fn wrong_content_type_is_a_fault() {
    let fixture = Fixture::new().await;
    fixture.answers(200, &[("content-type", "text/plain")], "welcome");
    fixture.report("wrong-content-type").await;
}

#[tokio::test]
async fn refused_redirects_are_faults() {
    for (status, to, name) in [
        (
            302,
            "https://login.example/sso?state=s3cret",
            "redirect-refused-to-a-login-page",
        ),
        (301, "/moved", "redirect-refused-for-its-method"),
        (
            307,
            "https://other.example/mcp",
            "redirect-refused-to-another-origin",
        ),
    ] {
        let fixture = Fixture::new().await;
        fixture.answers(status, &[("location", to)], "");
        let report = fixture.report(name).await;
        assert!(!report.to_string().contains("s3cret"), "{name}");
    }
}
