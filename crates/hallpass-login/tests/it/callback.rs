//! The callback port while a login waits.

use std::{sync::Arc, time::Duration};

use hallpass_core::Authorizer as _;
use hallpass_login::{BrowserLogin, LoginError, LoginErrorKind};
use hallpass_testkit::{Endpoint, FixedEntropy, Person, Tamper};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use crate::fixture::{Browser, Fixture};

/// Sends bytes to a port and reads what comes.
async fn send(port: u16, request: String) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn parameter(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
}

fn callback(url: &Url) -> Url {
    Url::parse(&parameter(url, "redirect_uri")).unwrap()
}

fn callback_port(url: &Url) -> u16 {
    callback(url).port().unwrap()
}

#[tokio::test]
async fn hostile_requests_to_the_callback_port_are_ignored() {
    let mut fixture = Fixture::new().await;
    fixture.browser = Browser::declining();
    let browser = fixture.browser.clone();
    let stranger = async {
        let url = browser.url(0).await;
        let port = callback_port(&url);
        let path = callback(&url).path().to_owned();
        let state = parameter(&url, "state");
        let host = format!("Host: 127.0.0.1:{port}");
        let requests = [
            // A web page that posts, with everything right but the method.
            format!(
                "POST {path}?code=evil&state={state} HTTP/1.1\r\n{host}\r\n\
                 Content-Length: 9\r\n\r\ncode=evil"
            ),
            // A name that points here.
            format!("GET {path}?code=evil&state={state} HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
            format!("GET {path}?code=evil HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("GET {path}?code=evil&state=guessed HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("GET {path}?error=access_denied HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("GET {path}?error=access_denied&state= HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("GET {path}?code=evil&state={state}&state=x HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("HEAD {path}?code=evil&state={state} HTTP/1.1\r\n{host}\r\n\r\n"),
            format!(
                "GET {path}?code=evil&state={state} HTTP/1.1\r\n{host}\r\n\
                 Sec-Purpose: prefetch\r\n\r\n"
            ),
            format!("GET /favicon.ico HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{host}\r\n\r\n"),
            // The path of a redirect URI that is registered by hand, and of another issuer.
            format!("GET /callback?code=evil&state={state} HTTP/1.1\r\n{host}\r\n\r\n"),
            format!(
                "GET /callback/0123456789abcdef?code=evil&state={state} HTTP/1.1\r\n{host}\r\n\r\n"
            ),
        ];
        for request in requests.iter().cycle().take(1000) {
            let answer = send(port, request.clone()).await;
            let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
            assert!(
                matches!(status.as_bytes().first(), Some(b'4' | b'5')),
                "{request}: {answer}"
            );
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(!body.contains("evil"), "nothing is echoed: {answer}");
        }
        Person::new().visit(&url).await.unwrap()
    };
    let (record, visit) = tokio::join!(fixture.signed_in(), stranger);
    assert_eq!(visit.status, 200);
    assert!(record.is_signed_in());
    assert_eq!(fixture.issuer.requests_to(Endpoint::Token).len(), 1);
    // Those that are no callback by their form are no event at all.
    let events = browser.events();
    let strays: Vec<_> = events
        .iter()
        .filter(|event| event.starts_with("Stray"))
        .collect();
    assert_eq!(strays.len(), 2, "{strays:?}");
    assert!(strays[0].starts_with("Stray {"), "{strays:?}");
    assert_eq!(strays[1], "Strays { count: 385 }");
}

#[tokio::test]
async fn favicon_request_before_the_callback_is_ignored() {
    let mut fixture = Fixture::new().await;
    fixture.set_person(Person::new().tampering(Tamper::FaviconFirst));
    fixture.signed_in().await;
    assert_eq!(fixture.browser.visit().await.status, 200);
}

#[tokio::test]
async fn repeated_callback_is_exchanged_once() {
    let mut fixture = Fixture::new().await;
    fixture.set_person(Person::new().tampering(Tamper::Twice));
    fixture.signed_in().await;
    assert_eq!(fixture.issuer.requests_to(Endpoint::Token).len(), 1);
}

#[tokio::test]
async fn wrong_state_ends_the_login_only_at_the_timeout() {
    let mut fixture = Fixture::new().await;
    fixture.set_person(Person::new().tampering(Tamper::wrong_state()));
    let clock = fixture.clock.clone();
    let passing = async {
        // The callback was answered, and the login still waits.
        fixture.browser.url(0).await;
        let visit = loop {
            match fixture.browser.visits().await.pop() {
                Some(visit) => break visit.unwrap(),
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(visit.status, 400);
        clock.until_asleep(1).await;
        clock.advance(BrowserLogin::TIMEOUT.saturating_sub(Duration::from_millis(1)));
        tokio::task::yield_now().await;
        assert_eq!(clock.sleepers(), 1);
        clock.advance(Duration::from_millis(1));
    };
    let (outcome, ()) = tokio::join!(fixture.login(), passing);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Timeout);
    assert!(error.to_string().contains("within 300 s"), "{error}");
    assert!(!error.hints().is_empty());
    assert!(fixture.issuer.requests_to(Endpoint::Token).is_empty());
    assert!(fixture.browser.steps().contains(&"Stray".to_owned()));
}

#[tokio::test]
async fn dropped_login_frees_its_port_and_keeps_its_registration() {
    let mut fixture = Fixture::new().await;
    fixture.browser = Browser::declining();
    let browser = fixture.browser.clone();
    let url = tokio::select! {
        outcome = fixture.login() => panic!("{outcome:?}"),
        url = browser.url(0) => url,
    };
    let port = callback_port(&url);
    // The listening task ends when the runtime next looks at it.
    while tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .is_err()
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.saved.records().len(), 1);
}

#[tokio::test]
async fn callback_page_has_no_code_and_loads_nothing() {
    let fixture = Fixture::new().await;
    fixture.signed_in().await;
    let visit = fixture.browser.visit().await;
    let code = parameter(&visit.callback.unwrap(), "code");
    assert!(!visit.page.contains(&code));
    assert!(visit.page.contains("history.replaceState"));
}

#[tokio::test]
async fn wait_for_another_process_ends_at_the_time_limit_of_a_login() {
    let fixture = Fixture::new().await;
    let clock = fixture.clock.clone();
    let login = BrowserLogin::builder(
        Fixture::http(),
        Arc::new(clock.clone()),
        Arc::new(FixedEntropy::new(7)),
        fixture.browser.clone(),
    );
    let login = login.timeout(Duration::from_secs(7)).build();
    let passing = async {
        clock.until_asleep(1).await;
        clock.advance(Duration::from_secs(7));
    };
    let (error, ()) = tokio::join!(login.waits_for_process(Some("process 12")), passing);
    let failed: &LoginError = error.get_ref().downcast_ref().unwrap();
    assert_eq!(failed.kind(), LoginErrorKind::Timeout);
    let expected = "process 12 asks the user to sign in, and that was not finished within 7 s";
    assert_eq!(error.to_string(), expected);
}
