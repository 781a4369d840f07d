//! What servers said about themselves, kept beside the credentials: no secret, and cheap to lose.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hallpass::Slot;
use hallpass_proxy::Memory;

use crate::remembered;

/// One folder for each slot, one file for each opening.
#[derive(Debug)]
pub(super) struct Files(PathBuf);

/// What is larger than this is not kept.
const MOST: usize = 256 * 1024;

impl Files {
    pub(super) fn of(slot: &Slot, folder: &Path) -> Self {
        Self(folder.join("capabilities").join(remembered::name_of(slot)))
    }

    fn file(&self, opening: &str) -> PathBuf {
        self.0.join(format!("{opening}.json"))
    }

    fn write(&self, opening: &str, result: &[u8]) -> io::Result<()> {
        remembered::create_private(&self.0)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        io::Write::write_all(&mut file, result)?;
        file.persist(self.file(opening))?;
        Ok(())
    }
}

impl Memory for Files {
    fn load(&self, opening: &str) -> Option<Vec<u8>> {
        fs::read(self.file(opening)).ok()
    }

    fn save(&self, opening: &str, result: &[u8]) {
        let known = self.load(opening);
        if result.len() > MOST || known.is_some_and(|known| known == result) {
            return;
        }
        if let Err(error) = self.write(opening, result) {
            tracing::warn!(%error, "what the server offers is not remembered");
        }
    }
}
