//! What goes wrong when it is planned to.

use std::{error::Error, io};

use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Endpoint, Fault, Gate, ListenOptions,
    McpServer, McpServerOptions, PlannedFault, When,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::fixture::{Fixture, form, get, post_form, send, try_send};

fn planned(endpoint: Endpoint, when: When, fault: Fault) -> Vec<PlannedFault> {
    vec![PlannedFault {
        endpoint,
        when,
        fault,
    }]
}

#[tokio::test]
async fn planned_503_uses_no_token_up() {
    let fixture = Fixture::new().await;
    fixture.issuer.plan(planned(
        Endpoint::Token,
        When::Nth(2),
        Fault::Status {
            status: 503,
            retry_after: Some("7".to_owned()),
        },
    ));
    let token = fixture.tokens().await.text("refresh_token");
    let refused = fixture.refresh(&token, &[]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "7"));
    assert_eq!(fixture.refresh(&token, &[]).await.outcome(), "200");
}

#[tokio::test]
async fn lost_response_consumes_the_refresh_token() {
    let fixture = Fixture::new().await;
    let token = fixture.tokens().await.text("refresh_token");
    fixture.issuer.once(Endpoint::Refresh, Fault::DropAnswer);
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &token),
        ("client_id", &fixture.client_id),
    ];
    let url = fixture.at("/token");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let lost = try_send("POST", &url, &headers, &form(&pairs)).await;
    assert!(lost.is_err(), "{lost:?}");
    let record = fixture.issuer.requests_to(Endpoint::Refresh);
    assert_eq!(record[0].status(), None);
    assert_eq!(
        fixture.refresh(&token, &[]).await.outcome(),
        "400 invalid_grant"
    );
    assert_eq!(
        fixture
            .issuer
            .registry()
            .reuse_counts()
            .refresh_tokens_reused,
        1
    );
}

/// Posts a refresh that is not answered; the error of the connection.
async fn unanswered(fixture: &Fixture, token: &str) -> io::Error {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", &fixture.client_id),
    ];
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = fixture.at("/token");
    try_send("POST", &url, &headers, &form(&pairs))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn reset_connection_fails_the_request() {
    let fixture = Fixture::new().await;
    let token = fixture.tokens().await.text("refresh_token");
    for (fault, replaced) in [(Fault::ResetRequest, false), (Fault::ResetAnswer, true)] {
        fixture.issuer.once(Endpoint::Refresh, fault);
        let error = unanswered(&fixture, &token).await;
        let cause = error.source().unwrap().downcast_ref::<io::Error>();
        assert_eq!(cause.unwrap().kind(), io::ErrorKind::ConnectionReset);
        let record = fixture.issuer.requests_to(Endpoint::Refresh);
        let replaced_at = fixture.issuer.registry().replaced_at(&token);
        assert_eq!(replaced_at.is_some(), replaced);
        assert!(replaced_at.is_none_or(|replaced_at| replaced_at >= record[1].at));
    }
}

#[tokio::test]
async fn web_page_after_the_work_consumes_the_refresh_token() {
    let fixture = Fixture::new().await;
    let token = fixture.tokens().await.text("refresh_token");
    fixture.issuer.once(Endpoint::Refresh, Fault::HtmlAnswer);
    let page = fixture.refresh(&token, &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("<!doctype html>"));
    assert!(fixture.issuer.registry().replaced_at(&token).is_some());
}

#[tokio::test]
async fn dropped_request_consumes_nothing() {
    let fixture = Fixture::new().await;
    let token = fixture.tokens().await.text("refresh_token");
    fixture.issuer.once(Endpoint::Refresh, Fault::DropRequest);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let body = form(&[("grant_type", "refresh_token")]);
    assert!(
        try_send("POST", &fixture.at("/token"), &headers, &body)
            .await
            .is_err()
    );
    assert_eq!(fixture.refresh(&token, &[]).await.outcome(), "200");
}

#[tokio::test]
async fn held_response_waits_for_the_gate() {
    let fixture = Fixture::new().await;
    let token = fixture.tokens().await.text("refresh_token");
    let gate = Gate::new();
    fixture
        .issuer
        .once(Endpoint::Refresh, Fault::HoldAnswer(gate.clone()));
    let held = async {
        let answer = fixture.refresh(&token, &[]).await;
        assert_eq!(answer.outcome(), "200");
        "answered"
    };
    let opener = async {
        gate.until_arrived(1).await;
        // The work is done already: the token is used up.
        let again = fixture.refresh(&token, &[]).await;
        assert_eq!(again.outcome(), "400 invalid_grant");
        gate.open();
    };
    assert_eq!(tokio::join!(held, opener).0, "answered");
}

