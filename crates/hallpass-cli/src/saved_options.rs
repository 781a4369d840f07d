//! The options a server was given at its last login, so that later commands need only its URL.
//!
//! They lie in files that only their owner can read and write, and a file that is not so, or that lies below a
//! folder that other users can write, is not read. They
//! are not sealed: a client's secret is named by environment variable or file and stays a name here, and so
//! should a header's secret part (`${NAME}`). A secret that was typed is not among them: it is kept with the
//! credentials. A header whose value is written out is remembered as it was typed, and login says so.
//!
//! The options of a login that failed are kept apart, for the diagnosis that follows it, without what may be
//! a secret, and with the token endpoint's refusal of the client, where that ended the login. The next
//! login replaces them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hallpass::{
    CredentialKey,
    store::{FilePermissions, read_private, replace_file},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    exit::CommandError,
    option_words,
    program::Program,
    server_options::{ServerOptions, credential_key},
    server_ref::ServerRef,
    tool_names::ToolNames,
    trusted,
};

/// The file of one credential's options.
pub(crate) struct SavedOptions {
    key: CredentialKey,
    store: PathBuf,
    path: PathBuf,
    /// The file of the options of a login that failed.
    failed_login: PathBuf,
}

/// Their folder in the store's.
const FOLDER: &str = "options";

/// The folder of the options of logins that failed.
const FAILED_LOGINS: &str = "failed-logins";

/// The member of the file that says whose options they are: its name is a digest.
const OWNER: &str = "for";

/// The member of the file of a failed login that says how the token endpoint refused the client.
const REFUSED_CLIENT: &str = "refused-client";

/// A failed login.
#[derive(Debug, Default)]
pub(crate) struct FailedLogin {
    /// Its options, without what may be a secret.
    pub(crate) options: ServerOptions,
    /// How the token endpoint refused the client, if it did.
    pub(crate) refused_client: Option<RefusedClient>,
}

/// How a token endpoint refused a client.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusedClient {
    /// The options that say which client it is.
    pub(crate) client: Map<String, Value>,
    pub(crate) status: u16,
    pub(crate) error: Option<String>,
    /// The methods of authentication that the user has set for the same client, one after the other.
    pub(crate) auth_methods: Vec<String>,
}

impl RefusedClient {
    /// The options that say which client it is, and where its secret is.
    pub(crate) fn client_of(options: &ServerOptions) -> Map<String, Value> {
        let mut client = options.to_map().unwrap_or_default();
        client.retain(|option, _| {
            option == "client-id" || option.starts_with("client-secret-") || option == "client-key"
        });
        client
    }
}

impl SavedOptions {
    pub(crate) fn new(key: &CredentialKey, folder: &Path) -> Self {
        Self {
            key: key.clone(),
            store: folder.to_owned(),
            path: folder.join(FOLDER).join(name_of(key) + ".json"),
            failed_login: folder.join(FAILED_LOGINS).join(name_of(key) + ".json"),
        }
    }

    /// Whose options are remembered.
    pub(crate) fn credentials(folder: &Path) -> Result<Vec<CredentialKey>, CommandError> {
        let whose = |bytes: &[u8]| {
            let file: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
            let whose = file.get(OWNER)?;
            credential_key(whose["server"].as_str()?, whose["account"].as_str()).ok()
        };
        let mut credentials = Vec::new();
        let files = fs::read_dir(folder.join(FOLDER));
        for file in files.into_iter().flatten().filter_map(Result::ok) {
            let bytes = read(folder, &file.path())?;
            credentials.extend(bytes.and_then(|bytes| whose(&bytes)));
        }
        Ok(credentials)
    }

    /// The remembered options; the default where there are none.
    pub(crate) fn load(&self, program: &Program) -> Result<ServerOptions, CommandError> {
        self.read_options()?.map_err(|error| {
            let login = ServerRef::new(&self.key, program).line("login");
            damaged("the saved options", &self.path, error).hint(format!(
                "`{login} --reset-options` discards them; give the options that the server needs again"
            ))
        })
    }

    /// The same, and the default also where they can't be read.
    pub(crate) fn load_or_default(&self) -> ServerOptions {
        let options = self.read_options();
        options.ok().and_then(Result::ok).unwrap_or_default()
    }

    fn read_options(&self) -> Result<serde_json::Result<ServerOptions>, CommandError> {
        self.read_from(&self.path, |file| {
            serde_json::from_value(Value::Object(file))
        })
    }

