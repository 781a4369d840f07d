//! The options a server was given at its last login, so that later commands need only its URL.
//!
//! They lie in files that only their owner can read, but they are not sealed: a client's secret is
//! named by environment variable or file and stays a name here, and so should a header's secret part
//! (`${NAME}`). A secret that was typed is not among them: it is kept with the credentials. A header whose value is written out is remembered as it was typed, and login says so.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hallpass::Slot;
use sha2::{Digest, Sha256};

use crate::{exit::Failed, server_options::ServerOptions};

/// The file of one slot's options.
pub(crate) struct Remembered(PathBuf);

impl Remembered {
    pub(crate) fn of(slot: &Slot, folder: &Path) -> Self {
        Self(folder.join("options").join(name_of(slot) + ".json"))
    }

    /// The remembered options; the default where there are none.
    pub(crate) fn load(&self) -> Result<ServerOptions, Failed> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(ServerOptions::default());
            }
            Err(error) => return Err(self.failed(error)),
        };
        serde_json::from_slice(&bytes).map_err(|error| self.failed(error))
    }

    /// Whether any are remembered.
    pub(crate) fn exists(&self) -> bool {
        self.0.exists()
    }

    /// Replaces them, as a whole or not at all.
    pub(crate) fn save(&self, options: &ServerOptions) -> Result<(), Failed> {
        let write = || {
            let folder = self.0.parent().unwrap_or(&self.0);
            create_private(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, options)?;
            file.as_file().sync_all()?;
            file.persist(&self.0)?;
            Ok(())
        };
        write().map_err(|error: io::Error| self.failed(error))
    }

    pub(crate) fn forget(&self) -> Result<(), Failed> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, source: impl std::error::Error + Send + Sync + 'static) -> Failed {
        Failed::new(source).hint(format!("the server's options are in {}", self.0.display()))
    }
}

/// What a slot's files are called.
pub(crate) fn name_of(slot: &Slot) -> String {
    let digest = Sha256::digest(format!("{}\n{}", slot.server.as_str(), slot.profile));
    digest
        .iter()
        .take(16)
        .fold(String::new(), |name, byte| format!("{name}{byte:02x}"))
}

/// Creates a folder that only its owner can look into.
pub(crate) fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
