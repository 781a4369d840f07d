//! `logout --forget-client`: the client that the program registered is forgotten here and at the
//! server (RFC 7592 §2.3).

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, Fault};

use crate::program::Fixture;

async fn managing() -> Fixture {
    let mut options = AuthorizationServerOptions::default();
    options.behaviour.registration_management = true;
    Fixture::with(options, |_| {}).await
}

/// What is said of the registration; the program ends well in any case.
async fn forget(fixture: &Fixture, more: &[&str]) -> String {
    let url = fixture.url();
    let arguments = [&["logout", &url, "--forget-client"], more].concat();
    let said = fixture.run(&arguments).await.expect(0).stdout;
    said.lines().last().unwrap().trim().to_owned()
}

fn deletions(fixture: &Fixture) -> usize {
    let requests = fixture.issuer.requests_to(Endpoint::Registration);
    requests.iter().filter(|it| it.method == "DELETE").count()
}

#[tokio::test]
async fn forget_client_deletes_registration() {
    let fixture = managing().await;
    fixture.login(&[]).await.expect(0);
    let first = fixture.issuer.clients()[0].id.clone();
    let said = forget(&fixture, &[]).await;
    assert_eq!(said, "client registration: deleted");
    assert_eq!(
        (fixture.issuer.clients().len(), deletions(&fixture)),
        (0, 1)
    );

    // There is nothing left to forget, and the next sign-in begins as the first did.
    let said = forget(&fixture, &[]).await;
    assert!(said.ends_with("was not signed in"), "{said}");
    fixture.login(&[]).await.expect(0);
    let clients = fixture.issuer.clients();
    assert_eq!(clients.len(), 1);
    assert_ne!(clients[0].id, first);
}

#[tokio::test]
async fn forget_client_after_logout_deletes_registration() {
    let fixture = managing().await;
    fixture.login(&[]).await.expect(0);
    fixture.run(&["logout", &fixture.url()]).await.expect(0);
    assert_eq!(
        (fixture.issuer.clients().len(), deletions(&fixture)),
        (1, 0)
    );
    let said = forget(&fixture, &[]).await;
    assert_eq!(said, "client registration: deleted");
    assert_eq!(fixture.issuer.clients().len(), 0);
}

#[tokio::test]
async fn registration_kept_by_server_is_deleted_locally() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    let said = forget(&fixture, &[]).await;
    assert_eq!(
        said,
        "client registration: deleted here, kept by the server: it can't delete registrations"
    );
    fixture.login(&[]).await.expect(0);
    assert_eq!(fixture.issuer.clients().len(), 2, "it registered anew");

    let fixture = managing().await;
    fixture.login(&[]).await.expect(0);
    let said = forget(&fixture, &["--local-only"]).await;
    assert_eq!(
        said,
        "client registration: deleted here, kept by the server: it was not contacted"
    );
    assert_eq!(
        (fixture.issuer.clients().len(), deletions(&fixture)),
        (1, 0)
    );

    fixture.login(&[]).await.expect(0);
    let busy = Fault::Status {
        status: 503,
        retry_after: None,
    };
    fixture.issuer.once(Endpoint::Registration, busy);
    let said = forget(&fixture, &[]).await;
    assert!(
        said.starts_with("client registration: deleted here, the server may keep it: "),
        "{said}"
    );
}
