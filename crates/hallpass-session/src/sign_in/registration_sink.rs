//! Saves a registration that was made during a sign-in.

use std::sync::Arc;

use hallpass_core::{
    Generation, Record, RegistrationSink, State, StoreError, StoreFuture,
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
        Box::pin(self.change(record, Change::Register))
    }

    fn save_proof<'a>(&'a self, record: &'a Record) -> StoreFuture<'a, ()> {
        Box::pin(self.change(record, Change::SaveProof))
    }
}

/// What is saved.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// A new registration.
    Register,
    /// When the registration was last proven.
    SaveProof,
}

impl StoreRegistrationSink {
    async fn change(&self, record: &Record, change: Change) -> Result<(), StoreError> {
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
        let saved = match change {
            Change::Register => self.save_locked(record, &mut guard).await,
            Change::SaveProof => self.save_proof_locked(record, &mut guard).await,
        };
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
        saved_record.confirm_hosts(record.confirmed_hosts.clone());
        saved_record.settings = context.fingerprint.clone();
        saved_record.grant = None;
        saved_record.pending_refresh = None;
        if !matches!(saved_record.state, State::SignInRequired(_)) {
            saved_record.state = State::Registered;
        }
        self.write(&saved_record, expected, guard).await
    }

    /// Changes the proof of the stored registration, if it is still that of `record`.
    async fn save_proof_locked(
        &self,
        record: &Record,
        guard: &mut Guard,
    ) -> Result<(), StoreError> {
        let context = &*self.0;
        // Saving a record makes it the active one, so another's stays as it is.
        let active = context.store.load(&context.key).await?;
        let Some(mut found) = active.filter(|active| active.issuer == record.issuer) else {
            return Ok(());
        };
        let expected = found.generation;
        let (Some(proven), Some(registration)) = (&record.registration, &mut found.registration)
        else {
            return Ok(());
        };
        if proven.client_id != registration.client_id || proven.proven_at == registration.proven_at
        {
            return Ok(());
        }
        registration.proven_at = proven.proven_at;
        self.write(&found, Some(expected), guard).await
    }

    async fn write(
        &self,
        record: &Record,
        expected: Option<Generation>,
        guard: &mut Guard,
    ) -> Result<(), StoreError> {
        let context = &*self.0;
        match context.store.save(record, expected, guard).await? {
            Saved::Written(generation) => {
                context.cache.observe_generation(generation);
                Ok(())
            }
            Saved::Conflict { .. } => Err(context.store_conflict()),
        }
    }
}
