//! A browser on another machine: the callback comes by the clipboard.

use hallpass_core::BoxFuture;
use hallpass_login::{Interaction, LoginEvent, OpenError};
use hallpass_testkit::{Endpoint, Person, Tamper};
use url::Url;

use crate::fixture::{Browser, Fixture};

#[tokio::test]
async fn pasted_callback_url_signs_in() {
    let mut fixture = Fixture::new().await;
    fixture.browser = Browser::declining();
    let browser = fixture.browser.clone();
    let person = async {
        let url = browser.url(0).await;
        let visit = Person::new().copying_callback().visit(&url).await.unwrap();
        let callback = visit.callback.unwrap();
        let code = callback
            .query_pairs()
            .find(|(name, _)| name == "code")
            .unwrap()
            .1;
        browser.paste(""); // the Enter key
        browser.paste(code.clone());
        browser.paste(url.as_str());
        let mut other = callback.clone();
        other
            .query_pairs_mut()
            .clear()
            .append_pair("code", &code)
            .append_pair("state", "guessed");
        browser.paste(other);
        browser.paste(format!("  {callback}\n"));
    };
    let (record, ()) = tokio::join!(fixture.signed_in(), person);
    assert!(record.is_signed_in());
    let refused = fixture
        .browser
        .steps()
        .iter()
        .filter(|step| *step == "PasteRefused")
        .count();
    assert_eq!(refused, 4);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Token).len(), 1);
}

#[tokio::test]
async fn pasted_refusal_ends_the_login() {
    let mut fixture = Fixture::new().await;
    fixture.browser = Browser::declining();
    let browser = fixture.browser.clone();
    let person = async {
        let url = browser.url(0).await;
        let person = Person::new().tampering(Tamper::Deny).copying_callback();
        browser.paste(person.visit(&url).await.unwrap().callback.unwrap());
    };
    let (outcome, ()) = tokio::join!(fixture.login(), person);
    assert_eq!(
        outcome.unwrap_err().kind(),
        hallpass_login::LoginErrorKind::Denied
    );
}

/// A host whose opener does not come back, as `w3m` in a terminal doesn't.
#[derive(Debug)]
struct Stuck(std::sync::Arc<Browser>);

impl Interaction for Stuck {
    fn open<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(std::future::pending())
    }

    fn event(&self, event: LoginEvent<'_>) {
        self.0.event(event);
    }
}

#[tokio::test]
async fn hanging_browser_opener_does_not_delay_the_login() {
    let fixture = Fixture::new().await;
    let browser = fixture.browser.clone();
    let person = async {
        let url = browser.url(0).await;
        Person::new().visit(&url).await.unwrap()
    };
    let stuck = std::sync::Arc::new(Stuck(browser.clone()));
    let (outcome, visit) = tokio::join!(fixture.login_through(stuck), person);
    assert!(outcome.unwrap().is_signed_in());
    assert_eq!(visit.status, 200);
}

#[tokio::test]
async fn canceled_login_reports_its_end() {
    let fixture = Fixture::new().await;
    let browser = fixture.browser.clone();
    let stuck = std::sync::Arc::new(Stuck(browser.clone()));
    tokio::select! {
        outcome = fixture.login_through(stuck) => panic!("{outcome:?}"),
        _ = browser.url(0) => {}
    }
    assert_eq!(browser.steps().last().unwrap(), "Ended");
}

#[tokio::test]
async fn callback_wins_over_a_terminal_without_input() {
    let fixture = Fixture::new().await;
    fixture.signed_in().await;
    assert!(
        fixture
            .browser
            .steps()
            .contains(&"BrowserOpened".to_owned())
    );
}
