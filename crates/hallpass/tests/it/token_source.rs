//! A host whose tokens somebody else obtains.

use std::{fs::File, io::Write as _, path::Path, sync::Arc};

use hallpass::{
    AccessToken, FixedToken, Hallpass, LoginFailed, Remedy,
    machine::TokenFile,
    session::{SessionError, TerminationReason},
};
use hallpass_testkit::Endpoint;
use rmcp::ServiceExt;

use crate::world::{World, add, chain, connect};

fn host(world: &World, file: &Path) -> Hallpass {
    let source = Arc::new(TokenFile::new(file));
    world.host().token_source(source).build().unwrap()
}

fn write(file: &Path, token: &str) {
    let mut file = File::create(file).unwrap();
    writeln!(file, "{token}").unwrap();
}

/// Nobody was asked for anything but the MCP server.
fn check_no_oauth(world: &World) {
    let others = world.issuer.recorder().requests();
    let mut others = others
        .iter()
        .filter(|request| !request.is_to(Endpoint::Mcp));
    assert!(others.next().is_none());
    assert_eq!(world.visitor.visits(), 0);
}

#[tokio::test]
async fn a_file_that_is_replaced_is_read_anew() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let url = world.server.url();
    let plant = || world.issuer.registry().plant(Some(&url), "");

    write(&file, &plant());
    let hallpass = host(&world, &file);
    assert!(hallpass.login().await.is_ok(), "there is one to be had");
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 2, 3).await, "5");
    // The server revokes it, and whoever writes the file has written another one.
    world.issuer.expire_access_tokens();
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
    check_no_oauth(&world);
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_a_stated_end() {
    let world = World::new().await;
    let source = FixedToken::new(AccessToken::new("canary"), "the variable `X`");
    let hallpass = world.host().token_source(Arc::new(source)).build().unwrap();
    let Err(error) = ().serve(hallpass.transport()).await else {
        panic!("nobody lets us in with that");
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
    check_no_oauth(&world);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let hallpass = host(&world, &folder.path().join("absent"));
    let error: LoginFailed = hallpass.login().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(().serve(hallpass.transport()).await.is_err());
    assert!(world.issuer.recorder().requests().is_empty());
}
