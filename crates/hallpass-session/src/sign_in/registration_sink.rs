//! Saves a registration that was made during a sign-in.

use std::sync::Arc;

use hallpass_core::{
    Record, RegistrationSink, State, StoreError, StoreFuture,
    store::{Guard, LockKind, Saved, StoreErrorKind},
};

use crate::context::{Context, LOCK_TIMEOUT};

/// Saves the registration under the credential's lock, so that a cancelled sign-in does not register a
/// client in vain. A registration never replaces a grant, whatever settings that was obtained under: a
/// host with those settings may use it, and it belongs to the client of its record.
#[derive(Debug)]
pub(super) struct StoreRegistrationSink(pub(super) Arc<Context>);

impl RegistrationSink for StoreRegistrationSink {
    fn save<'a>(&'a self, record: &'a Record) -> StoreFuture<'a, ()> {
        Box::pin(self.save(record))
    }
}

impl StoreRegistrationSink {
    async fn save(&self, record: &Record) -> Result<(), StoreError> {
        let context = &*self.0;
        if record.key != context.key {
            let text = format!(
                "saving a registration for {} under another credential",
                record.key
            );
            return Err(StoreError::new(StoreErrorKind::Guard, text));
        }
        let mut guard = context
            .store
            .lock(&context.key, LockKind::Credential, LOCK_TIMEOUT)
            .await?;
        let saved = self.save_locked(record, &mut guard).await;
        context.release(guard).await;
        saved
    }

    async fn save_locked(&self, record: &Record, guard: &mut Guard) -> Result<(), StoreError> {
        let context = &*self.0;
        let active = context.store.load(&context.key).await?;
        let found = context
            .store
            .load_issuer(&context.key, &record.issuer)
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
        let mut saved_record = found.unwrap_or_else(|| record.clone());
        saved_record.registration = record.registration.clone();
        saved_record.metadata = record.metadata.clone();
        saved_record.settings = context.fingerprint.clone();
        saved_record.grant = None;
        saved_record.pending_refresh = None;
        if !matches!(saved_record.state, State::SignInRequired(_)) {
            saved_record.state = State::Registered;
        }
        match context.store.save(&saved_record, expected, guard).await? {
            Saved::Written(generation) => {
                context.cache.observe_generation(generation);
                Ok(())
            }
            Saved::Conflict { .. } => Err(context.store_conflict()),
        }
    }
}
