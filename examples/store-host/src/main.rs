//! A host with a client of its own that takes the store of Hallpass alone: sealed files, a lock
//! over processes, and no record lost to a slower process.

use std::{error::Error, time::Duration};

use hallpass_core::{
    CredentialKey, CredentialStore, Issuer, Record, ServerMetadata, ServerUrl, SettingsFingerprint,
    store::{LockKind, Saved},
};
use hallpass_store::{FileStore, KeyFile};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().join("hallpass");
    let store = FileStore::open(&folder, KeyFile::in_folder(&folder)).await?;
    let key = CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp")?);

    let metadata = ServerMetadata::new(Issuer::parse("https://as.example.com")?);
    let record = Record::new(key.clone(), metadata, SettingsFingerprint::default());
    let mut guard = store
        .lock(&key, LockKind::Credential, Duration::from_secs(5))
        .await?;
    let saved = store.save(&record, None, &mut guard).await?;
    println!("the first save: {saved:?}");

    // A process that does not know of the record replaces nothing with one of its own.
    let mut other = record.clone();
    other.sign_ins = 1;
    let again = store.save(&other, None, &mut guard).await?;
    drop(guard);
    match again {
        Saved::Written(_) => Err("a record was replaced by a process that had not seen it".into()),
        conflict => {
            println!("the second save: {conflict:?}");
            let loaded = store.load(&key).await?;
            println!("there is a record: {}", loaded.is_some());
            Ok(())
        }
    }
}
