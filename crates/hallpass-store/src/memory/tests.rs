use std::time::Duration;

use hallpass_core::{Account, CredentialKey, CredentialStore as _, ServerUrl, store::LockKind};

use super::MemoryStore;

#[tokio::test]
async fn released_locks_are_dropped() {
    let store = MemoryStore::new();
    let server = ServerUrl::parse("https://mcp.example.com").unwrap();
    let key = CredentialKey::new(server);
    let held = store
        .lock(&key, LockKind::Credential, Duration::ZERO)
        .await
        .unwrap();
    for number in 0..100 {
        let account = Account::parse(&format!("account-{number}")).unwrap();
        let other = key.clone().with_account(account);
        drop(
            store
                .lock(&other, LockKind::Credential, Duration::ZERO)
                .await
                .unwrap(),
        );
    }
    assert!(store.inner.locks.len() <= 2, "{}", store.inner.locks.len());
    assert!(
        store
            .lock(&key, LockKind::Credential, Duration::ZERO)
            .await
            .is_err()
    );
    drop(held);
    assert!(
        store
            .lock(&key, LockKind::Credential, Duration::ZERO)
            .await
            .is_ok()
    );
}
