//! Keeps a registration that was made in the middle of a sign-in.

use std::sync::Arc;

use hallpass_core::{
    BoxFuture, Record, RegistrationSink, State, StoreError,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};

use crate::shared::{LOCK_WAIT, Shared};

/// Saves the registration under the credential's lock, so that a sign-in that is broken off does not
/// register a client in vain. It never takes the place of a grant, whatever settings that was obtained
/// under: a host with those may use it still, and it belongs to the client that is there.
#[derive(Debug)]
pub(super) struct StoreRegistrationSink(pub(super) Arc<Shared>);

impl RegistrationSink for StoreRegistrationSink {
    fn save<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.save(record))
    }
}

impl StoreRegistrationSink {
    async fn save(&self, record: &Record) -> Result<(), StoreError> {
        let shared = &*self.0;
        if record.key != shared.key {
            let text = format!(
                "saving a registration for {} under another credential",
                record.key
            );
            return Err(StoreError::new(StoreErrorKind::Guard, text));
        }
        let mut guard = shared
            .store
            .lock(&shared.key, LockKind::Credential, LOCK_WAIT)
            .await?;
        let saved = self.save_locked(record, &mut guard).await;
        shared.release(guard).await;
        saved
    }

    async fn save_locked(&self, record: &Record, guard: &mut Guard) -> Result<(), StoreError> {
        let shared = &*self.0;
        let active = shared.store.load(&shared.key).await?;
        let found = shared
            .store
            .load_issuer(&shared.key, &record.issuer)
            .await?;
        if [&active, &found]
            .into_iter()
            .flatten()
            .any(Record::is_signed_in)
        {
            tracing::debug!("the registration is not saved yet: the record has a grant");
            return Ok(());
        }
        let expected = found.as_ref().map(|record| record.generation);
        let mut kept = found.unwrap_or_else(|| record.clone());
        kept.registration = record.registration.clone();
        kept.metadata = record.metadata.clone();
        kept.settings = shared.fingerprint.clone();
        kept.grant = None;
        kept.fence = None;
        if !matches!(kept.state, State::SignInRequired(_)) {
            kept.state = State::Registered;
        }
        match shared.store.save(&kept, expected, guard).await? {
            Saved::Written(generation) => {
                shared.memory().observe_generation(generation);
                Ok(())
            }
            Saved::Conflict { .. } => Err(shared.changed_under_lock()),
        }
    }
}
