//! Logins that fail: each says why, and what to do.

use hallpass_core::{AuthorizeError, CallbackSetting, Remedy};
use hallpass_login::{
    LoginError,
    LoginErrorKind::{
        self, Callback as Untrusted, Denied, Discovery, Exchange, Network, NoClient, Registration,
        Request, Setting, Store,
    },
};
use hallpass_testkit::{
    Behaviour, Callback, Endpoint, Fault, IssParameter, Protection, PublishedResource,
};

use crate::fixture::Fixture;

struct Expected {
    kind: LoginErrorKind,
    remedy: Remedy,
    /// Words of the error or its sources.
    words: &'static str,
    has_hint: bool,
    /// Whether the user was sent to the authorization server.
    opened: bool,
}

async fn check(fixture: Fixture, expected: Expected) {
    let error = fixture.login().await.unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert_eq!(error.kind(), expected.kind, "{text}");
    assert_eq!(error.remedy(), expected.remedy, "{text}");
    assert_eq!(
        !error.hints().is_empty(),
        expected.has_hint,
        "{text}: {:?}",
        error.hints()
    );
    assert!(text.contains(expected.words), "{text}");
    assert!(
        !text.ends_with('.') && !text.starts_with(char::is_uppercase),
        "{text}"
    );
    assert_eq!(
        !fixture.browser.urls().is_empty(),
        expected.opened,
        "{text}"
    );
    assert!(
        fixture
            .saved
            .records()
            .iter()
            .all(|record| record.grant.is_none())
    );
    for visit in fixture.browser.visits().await {
        let visit = visit.unwrap();
        assert!(
            visit.page.contains("You are not signed in"),
            "{}",
            visit.page
        );
    }
}

async fn behaving(change: impl FnOnce(&mut Behaviour)) -> Fixture {
    Fixture::with(|options| change(&mut options.behaviour)).await
}

async fn protecting(change: impl FnOnce(&mut Protection)) -> Fixture {
    let fixture = Fixture::new().await;
    fixture.server.change(change);
    fixture
}

async fn failing(endpoint: Endpoint, fault: Fault) -> Fixture {
    let fixture = Fixture::new().await;
    fixture.issuer.once(endpoint, fault);
    fixture
}

fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        retry_after: None,
    }
}

fn json(status: u16, body: &str) -> Fault {
    Fault::Answer {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn login_error_before_the_browser_has_kind_and_remedy() {
    let before = |kind, remedy, words, has_hint| Expected {
        kind,
        remedy,
        words,
        has_hint,
        opened: false,
    };
    check(
        protecting(|it| {
            it.resource = PublishedResource::Exactly("https://evil.example/mcp".to_owned());
        })
        .await,
        before(
            Discovery,
            Remedy::Configure,
            "https://evil.example/mcp",
            true,
        ),
    )
    .await;
    check(
        behaving(|it| it.pkce_advertised = false).await,
        before(Request, Remedy::Configure, "PKCE", true),
    )
    .await;
    check(
        behaving(|it| it.registration = false).await,
        before(NoClient, Remedy::Configure, "registers no clients", true),
    )
    .await;
    check(
        failing(Endpoint::Registration, Fault::Html).await,
        before(Registration, Remedy::Report, "names no client", true),
    )
    .await;
    check(
        failing(
            Endpoint::Registration,
            json(400, r#"{"error":"invalid_redirect_uri"}"#),
        )
        .await,
        before(
            Registration,
            Remedy::Configure,
            "invalid_redirect_uri",
            true,
        ),
    )
    .await;
    check(
        failing(Endpoint::Registration, status(500)).await,
        before(Registration, Remedy::Retry, "status 500", false),
    )
    .await;
    let mut fixture = Fixture::new().await;
    fixture.settings.callback = CallbackSetting::default().with_host("0.0.0.0".to_owned());
    check(
        fixture,
        before(Setting, Remedy::Configure, "0.0.0.0", false),
    )
    .await;
}

#[tokio::test]
async fn registration_that_is_not_saved_opens_no_browser() {
    let mut fixture = Fixture::new().await;
    fixture.saved.fails = true;
    let expected = Expected {
        kind: Store,
        remedy: Remedy::Configure,
        words: "the disk is full",
        has_hint: false,
        opened: false,
    };
    check(fixture, expected).await;
}

#[tokio::test]
async fn authorize_error_holds_the_login_error() {
    let mut fixture = Fixture::new().await;
    fixture.settings.callback.path = Some("no slash".to_owned());
    let error = AuthorizeError::from(fixture.login().await.unwrap_err());
    assert_eq!(error.remedy(), Remedy::Configure);
    let error = error.get_ref().downcast_ref::<LoginError>().unwrap();
    assert_eq!(error.kind(), Setting);
}

#[tokio::test]
async fn login_error_at_the_callback_has_kind_and_remedy() {
    let after = |kind, remedy, words, has_hint| Expected {
        kind,
        remedy,
        words,
        has_hint,
        opened: true,
    };
    let answering = async |error: &str| {
        let error = error.to_owned();
        behaving(|it| it.callback = Callback::Error(error)).await
    };
    check(
        answering("access_denied").await,
        after(Denied, Remedy::SignIn, "access_denied", false),
    )
    .await;
    check(
        answering("invalid_scope").await,
        after(Denied, Remedy::Configure, "invalid_scope", true),
    )
    .await;
    check(
        answering("<server>alert(1)</server>").await,
        after(Denied, Remedy::SignIn, "refused the sign-in", false),
    )
    .await;
    check(
        behaving(|it| it.iss = IssParameter::Missing).await,
        after(Untrusted, Remedy::Report, "holds no `iss`", true),
    )
    .await;
    check(
        behaving(|it| it.iss = IssParameter::Exactly("https://evil.example".to_owned())).await,
        after(Untrusted, Remedy::Report, "https://evil.example", true),
    )
    .await;
}

#[tokio::test]
async fn untrusted_callback_sends_no_token_request() {
    let fixture = behaving(|it| it.iss = IssParameter::Missing).await;
    fixture.login().await.unwrap_err();
    assert!(fixture.issuer.requests_to(Endpoint::Token).is_empty());
}

#[tokio::test]
async fn login_error_at_the_token_endpoint_has_kind_and_remedy() {
    let after = |kind, remedy, words, has_hint| Expected {
        kind,
        remedy,
        words,
        has_hint,
        opened: true,
    };
    check(
        failing(Endpoint::Token, json(400, r#"{"error":"invalid_grant"}"#)).await,
        after(Exchange, Remedy::SignIn, "invalid_grant", false),
    )
    .await;
    check(
        failing(Endpoint::Token, json(400, r#"{"error":"invalid_target"}"#)).await,
        after(Exchange, Remedy::Configure, "invalid_target", true),
    )
    .await;
    check(
        failing(Endpoint::Token, Fault::Html).await,
        after(Exchange, Remedy::Retry, "no tokens", false),
    )
    .await;
    check(
        failing(Endpoint::Token, status(500)).await,
        after(Exchange, Remedy::Retry, "no tokens", false),
    )
    .await;
    check(
        failing(Endpoint::Token, Fault::DropAnswer).await,
        after(Network, Remedy::Retry, "broke off", true),
    )
    .await;
    check(
        failing(Endpoint::Token, Fault::Endless).await,
        after(Network, Remedy::Report, "larger than allowed", true),
    )
    .await;
}
