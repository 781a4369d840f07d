//! Sealed files in a folder.
//!
//! ```text
//! store.json               where the key is kept, and its id, see `header`
//! store.lock, keys.lock    see `lock`
//! <key id>.key             a key, if keys are kept in files
//! slots/<digest>.sealed    the records of one credential, sealed
//! slots/<digest>.2.sealed  the same with the key of epoch 2, see `missing_key`
//! slots/<digest>.lock      see `lock`
//! slots/<digest>.holder    the holder of the lock, for messages
//! moved-away/…             what could not be opened and was moved out of the way
//! ```
//!
//! `<digest>` is a digest of the server's URL, subject and account. So no server's name (which may hold a
//! secret in its query) shows in the folder, and any text fits a file name.
//!
//! One file holds the records of all issuers of a credential. So a save, together with the change of the
//! active issuer, is one replacement of one file, and costs the same however many credentials there are.

mod available_keys;
mod bundle;
mod creation;
mod credential_store;
mod file_store;
mod forget;
mod header;
mod inventory;
mod key_cache;
mod lock;
mod missing_key;
mod records;
mod rekey;
mod reserve;
mod reset;
mod unreadable;

pub use self::{
    bundle::{Exported, Imported},
    file_store::FileStore,
    forget::Forgotten,
    inventory::Inventory,
    rekey::Rekeyed,
    reset::UndoneReset,
    unreadable::Unreadable,
};
