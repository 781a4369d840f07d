//! What tests of lost keys share.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use hallpass_core::{AccessToken, CredentialStore as _, Record};
use hallpass_store::{FileStore, KeySource, KeySources, Unreadable};

use crate::fixture::{Keys, Place, record, save};

pub(crate) const NAMES: [&str; 3] = ["one", "two", "three"];

/// The losses that a store reported.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reports(Arc<Mutex<Vec<Unreadable>>>);

impl Reports {
    pub(crate) fn of_store(store: &FileStore) -> Self {
        let reports = Self::default();
        let heard = reports.clone();
        store.set_missing_key_handler(move |lost| heard.0.lock().unwrap().push(lost.clone()));
        reports
    }

    pub(crate) fn all(&self) -> Vec<Unreadable> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) async fn open(place: &Place, keys: &Arc<Keys>) -> FileStore {
    open_on("here", place, keys).await
}

pub(crate) async fn open_on(machine: &str, place: &Place, keys: &Arc<Keys>) -> FileStore {
    let source: Arc<dyn KeySource> = keys.clone();
    let sources = KeySources::from(source).on_machine(machine);
    FileStore::open(&place.path, sources).await.unwrap()
}

pub(crate) async fn with_three(place: &Place, keys: &Arc<Keys>) {
    let store = open(place, keys).await;
    for name in NAMES {
        let _ = save(&store, &record(name), None).await.unwrap();
    }
}

/// The record of a name with another access token.
pub(crate) fn again(name: &str, token: &str) -> Record {
    let mut record = record(name);
    record.grant.as_mut().unwrap().access_token = AccessToken::new(token.to_owned());
    record
}

pub(crate) async fn token(store: &FileStore, name: &str) -> Option<String> {
    let found = store.load(&record(name).key).await.unwrap()?;
    Some(found.grant.unwrap().access_token.expose().to_owned())
}

/// What the inventory says is unreadable.
pub(crate) async fn unreadable(store: &FileStore) -> Vec<Unreadable> {
    let inventory = store.inventory(None).await.unwrap();
    inventory.unreadable.unwrap()
}

pub(crate) fn contents(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files: BTreeMap<_, _> = place.files().into_iter().collect();
    files.retain(|path, _| {
        let extension = path.extension().unwrap_or_default();
        extension != "lock" && extension != "holder"
    });
    files
}

pub(crate) fn sealed(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = contents(place);
    files.retain(|path, _| path.extension().is_some_and(|it| it == "sealed"));
    files
}

pub(crate) fn header(place: &Place) -> serde_json::Value {
    let text = fs::read(place.path.join("store.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}
