//! A browser on another machine: the callback comes by the clipboard.

use hallpass_testkit::{Endpoint, Person, Tamper};

use crate::desk::{Browser, Desk};

#[tokio::test]
async fn a_pasted_callback_url_signs_in() {
    let mut desk = Desk::new().await;
    desk.browser = Browser::nowhere();
    let browser = desk.browser.clone();
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
    let (record, ()) = tokio::join!(desk.signed_in(), person);
    assert!(record.is_signed_in());
    let refused = desk
        .browser
        .steps()
        .iter()
        .filter(|step| *step == "PasteRefused")
        .count();
    assert_eq!(refused, 4);
    assert_eq!(desk.issuer.requests_to(Endpoint::Token).len(), 1);
}

#[tokio::test]
async fn a_pasted_refusal_ends_the_login() {
    let mut desk = Desk::new().await;
    desk.browser = Browser::nowhere();
    let browser = desk.browser.clone();
    let person = async {
        let url = browser.url(0).await;
        let person = Person::new().tampering(Tamper::Deny).copying_callback();
        browser.paste(person.visit(&url).await.unwrap().callback.unwrap());
    };
    let (outcome, ()) = tokio::join!(desk.login(), person);
    assert_eq!(
        outcome.unwrap_err().kind(),
        hallpass_login::LoginErrorKind::Denied
    );
}

#[tokio::test]
async fn the_port_wins_over_a_terminal_that_never_answers() {
    let desk = Desk::new().await;
    desk.signed_in().await;
    assert!(desk.browser.steps().contains(&"BrowserOpened".to_owned()));
}
