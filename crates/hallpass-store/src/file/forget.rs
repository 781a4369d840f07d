//! Making room: records that are not wanted, and files that don't open.

use std::{path::PathBuf, sync::Arc};

use hallpass_core::{
    Issuer, Slot,
    record::document::SlotDocument,
    store::{Guard, StoreError},
};

use super::{FileStore, creation, records::SlotPaths};
use crate::{blocking, folder};

impl FileStore {
    /// Removes every record of a slot whose key is here; whether there was one. Generations go on
    /// from where they were.
    ///
    /// # Errors
    ///
    /// As [`CredentialStore::remove`](hallpass_core::CredentialStore::remove).
    pub async fn forget(&self, slot: &Slot, guard: &mut Guard) -> Result<bool, StoreError> {
        let held = self.held(slot, guard)?;
        let mut some = false;
        for (series, paths) in self.places(slot) {
            let path = paths.sealed.clone();
            let is_there = blocking::run(move || folder::kind(&path)).await?.is_some();
            if is_there && let Some(keys) = self.keys_of(&series).await? {
                some |= self
                    .change_at(slot, paths, keys, Arc::clone(&held), clear)
                    .await?;
            }
        }
        Ok(some)
    }

    /// Whether a slot has a file whose key is known not to be here. It stays whatever is done to the
    /// slot, and is there again when its key is.
    ///
    /// # Errors
    ///
    /// [`Io`](hallpass_core::store::StoreErrorKind::Io).
    pub async fn is_out_of_reach(&self, slot: &Slot) -> Result<bool, StoreError> {
        let slot_paths = SlotPaths::new(self.folder(), slot);
        let policy = self.policy_file();
        let away = policy
            .series()
            .filter(|series| self.inner.ring.is_absent(series.key_id()));
        let paths: Vec<_> = away
            .map(|series| slot_paths.in_series(series.number()))
            .collect();
        blocking::run(move || {
            for paths in paths {
                if folder::kind(&paths.sealed)?.is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    /// Moves a slot's files out of the way when one can't be opened, and says where to; `None` when
    /// there is none. One whose key is known not to be here is in nobody's way and stays. The slot is
    /// empty then, and its generations start anew.
    ///
    /// # Errors
    ///
    /// [`Guard`](hallpass_core::store::StoreErrorKind::Guard) and
    /// [`Io`](hallpass_core::store::StoreErrorKind::Io).
    pub async fn set_aside(
        &self,
        slot: &Slot,
        guard: &mut Guard,
    ) -> Result<Option<PathBuf>, StoreError> {
        let held = self.held(slot, guard)?;
        let root = self.folder().to_owned();
        let places = self.places(slot);
        blocking::run(move || {
            let mut moved: Vec<PathBuf> = Vec::new();
            for (_, paths) in places {
                if folder::kind(&paths.sealed)?.is_some() {
                    let place = match moved.first().and_then(|path| path.parent()) {
                        Some(place) => place.to_owned(),
                        None => creation::new_place_aside(&root)?,
                    };
                    moved.push(folder::move_into(&paths.sealed, &place)?);
                }
            }
            drop(held);
            Ok(moved.into_iter().next())
        })
        .await
    }
}

/// Removes every record; whether there was one.
fn clear(document: &mut SlotDocument) -> (bool, bool) {
    let records = document.records().iter();
    let issuers: Vec<Issuer> = records.map(|record| record.issuer.clone()).collect();
    for issuer in &issuers {
        document.remove(issuer);
    }
    (!issuers.is_empty(), !issuers.is_empty())
}
