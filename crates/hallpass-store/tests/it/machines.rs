//! Several machines, each with keys of its own, share one folder.

use std::sync::Arc;

use hallpass_core::{CredentialStore as _, store::Saved};
use hallpass_store::KeySource;

use crate::{
    common::{Keys, Place, record, save},
    losing::{Told, again, open, policy, token, with_three},
};

/// Two machines with a keyring each share a home folder.
#[tokio::test]
async fn two_machines_with_one_folder_take_nothing_from_each_other() {
    let place = Place::new();
    let (here, there) = (Arc::new(Keys::default()), Arc::new(Keys::default()));
    with_three(&place, &here).await;
    let store = open(&place, &there).await;
    let told = Told::by(&store);
    let _ = save(&store, &again("one", "there"), None).await.unwrap();
    assert_eq!(told.all().len(), 1);
    let settled = policy(&place);
    for round in 0..3 {
        for (keys, one, slots) in [(&here, "canary-4711-access", 3), (&there, "there", 1)] {
            let store = open(&place, keys).await;
            let told = Told::by(&store);
            assert_eq!(token(&store, "one").await.as_deref(), Some(one));
            let listing = store.list().await.unwrap();
            assert_eq!(listing.slots.len(), slots, "round {round}");
            assert_eq!(listing.problems.len(), 0);
            assert_eq!(store.check().await.len(), 0);
            let mut record = store.load(&record("one").slot).await.unwrap().unwrap();
            record.state = hallpass_core::State::OutcomeUnknown;
            let saved = save(&store, &record, Some(record.generation)).await;
            assert!(matches!(saved.unwrap(), Saved::Written(_)));
            assert_eq!(told.all(), []);
            assert_eq!(store.records_set_aside().await.unwrap().len(), 1);
        }
    }
    assert_eq!(policy(&place), settled);
    assert_eq!((here.ids().len(), there.ids().len()), (1, 1));

    // Each gives itself another key, and the other notices nothing.
    for keys in [&here, &there] {
        let source: Arc<dyn KeySource> = keys.clone();
        let store = open(&place, keys).await;
        let rekeyed = store.rekey(source).await.unwrap();
        assert_eq!(rekeyed.problems.len(), 0);
        assert_eq!(keys.ids(), [rekeyed.store.key_id()]);
    }
    let store = open(&place, &here).await;
    assert_eq!(store.list().await.unwrap().slots.len(), 3);
    let store = open(&place, &there).await;
    assert_eq!(token(&store, "one").await.as_deref(), Some("there"));
    assert_eq!(token(&store, "two").await, None);
}
