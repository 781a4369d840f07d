//! Making room: records that are not wanted, and files that don't open.

use std::{path::PathBuf, sync::Arc};

use hallpass_core::{
    Issuer, Slot,
    record::document::SlotDocument,
    store::{Guard, StoreError},
};

use super::{FileStore, creation};
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

    /// Moves a slot's file out of the way when it can't be opened, and says where to; `None` when
    /// there is no file. One whose key is known not to be here is in nobody's way and stays. The slot is empty then, and its generations start anew.
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
            for (_, paths) in places {
                if folder::kind(&paths.sealed)?.is_some() {
                    let place = creation::new_place_aside(&root)?;
                    return folder::move_into(&paths.sealed, &place).map(Some);
                }
            }
            drop(held);
            Ok(None)
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
