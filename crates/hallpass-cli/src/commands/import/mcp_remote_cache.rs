//! The folder of mcp-remote: what it keeps for each server, under a digest of the server's URL.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use hallpass::ImportedCredentials;

/// What it calls the answer to a registration, and that of the token endpoint.
const CLIENT: &str = "_client_info.json";
const TOKENS: &str = "_tokens.json";

/// What its folders are called: one for each of its versions, and lately one for all.
const FOLDERS: &str = "mcp-remote-";

/// The longest document that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The credentials of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CachedCredentials {
    pub(super) client: PathBuf,
    pub(super) tokens: Option<PathBuf>,
    /// When the last of them was written.
    pub(super) written: SystemTime,
}

/// Everything that is kept, by what it is called. Of several versions the one that was written last.
pub(super) fn all(folder: &Path) -> io::Result<BTreeMap<String, CachedCredentials>> {
    let mut newest: BTreeMap<String, CachedCredentials> = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    for version in entries {
        let version = version?;
        let is_one = version.file_name().to_string_lossy().starts_with(FOLDERS);
        if !is_one || !version.path().is_dir() {
            continue;
        }
        for entry in fs::read_dir(version.path())? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(digest) = name
                .to_string_lossy()
                .strip_suffix(CLIENT)
                .map(str::to_owned)
            else {
                continue;
            };
            let tokens = version.path().join(format!("{digest}{TOKENS}"));
            let tokens = tokens.is_file().then_some(tokens);
            let written = written(tokens.as_deref().unwrap_or(&entry.path()));
            let kept = CachedCredentials {
                client: entry.path(),
                tokens,
                written,
            };
            match newest.get(&digest) {
                Some(before) if before.written >= written => {}
                _ => _ = newest.insert(digest, kept),
            }
        }
    }
    Ok(newest)
}

fn written(file: &Path) -> SystemTime {
    let metadata = fs::metadata(file);
    let modified = metadata.and_then(|metadata| metadata.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}

impl CachedCredentials {
    /// Reads both documents.
    pub(super) fn read(&self) -> Result<ImportedCredentials, String> {
        let handover = ImportedCredentials::new(document(&self.client)?);
        Ok(match &self.tokens {
            Some(tokens) => handover.with_tokens(document(tokens)?),
            None => handover,
        })
    }
}

/// A file that is one JSON object. What is wrong with it is said by its place alone.
fn document(file: &Path) -> Result<Vec<u8>, String> {
    let shown = file.display();
    let failed = |error: io::Error| format!("{shown} can't be read: {error}");
    if fs::metadata(file).map_err(failed)?.len() > MAX_BYTES {
        return Err(format!("{shown} is longer than what mcp-remote keeps"));
    }
    let bytes = fs::read(file).map_err(failed)?;
    match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!(
            "{shown}:{}:{}: it is not a JSON object",
            error.line(),
            error.column()
        )),
    }
}
