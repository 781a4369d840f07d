//! The panic messages of a host contain no secret.

use std::{
    any::Any,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
};

use hallpass_core::{CredentialStore, store::LockKind};
use hallpass_store::{FileStore, KeyFile, KeySource};
use hallpass_testkit::LeakCheck;
use tempfile::TempDir;

use crate::{
    fakes::Fault,
    fixture::{Fixture, bare},
};

/// The panic message of a host that expected an error and got `value`.
fn said(value: impl Debug) -> String {
    let expected_an_error = AssertUnwindSafe(|| panic!("got {value:?}"));
    message(&*catch_unwind(expected_an_error).unwrap_err())
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload.downcast_ref::<String>().unwrap().clone()
}

#[tokio::test]
async fn panic_messages_contain_no_secret() {
    let fixture = Fixture::signed_in().await;
    let session = fixture.session();
    let token = session.token().await.unwrap();
    let record = session.record().await.unwrap().unwrap();
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("store");
    let store = FileStore::open(&place, KeyFile::in_folder(&place))
        .await
        .unwrap();
    let wait = std::time::Duration::from_secs(5);
    let mut guard = store
        .lock(&fixture.key, LockKind::Credential, wait)
        .await
        .unwrap();
    let _ = store.save(&record, None, &mut guard).await.unwrap();
    let key = KeyFile::in_folder(&place)
        .load(store.key_id())
        .await
        .unwrap();

    fixture.clock.advance(3_600);
    fixture
        .server
        .fault(Fault::Says(400, r#"{"error":"body-canary"}"#));
    let error = session.token_after_rejection(&token, &bare()).await;
    let error = error.unwrap_err();
    let texts = [
        said(&session),
        said(&token),
        said(token.authorization()),
        said(&record),
        said(record.grant.as_ref().unwrap()),
        said(&store),
        said(&guard),
        said(&key),
        said(error),
    ];
    let mut leaks = LeakCheck::new();
    leaks.watch("canary", "canary");
    let digits = key
        .expose()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    leaks.watch("sealing key", &digits);
    for text in texts {
        assert!(text.starts_with("got "), "{text}");
        leaks.check("a panic", &text).unwrap();
    }
}
