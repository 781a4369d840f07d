//! What a host is told of.

use std::sync::{Arc, Mutex, atomic::Ordering};

use hallpass_core::{Account, Event, Observer, Subject, Tenant};
use hallpass_session::SignInRequest;

use crate::{fakes::Fault, fixture::Fixture};

#[derive(Debug, Default)]
struct Recorded(Mutex<Vec<String>>);

impl Observer for Recorded {
    fn observe(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

impl Recorded {
    fn names(&self) -> Vec<String> {
        let name = |event: &String| {
            let outcome = event.split_once("outcome: ").map(|(_, rest)| rest);
            let outcome = outcome.and_then(|rest| rest.split(',').next());
            let name = event.split(' ').next().unwrap_or_default();
            format!("{name} {}", outcome.unwrap_or_default())
        };
        self.0.lock().unwrap().iter().map(name).collect()
    }
}

#[tokio::test]
async fn observer_is_told_of_refreshes_adoptions_and_sign_ins() {
    let fixture = Fixture::expired(&[]).await;
    let (one, two) = (Arc::new(Recorded::default()), Arc::new(Recorded::default()));
    let session = fixture
        .builder()
        .observer(Arc::clone(&one) as _)
        .build()
        .unwrap();
    let other = fixture
        .builder()
        .observer(Arc::clone(&two) as _)
        .build()
        .unwrap();
    session.token().await.unwrap();
    other.token().await.unwrap();
    fixture.clock.advance(3_600);
    fixture.server.fault(Fault::LostBefore);
    other.token().await.unwrap_err();
    session.sign_in(SignInRequest::default()).await.unwrap();
    other.token().await.unwrap();
    assert_eq!(one.names(), [r#"Refresh "renewed""#, "SignIn "]);
    assert_eq!(two.names(), [r#"Refresh "lost""#, "Adopted "]);
}

#[tokio::test]
async fn events_name_no_user_and_no_query() {
    let mut fixture = Fixture::empty();
    let name = |text: &str| format!("planted-{text}");
    let subject = Subject::new(&name("user")).unwrap();
    fixture.key.subject = subject.with_tenant(Tenant::new(&name("tenant")).unwrap());
    fixture.key.account = Account::parse(&name("account")).unwrap();
    fixture.put(|_| ()).await;
    fixture.clock.advance(3_600);
    let recorded = Arc::new(Recorded::default());
    let session = fixture
        .builder()
        .observer(Arc::clone(&recorded) as _)
        .build()
        .unwrap();
    fixture.store.fail_at_save(2);
    session.token().await.unwrap();
    let events = recorded.0.lock().unwrap().join("\n");
    assert!(events.contains("SaveRetry { failures: 1 }"), "{events}");
    assert!(!events.contains("planted"), "{events}");
    assert!(fixture.store.saves.load(Ordering::SeqCst) > 2);
}
