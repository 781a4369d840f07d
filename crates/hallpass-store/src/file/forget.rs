//! Making room: records that are not wanted, and files that don't open.

use std::path::PathBuf;

use hallpass_core::{
    Issuer, Slot,
    store::{Guard, StoreError},
};

use super::{FileStore, creation, records::SlotPaths};
use crate::{blocking, folder};

impl FileStore {
    /// Removes every record of a slot; whether there was one. Generations go on from where they
    /// were.
    ///
    /// # Errors
    ///
    /// As [`CredentialStore::remove`](hallpass_core::CredentialStore::remove).
    pub async fn forget(&self, slot: &Slot, guard: &mut Guard) -> Result<bool, StoreError> {
        let held = self.held(slot, guard)?;
        self.change(slot, held, |document| {
            let issuers: Vec<Issuer> = document
                .records()
                .iter()
                .map(|r| r.issuer.clone())
                .collect();
            for issuer in &issuers {
                document.remove(issuer);
            }
            (!issuers.is_empty(), !issuers.is_empty())
        })
        .await
    }

    /// Moves a slot's file out of the way when it can't be opened, and says where to; `None` when
    /// there is no file. The slot is empty then, and its generations start anew.
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
        let paths = SlotPaths::new(&root, slot);
        blocking::run(move || {
            if folder::kind(&paths.sealed)?.is_none() {
                return Ok(None);
            }
            let place = creation::new_place_aside(&root)?;
            let moved = folder::move_into(&paths.sealed, &place)?;
            drop(held);
            Ok(Some(moved))
        })
        .await
    }
}
