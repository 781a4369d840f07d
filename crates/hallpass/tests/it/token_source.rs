//! A host whose tokens are obtained elsewhere.

use std::{fs::File, io::Write as _, path::Path, sync::Arc};

use hallpass::Diagnostic as _;
use hallpass::{
    AccessToken, FixedToken, Hallpass, Remedy, SessionError, service::TokenFile,
    session::TerminationReason,
};
use hallpass_testkit::Endpoint;
use rmcp::ServiceExt;

use crate::fixture::{Fixture, add, chain, connect};

fn host(fixture: &Fixture, file: &Path) -> Hallpass {
    let source = Arc::new(TokenFile::new(file));
    fixture.host().token_source(source).build().unwrap()
}

fn write(file: &Path, token: &str) {
    let mut file = File::create(file).unwrap();
    writeln!(file, "{token}").unwrap();
}

/// Only the MCP server was asked.
fn check_no_oauth(fixture: &Fixture) {
    let others = fixture.issuer.recorder().requests();
    let mut others = others
        .iter()
        .filter(|request| !request.is_to(Endpoint::Mcp));
    assert!(others.next().is_none());
    assert_eq!(fixture.browser.visits(), 0);
}

#[tokio::test]
async fn replaced_token_file_is_read_again() {
    let fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let url = fixture.server.url();
    let plant = || fixture.issuer.registry().plant(Some(&url), "");

    write(&file, &plant());
    let hallpass = host(&fixture, &file);
    assert!(hallpass.login().await.is_ok(), "there is one to be had");
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 2, 3).await, "5");
    // The server revokes it, and the file has another one.
    fixture.issuer.expire_access_tokens();
    write(&file, &plant());
    assert_eq!(add(&client, 3, 4).await, "7");
    client.cancel().await.unwrap();
    hallpass
        .close(std::time::Duration::from_secs(10))
        .await
        .unwrap();
    assert!(
        hallpass.record().await.unwrap().is_none(),
        "nothing is kept"
    );
    check_no_oauth(&fixture);
}

#[tokio::test]
async fn refused_external_token_terminates_the_session() {
    let fixture = Fixture::new().await;
    let source = FixedToken::new(AccessToken::new("canary"), "the variable `X`");
    let hallpass = fixture
        .host()
        .token_source(Arc::new(source))
        .build()
        .unwrap();
    let Err(error) = ().serve(hallpass.transport()).await else {
        panic!("the server refuses the token");
    };
    let text = chain(&error);
    assert!(
        text.contains("refuses the token from the variable `X`"),
        "{text}"
    );
    assert!(!format!("{text} {error:?}").contains("canary"));
    let token = hallpass.session().token().await.unwrap();
    let end = hallpass.session().handle_challenge(Some(&token), &[]).await;
    let Err(SessionError::Terminated(ended)) = end else {
        panic!("no stated end");
    };
    assert_eq!(
        *ended.reason(),
        TerminationReason::ExternalTokenRefused("the variable `X`".to_owned())
    );
    check_no_oauth(&fixture);
}

#[tokio::test]
async fn missing_token_file_sends_nothing() {
    let fixture = Fixture::new().await;
    let folder = tempfile::tempdir().unwrap();
    let hallpass = host(&fixture, &folder.path().join("absent"));
    let error: hallpass::Error = hallpass.login().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(().serve(hallpass.transport()).await.is_err());
    assert!(fixture.issuer.recorder().requests().is_empty());
}
