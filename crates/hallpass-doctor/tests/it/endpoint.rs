//! What the endpoint says to a request without a token.

use hallpass::Remedy;
use hallpass_doctor::{Code, Fix};
use hallpass_testkit::{ChallengeStyle, Endpoint, Fault};

use crate::case::{Case, JSON, always, answer};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"open","version":"1"}}}"#;

async fn challenged(name: &str, style: ChallengeStyle) {
    let case = Case::new().await;
    case.server.change(|it| it.challenge = style);
    case.report(name).await;
}

#[tokio::test]
async fn a_server_that_is_well_and_nobody_signed_in() {
    let report = Case::new().await.report("nobody-signed-in").await;
    assert_eq!(report.remedy(), Some(Remedy::SignIn));
    assert_eq!(report.findings().count(), 1);
}

#[tokio::test]
async fn a_401_without_a_challenge() {
    challenged("no-challenge", ChallengeStyle::None).await;
}

#[tokio::test]
async fn a_challenge_without_metadata() {
    challenged(
        "challenge-without-metadata",
        ChallengeStyle::WithoutMetadata,
    )
    .await;
}

#[tokio::test]
async fn several_challenges() {
    let fields = [
        "Basic realm=\"x\"",
        "Bearer scope=\"a\", DPoP algs=\"ES256\"",
    ];
    let fields = fields.map(str::to_owned).to_vec();
    challenged("several-challenges", ChallengeStyle::Exactly(fields)).await;
}

#[tokio::test]
async fn a_challenge_of_another_scheme() {
    let fields = vec!["Negotiate".to_owned()];
    challenged("other-scheme-only", ChallengeStyle::Exactly(fields)).await;
}

#[tokio::test]
async fn a_server_that_asks_for_nothing() {
    let case = Case::new().await;
    case.answers(200, &[JSON], HELLO);
    case.server
        .change(|it| it.metadata_at = hallpass_testkit::ResourceMetadataPath::Nowhere);
    let report = case.report("open-server").await;
    assert_eq!(report.first_fault(), None);
}

const REFUSAL: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"Unsupported protocol version"}}"#;
const UNKNOWN: &str =
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#;
const ANOTHERS: &str =
    r#"{"jsonrpc":"2.0","id":7,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#;

#[tokio::test]
async fn a_server_that_neither_way_leads_into() {
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
        let case = Case::new().await;
        let refused = answer(400, &[JSON], refusal);
        case.server.once(Endpoint::Mcp, refused);
        case.server.once(Endpoint::Mcp, discovered);
        let report = case.report(name).await;
        assert_eq!(report.first_fault().unwrap().code, code, "{name}");
        assert_eq!(case.server.requests_to(Endpoint::Mcp).len(), 2, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_only_looks_like_one() {
    for (body, code, name) in [
        (UNKNOWN, Code::McpUnreadable, "mcp-unreadable-for-its-id"),
        (REFUSAL, Code::McpError, "mcp-error-without-a-token"),
    ] {
        let case = Case::new().await;
        case.answers(200, &[JSON], body);
        let report = case.report(name).await;
        assert_eq!(report.first_fault().unwrap().code, code, "{name}");
    }
}

#[tokio::test]
async fn a_challenge_behind_a_message_that_refuses_the_handshake() {
    let case = Case::new().await;
    case.server
        .once(Endpoint::Mcp, answer(200, &[JSON], REFUSAL));
    let report = case.report("challenge-without-a-handshake").await;
    assert_eq!(report.remedy(), Some(Remedy::SignIn));
}

#[tokio::test]
async fn a_gateway_that_wants_a_header() {
    let case = Case::with(
        |_| {},
        |server| {
            server.listen.required_header = Some(("x-gateway".to_owned(), "s3cret".to_owned()));
        },
    )
    .await;
    case.report("forbidden").await;
}

#[tokio::test]
async fn a_url_beside_the_endpoint() {
    for (told, served, name) in [
        ("", "/mcp", "not-found-at-the-origin"),
        ("/mcp/", "/mcp", "not-found-with-a-slash"),
        ("/mcp", "/mcp/", "not-found-without-a-slash"),
        ("/api", "/api/mcp", "not-found-above"),
    ] {
        let mut case = Case::with(|_| {}, |server| server.path = served.to_owned()).await;
        case.url = format!("{}{told}", case.server.origin());
        let report = case.report(name).await;
        let expected = format!("{}{served}", case.server.origin());
        let mends = &report.first_fault().unwrap().mends;
        assert_eq!(mends[0], Fix::Url { url: expected }, "{name}");
    }
}

#[tokio::test]
async fn a_url_where_nothing_is_far_and_wide() {
    let mut case = Case::with(|_| {}, |server| server.path = "/deep/down".to_owned()).await;
    case.url = format!("{}/mcp", case.server.origin());
    case.report("not-found").await;
}

#[tokio::test]
async fn the_transport_before_streamable_http() {
    let case = Case::new().await;
    let stream = answer(
        200,
        &[("content-type", "text/event-stream")],
        "event: endpoint\n\n",
    );
    case.server.once(Endpoint::Mcp, answer(405, &[], ""));
    case.server.once(Endpoint::Mcp, stream);
    case.report("sse-only").await;
}

#[tokio::test]
async fn statuses_that_are_no_answer() {
    for (status, headers, name) in [
        (405, &[][..], "no-streamable-http"),
        (429, &[("retry-after", "17")][..], "too-many-requests"),
        (503, &[], "server-unavailable"),
        (418, &[], "unexpected-status"),
    ] {
        let case = Case::new().await;
        case.answers(status, headers, "out of order");
        case.report(name).await;
    }
}

#[tokio::test]
async fn a_web_page_in_the_place_of_an_answer() {
    let case = Case::new().await;
    case.server.plan(vec![always(Endpoint::Mcp, Fault::Html)]);
    case.report("html-page").await;
}

#[tokio::test]
async fn an_answer_of_another_kind() {
    let case = Case::new().await;
    case.answers(200, &[("content-type", "text/plain")], "welcome");
    case.report("wrong-content-type").await;
}

#[tokio::test]
async fn redirects_that_are_not_followed() {
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
        let case = Case::new().await;
        case.answers(status, &[("location", to)], "");
        let report = case.report(name).await;
        assert!(!report.to_string().contains("s3cret"), "{name}");
    }
}
