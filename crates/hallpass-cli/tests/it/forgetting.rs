//! `logout --forget-client`: the client that the program registered is forgotten here and at the
//! server (RFC 7592 §2.3).

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, Fault};

use crate::program::Desk;

async fn managing() -> Desk {
    let mut options = AuthorizationServerOptions::default();
    options.behaviour.registration_management = true;
    Desk::with(options, |_| {}).await
}

/// What is said of the registration; the program ends well in any case.
async fn forget(desk: &Desk, more: &[&str]) -> String {
    let url = desk.url();
    let arguments = [&["logout", &url, "--forget-client"], more].concat();
    let said = desk.run(&arguments).await.expect(0).stdout;
    said.lines().last().unwrap().trim().to_owned()
}

fn deletions(desk: &Desk) -> usize {
    let requests = desk.issuer.requests_to(Endpoint::Registration);
    requests.iter().filter(|it| it.method == "DELETE").count()
}

#[tokio::test]
async fn a_server_that_lets_it_forgets_the_client() {
    let desk = managing().await;
    desk.login(&[]).await.expect(0);
    let first = desk.issuer.clients()[0].id.clone();
    let said = forget(&desk, &[]).await;
    assert_eq!(said, "client registration: deleted");
    assert_eq!((desk.issuer.clients().len(), deletions(&desk)), (0, 1));

    // There is nothing left to forget, and the next sign-in begins as the first did.
    let said = forget(&desk, &[]).await;
    assert!(said.ends_with("was not signed in"), "{said}");
    desk.login(&[]).await.expect(0);
    let clients = desk.issuer.clients();
    assert_eq!(clients.len(), 1);
    assert_ne!(clients[0].id, first);
}

#[tokio::test]
async fn also_when_nobody_is_signed_in_any_more() {
    let desk = managing().await;
    desk.login(&[]).await.expect(0);
    desk.run(&["logout", &desk.url()]).await.expect(0);
    assert_eq!((desk.issuer.clients().len(), deletions(&desk)), (1, 0));
    let said = forget(&desk, &[]).await;
    assert_eq!(said, "client registration: deleted");
    assert_eq!(desk.issuer.clients().len(), 0);
}

#[tokio::test]
async fn a_client_that_stays_with_the_server_is_forgotten_here() {
    let desk = Desk::new().await;
    desk.login(&[]).await.expect(0);
    let said = forget(&desk, &[]).await;
    assert_eq!(
        said,
        "client registration: deleted here, kept by the server: it can't delete registrations"
    );
    desk.login(&[]).await.expect(0);
    assert_eq!(desk.issuer.clients().len(), 2, "it registered anew");

    let desk = managing().await;
    desk.login(&[]).await.expect(0);
    let said = forget(&desk, &["--local-only"]).await;
    assert_eq!(
        said,
        "client registration: deleted here, kept by the server: it was not contacted"
    );
    assert_eq!((desk.issuer.clients().len(), deletions(&desk)), (1, 0));

    desk.login(&[]).await.expect(0);
    let busy = Fault::Status {
        status: 503,
        retry_after: None,
    };
    desk.issuer.once(Endpoint::Registration, busy);
    let said = forget(&desk, &[]).await;
    assert!(
        said.starts_with("client registration: deleted here, the server may keep it: "),
        "{said}"
    );
}
