//! Both stores keep the contract.

use std::sync::Arc;

use hallpass_core::CredentialStore;
use hallpass_store::{FileStore, KeyFile, MemoryStore, contract};

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    let store = MemoryStore::new();
    contract::check(async || Arc::new(store.clone()) as Arc<dyn CredentialStore>)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_store_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    contract::check(async || {
        let store = FileStore::open(&path, KeyFile::in_folder(&path)).await;
        Arc::new(store.unwrap()) as Arc<dyn CredentialStore>
    })
    .await
    .unwrap();
}
