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

use crate::wire::{World, form, get, post_form, send, try_send};

fn planned(endpoint: Endpoint, when: When, fault: Fault) -> Vec<PlannedFault> {
    vec![PlannedFault {
        endpoint,
        when,
        fault,
    }]
}

#[tokio::test]
async fn the_second_token_request_is_answered_503_and_uses_nothing_up() {
    let world = World::new().await;
    world.issuer.plan(planned(
        Endpoint::Token,
        When::Nth(2),
        Fault::Status {
            status: 503,
            retry_after: Some("7".to_owned()),
        },
    ));
    let token = world.tokens().await.text("refresh_token");
    let refused = world.refresh(&token, &[]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "7"));
    assert_eq!(world.refresh(&token, &[]).await.outcome(), "200");
}

#[tokio::test]
async fn a_lost_answer_has_used_the_refresh_token_up() {
    let world = World::new().await;
    let token = world.tokens().await.text("refresh_token");
    world.issuer.once(Endpoint::Refresh, Fault::DropAnswer);
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &token),
        ("client_id", &world.client_id),
    ];
    let url = world.at("/token");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let lost = try_send("POST", &url, &headers, &form(&pairs)).await;
    assert!(lost.is_err(), "{lost:?}");
    let record = world.issuer.requests_to(Endpoint::Refresh);
    assert_eq!(record[0].status(), None);
    assert_eq!(
        world.refresh(&token, &[]).await.outcome(),
        "400 invalid_grant"
    );
    assert_eq!(world.issuer.book().misuse().refresh_tokens_reused, 1);
}

/// Posts a refresh that is not answered; the error of the connection.
async fn unanswered(world: &World, token: &str) -> io::Error {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", &world.client_id),
    ];
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = world.at("/token");
    try_send("POST", &url, &headers, &form(&pairs))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn reset_before_and_after_the_work_is_a_reset_to_the_client() {
    let world = World::new().await;
    let token = world.tokens().await.text("refresh_token");
    for (fault, replaced) in [(Fault::ResetRequest, false), (Fault::ResetAnswer, true)] {
        world.issuer.once(Endpoint::Refresh, fault);
        let error = unanswered(&world, &token).await;
        let cause = error.source().unwrap().downcast_ref::<io::Error>();
        assert_eq!(cause.unwrap().kind(), io::ErrorKind::ConnectionReset);
        let record = world.issuer.requests_to(Endpoint::Refresh);
        let replaced_at = world.issuer.book().replaced_at(&token);
        assert_eq!(replaced_at.is_some(), replaced);
        assert!(replaced_at.is_none_or(|replaced_at| replaced_at >= record[1].at));
    }
}

#[tokio::test]
async fn web_page_after_the_work_has_used_the_refresh_token_up() {
    let world = World::new().await;
    let token = world.tokens().await.text("refresh_token");
    world.issuer.once(Endpoint::Refresh, Fault::HtmlAnswer);
    let page = world.refresh(&token, &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("<!doctype html>"));
    assert!(world.issuer.book().replaced_at(&token).is_some());
}

#[tokio::test]
async fn a_dropped_request_has_used_nothing_up() {
    let world = World::new().await;
    let token = world.tokens().await.text("refresh_token");
    world.issuer.once(Endpoint::Refresh, Fault::DropRequest);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let body = form(&[("grant_type", "refresh_token")]);
    assert!(
        try_send("POST", &world.at("/token"), &headers, &body)
            .await
            .is_err()
    );
    assert_eq!(world.refresh(&token, &[]).await.outcome(), "200");
}

#[tokio::test]
async fn an_answer_is_held_until_the_gate_opens() {
    let world = World::new().await;
    let token = world.tokens().await.text("refresh_token");
    let gate = Gate::new();
    world
        .issuer
        .once(Endpoint::Refresh, Fault::HoldAnswer(gate.clone()));
    let held = async {
        let answer = world.refresh(&token, &[]).await;
        assert_eq!(answer.outcome(), "200");
        "answered"
    };
    let opener = async {
        gate.until_arrived(1).await;
        // The work is done already: the token is used up.
        let again = world.refresh(&token, &[]).await;
        assert_eq!(again.outcome(), "400 invalid_grant");
        gate.open();
    };
    assert_eq!(tokio::join!(held, opener).0, "answered");
}

#[tokio::test]
async fn a_request_is_held_before_anything_is_done() {
    let world = World::new().await;
    let gate = Gate::new();
    world
        .issuer
        .once(Endpoint::Refresh, Fault::HoldRequest(gate.clone()));
    let token = world.tokens().await.text("refresh_token");
    let held = world.refresh(&token, &[]);
    let opener = async {
        gate.until_arrived(1).await;
        assert_eq!(world.refresh(&token, &[]).await.outcome(), "200");
        gate.open();
    };
    let (held, ()) = tokio::join!(held, opener);
    assert_eq!(held.outcome(), "400 invalid_grant");
}

#[tokio::test]
async fn html_and_other_answers_in_the_place_of_json() {
    let world = World::new().await;
    let url = world.at("/.well-known/oauth-authorization-server");
    world
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
    world
        .issuer
        .plan(planned(Endpoint::ServerMetadata, When::Always, fault));
    let moved = get(&url).await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (307, "https://evil.example/")
    );
    world.issuer.plan(Vec::new());
    assert_eq!(get(&url).await.text("issuer"), world.issuer.issuer());
}

#[tokio::test]
async fn the_endless_body_goes_on_as_long_as_anybody_reads() {
    let world = World::new().await;
    world.issuer.once(Endpoint::Token, Fault::Endless);
    let address = world.issuer.origin().trim_start_matches("http://");
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
async fn a_server_goes_down_and_comes_up_with_everything_it_knew() {
    let world = World::new().await;
    let token = world.tokens().await.text("refresh_token");
    world.issuer.stop().await;
    let refused = try_send("GET", &world.at("/authorize"), &[], "").await;
    let kind = refused.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
    world.issuer.resume().await.unwrap();
    assert_eq!(world.refresh(&token, &[]).await.outcome(), "200");
}

#[tokio::test]
async fn a_required_header_is_required_everywhere() {
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
async fn the_endpoints_can_be_answered_at_the_mcp_servers_origin() {
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
