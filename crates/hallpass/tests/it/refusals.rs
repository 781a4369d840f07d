//! What goes wrong at a server: a clear error, and nothing that was saved is lost.

use hallpass::Remedy;
use hallpass_testkit::{
    AuthorizationServerOptions, Behaviour, Callback, Endpoint, Fault, IssParameter, LeakCheck,
};

use crate::world::{World, add, chain, connect};

/// A login at a server that behaves so: its remedy and its words.
async fn login_at(behaviour: Behaviour) -> (World, Remedy, String) {
    let options = AuthorizationServerOptions {
        behaviour,
        ..AuthorizationServerOptions::default()
    };
    let world = World::with(options, |_| {}).await;
    let (remedy, text) = fail(&world).await;
    (world, remedy, text)
}

/// A login that must fail, with the record that was there before still good.
async fn fail(world: &World) -> (Remedy, String) {
    let hallpass = world.host().build().unwrap();
    let error = hallpass.login().await.expect_err("the login fails");
    let text = chain(&error);
    (error.remedy(), text)
}

#[tokio::test]
async fn a_wrong_iss_ends_the_login_without_a_token_request() {
    let iss = IssParameter::Exactly("https://evil.example".to_owned());
    let (world, _, text) = login_at(Behaviour {
        iss,
        ..Behaviour::default()
    })
    .await;
    assert!(text.contains("https://evil.example"), "{text}");
    assert_eq!(world.requests_to(Endpoint::Token).len(), 0);
}

#[tokio::test]
async fn a_missing_iss_that_was_promised_ends_the_login_without_a_token_request() {
    let behaviour = Behaviour {
        iss: IssParameter::Missing,
        ..Behaviour::default()
    };
    let (world, _, text) = login_at(behaviour).await;
    assert!(text.contains("iss"), "{text}");
    assert_eq!(world.requests_to(Endpoint::Token).len(), 0);
}

#[tokio::test]
async fn a_person_who_says_no_is_told_apart_from_a_fault() {
    let callback = Callback::Error("access_denied".to_owned());
    let (world, _, text) = login_at(Behaviour {
        callback,
        ..Behaviour::default()
    })
    .await;
    assert!(text.contains("access_denied"), "{text}");
    assert_eq!(world.requests_to(Endpoint::Token).len(), 0);
}

#[tokio::test]
async fn html_in_place_of_json_is_named() {
    for endpoint in [
        Endpoint::ServerMetadata,
        Endpoint::Registration,
        Endpoint::CodeExchange,
    ] {
        let world = World::new().await;
        world.issuer.once(endpoint, Fault::Html);
        let (_, text) = fail(&world).await;
        assert!(
            !text.contains('<'),
            "{endpoint:?}: no page in an error: {text}"
        );
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    for endpoint in [
        Endpoint::ServerMetadata,
        Endpoint::Registration,
        Endpoint::CodeExchange,
    ] {
        let world = World::new().await;
        world.issuer.once(endpoint, Fault::Endless);
        let (_, text) = fail(&world).await;
        assert!(text.contains("larger than allowed"), "{endpoint:?}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_costs_nothing_that_was_saved() {
    let world = World::new().await;
    let hallpass = world.host().build().unwrap();
    let client = connect(&hallpass).await;
    let before = hallpass.record().await.unwrap().unwrap();

    world.issuer.stop().await;
    world.issuer.expire_access_tokens();
    let arguments = serde_json::json!({ "a": 1, "b": 1 })
        .as_object()
        .cloned()
        .unwrap();
    let request = rmcp::model::CallToolRequestParams::new("add").with_arguments(arguments);
    let error = client.call_tool(request).await.unwrap_err();
    let error = hallpass::TransportError::behind(&error).unwrap();
    assert_eq!(error.remedy(), Remedy::Retry, "{}", chain(error));
    let after = hallpass.record().await.unwrap().unwrap();
    assert_eq!(after.grant, before.grant);
}

#[tokio::test]
async fn no_secret_is_in_an_error() {
    let world = World::new().await;
    let hallpass = world.host().build().unwrap();
    let client = connect(&hallpass).await;
    assert_eq!(add(&client, 1, 1).await, "2");
    let grant = hallpass.record().await.unwrap().unwrap().grant.unwrap();
    let mut leaks = LeakCheck::new();
    leaks.watch_record(world.issuer.recorder(), &[]);
    assert!(
        leaks.watched() >= 4,
        "code, verifier, access and refresh token at least"
    );

    world.issuer.once(
        Endpoint::Refresh,
        Fault::Answer {
            status: 400,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: format!(
                r#"{{"error":"invalid_grant","error_description":"{}"}}"#,
                grant.refresh_token.as_ref().unwrap().expose()
            ),
        },
    );
    world.issuer.expire_access_tokens();
    let refused = hallpass.session().token().await.unwrap();
    let error = hallpass
        .session()
        .token_after_rejection(&refused, &[])
        .await
        .unwrap_err();
    let record = hallpass.record().await.unwrap();
    leaks
        .check("the error", &format!("{} {error:?}", chain(&error)))
        .unwrap();
    leaks
        .check("Debug", &format!("{hallpass:?} {record:?}"))
        .unwrap();
}