    /// The last login, if that failed; the default where it did not.
    pub(crate) fn failed_login(&self, program: &Program) -> Result<FailedLogin, CommandError> {
        let read = self.read_from(&self.failed_login, |mut file| {
            let refused = file.remove(REFUSED_CLIENT);
            Ok(FailedLogin {
                options: serde_json::from_value(Value::Object(file))?,
                refused_client: refused.map(serde_json::from_value).transpose()?,
            })
        });
        read?.map_err(|error| {
            let login = ServerRef::new(&self.key, program).line("login");
            damaged("the options of the failed login", &self.failed_login, error)
                .hint(format!("`{login}` replaces them"))
        })
    }

    /// What a file says, without its owner; the default where there is no file. The inner error is that of a
    /// damaged file.
    fn read_from<T: Default>(
        &self,
        path: &Path,
        parse: impl FnOnce(Map<String, Value>) -> serde_json::Result<T>,
    ) -> Result<serde_json::Result<T>, CommandError> {
        let Some(bytes) = read(&self.store, path)? else {
            return Ok(Ok(T::default()));
        };
        let file = serde_json::from_slice::<Map<String, Value>>(&bytes);
        Ok(file.and_then(|mut file| {
            file.remove(OWNER);
            parse(file)
        }))
    }

    /// Replaces them, as a whole or not at all.
    pub(crate) fn save(&self, options: &ServerOptions) -> Result<(), CommandError> {
        let options = options.to_map().map_err(CommandError::new)?;
        self.save_to(&self.path, options)?;
        remove(&self.failed_login)
    }

    /// Replaces a login that failed. What may be a secret is not kept.
    pub(crate) fn save_failed_login(&self, failed: &FailedLogin) -> Result<(), CommandError> {
        let given = option_words::without_secrets(&failed.options);
        let mut file = given
            .and_then(|given| given.to_map())
            .map_err(CommandError::new)?;
        if let Some(refused) = &failed.refused_client {
            let refused = serde_json::to_value(refused).map_err(CommandError::new)?;
            file.insert(REFUSED_CLIENT.to_owned(), refused);
        }
        if file.is_empty() {
            return remove(&self.failed_login);
        }
        self.save_to(&self.failed_login, file)
    }

    fn save_to(&self, path: &Path, mut file: Map<String, Value>) -> Result<(), CommandError> {
        let mut write = || {
            let folder = path.parent().unwrap_or(path);
            create_private(folder)?;
            let (server, account) = (self.key.server.as_str(), self.key.account.as_str());
            let whose = json!({ "server": server, "account": account });
            file.insert(OWNER.to_owned(), whose);
            let bytes = serde_json::to_vec_pretty(&file)?;
            replace_file(path, &bytes, FilePermissions::OwnerOnly)
        };
        write().map_err(|error: io::Error| failed(path, error))
    }

    /// Removes them, and what else the store's folder says about the server.
    pub(crate) fn forget(&self) -> Result<(), CommandError> {
        remove(&ToolNames::new(&self.key, &self.store).path)?;
        remove(&self.path)?;
        remove(&self.failed_login)
    }
}

fn remove(path: &Path) -> Result<(), CommandError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> CommandError {
    CommandError::new(source).hint(hint(path))
}

/// The error of a file that Hallpass did not write so.
fn damaged(what: &str, path: &Path, error: serde_json::Error) -> CommandError {
    CommandError::new(format!("{what} in {} are damaged", path.display())).context(error)
}

/// Reads a file of options, which are held to the store's rule: they say what runs and where tokens go, and
/// Hallpass alone writes them. The way to them counts as for `config.toml`, but where a file says nothing but
/// whose it is: most logins save no option, and the store itself may be where others could move it away.
fn read(store: &Path, path: &Path) -> Result<Option<Vec<u8>>, CommandError> {
    let bytes = read_private(store, path);
    let bytes = bytes.map_err(|error| CommandError::from(error).hint(hint(path)))?;
    if bytes.as_deref().is_some_and(holds_options) {
        trusted::check(path, "the file of saved options")?;
    }
    Ok(bytes)
}

fn holds_options(bytes: &[u8]) -> bool {
    let file = serde_json::from_slice::<Map<String, Value>>(bytes);
    file.is_ok_and(|file| file.keys().any(|name| name != OWNER))
}

fn hint(path: &Path) -> String {
    format!("the server's options are in {}", path.display())
}

/// What a credential's files are called.
pub(crate) fn name_of(key: &CredentialKey) -> String {
    let digest = Sha256::digest(format!("{}\n{}", key.server.as_str(), key.account));
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