#[tokio::test]
async fn held_request_does_nothing_before_the_gate_opens() {
    let fixture = Fixture::new().await;
    let gate = Gate::new();
    fixture
        .issuer
        .once(Endpoint::Refresh, Fault::HoldRequest(gate.clone()));
    let token = fixture.tokens().await.text("refresh_token");
    let held = fixture.refresh(&token, &[]);
    let opener = async {
        gate.until_arrived(1).await;
        assert_eq!(fixture.refresh(&token, &[]).await.outcome(), "200");
        gate.open();
    };
    let (held, ()) = tokio::join!(held, opener);
    assert_eq!(held.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn planned_response_replaces_json() {
    let fixture = Fixture::new().await;
    let url = fixture.at("/.well-known/oauth-authorization-server");
    fixture
        .issuer
        .plan(planned(Endpoint::ServerMetadata, When::Always, Fault::Html));
    let page = get(&url).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.starts_with("<!doctype html>"));
    let fault = Fault::Answer {
        status: 307,
        headers: vec![("location".to_owned(), "https://evil.example/".to_owned())],
        body: "elsewhere".to_owned(),
    };
    fixture
        .issuer
        .plan(planned(Endpoint::ServerMetadata, When::Always, fault));
    let moved = get(&url).await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (307, "https://evil.example/")
    );
    fixture.issuer.plan(Vec::new());
    assert_eq!(get(&url).await.text("issuer"), fixture.issuer.issuer());
}

#[tokio::test]
async fn endless_body_does_not_end() {
    let fixture = Fixture::new().await;
    fixture.issuer.once(Endpoint::Token, Fault::Endless);
    let address = fixture.issuer.origin().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "POST /token HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut left = 16 << 20;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "it ended {left} bytes early");
        left = usize::saturating_sub(left, count);
    }
}

#[tokio::test]
async fn restarted_server_keeps_its_state() {
    let fixture = Fixture::new().await;
    let token = fixture.tokens().await.text("refresh_token");
    fixture.issuer.stop().await;
    let refused = try_send("GET", &fixture.at("/authorize"), &[], "").await;
    let kind = refused.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
    fixture.issuer.resume().await.unwrap();
    assert_eq!(fixture.refresh(&token, &[]).await.outcome(), "200");
}

#[tokio::test]
async fn request_without_the_required_header_is_refused() {
    let required_header = Some(("x-corp".to_owned(), "let me in".to_owned()));
    let listen = |name| {
        let mut listen = ListenOptions::new(name);
        listen.required_header = required_header.clone();
        listen
    };
    let issuer = AuthorizationServer::start(AuthorizationServerOptions {
        listen: listen("issuer"),
        ..Default::default()
    });
    let issuer = issuer.await.unwrap();
    let server = McpServer::start(McpServerOptions {
        listen: listen("server"),
        ..McpServerOptions::protected_by(&issuer)
    });
    let server = server.await.unwrap();
    for (url, status) in [
        (
            format!("{}/.well-known/oauth-authorization-server", issuer.origin()),
            200,
        ),
        (
            format!(
                "{}/.well-known/oauth-protected-resource/mcp",
                server.origin()
            ),
            200,
        ),
        (server.url(), 401),
    ] {
        for (value, expected) in [("", 403), ("let me out", 403), ("let me in", status)] {
            let answer = send("GET", &url, &[("X-Corp", value)], "").await;
            assert_eq!(answer.status, expected, "{url} {value}");
        }
        assert_eq!(get(&url).await.status, 403, "{url}");
    }
}

#[tokio::test]
async fn endpoints_at_the_mcp_origin_answer() {
    let issuer = AuthorizationServer::start(AuthorizationServerOptions::default());
    let issuer = issuer.await.unwrap();
    let options = McpServerOptions {
        issuer_inside: Some(issuer.endpoints()),
        ..McpServerOptions::protected_by(&issuer)
    };
    let server = McpServer::start(options).await.unwrap();
    let token = format!("{}/token", server.origin());
    let refused = post_form(&token, &[], &[("grant_type", "refresh_token")]).await;
    assert_eq!(refused.outcome(), "401 invalid_client");
    assert_eq!(server.requests_to(Endpoint::Refresh).len(), 1);
    assert_eq!(issuer.requests().len(), 0);
    assert_eq!(get(&server.url()).await.status, 401);
}
