//! What servers said about themselves, kept beside the credentials: no secret, and cheap to lose.

use std::{
    io,
    path::{Path, PathBuf},
};

use hallpass::{CredentialKey, store::read_private};
use hallpass_proxy::CapabilityCache;

use crate::saved_options;

/// One folder for each credential, one file for each opening.
#[derive(Debug)]
pub(super) struct Files {
    store: PathBuf,
    folder: PathBuf,
}

/// What is larger than this is not kept.
const MAX_BYTES: usize = 256 * 1024;

impl Files {
    pub(super) fn new(key: &CredentialKey, folder: &Path) -> Self {
        Self {
            store: folder.to_owned(),
            folder: folder
                .join("capabilities")
                .join(saved_options::name_of(key)),
        }
    }

    fn file(&self, opening: &str) -> PathBuf {
        self.folder.join(format!("{opening}.json"))
    }

    fn write(&self, opening: &str, result: &[u8]) -> io::Result<()> {
        saved_options::create_private(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        io::Write::write_all(&mut file, result)?;
        file.persist(self.file(opening))?;
        Ok(())
    }
}

impl CapabilityCache for Files {
    fn load(&self, opening: &str) -> Option<Vec<u8>> {
        let found = read_private(&self.store, &self.file(opening));
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, "what the server offered before is not used");
            None
        })
    }

    fn save(&self, opening: &str, result: &[u8]) {
        let known = self.load(opening);
        if result.len() > MAX_BYTES || known.is_some_and(|known| known == result) {
            return;
        }
        if let Err(error) = self.write(opening, result) {
            tracing::warn!(%error, "what the server offers is not remembered");
        }
    }
}
