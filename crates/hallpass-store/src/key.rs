//! The key that seals the records, and the port to where it is kept.

use std::{error::Error, fmt, sync::Arc};

use hallpass_core::{BoxFuture, Remedy};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::hex;

/// The 32 bytes that seal a store's records. Wiped when dropped.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// Takes bytes that somebody kept, or derived.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// When the operating system has none to give.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(no_random_numbers)?;
        Ok(Self(bytes))
    }

    /// Opens the secret. Every place that does is listed and reviewed.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A value that tells this key from another one of the same id, and nothing about it.
    pub(crate) fn check(&self, id: KeyId) -> String {
        let mut digest = Sha256::new();
        digest.update(b"hallpass key check 1\0");
        digest.update(id.as_bytes());
        digest.update(self.expose());
        hex::encode(&digest.finalize()[..16])
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(redacted)")
    }
}

/// The public name of a sealing key: 16 random bytes, shown as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    /// A new name from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// When the operating system has none to give.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(no_random_numbers)?;
        Ok(Self(bytes))
    }

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, which also serve as a salt where the key is derived.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        hex::decode(text).map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// Where a store's key is kept. Written into the store when it is created, and never changed but by
/// [`FileStore::rekey`](crate::FileStore::rekey): a key that follows a lost one is kept where that
/// was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyLocation {
    /// In the keyring of the operating system.
    Keyring,
    /// In a file that only its owner can read.
    KeyFile,
    /// Nowhere: derived from a passphrase.
    Passphrase,
    /// Nowhere: gone when the process ends.
    Memory,
    /// Where the host program keeps it.
    Host,
}

impl KeyLocation {
    /// The word that stands in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::KeyFile => "key-file",
            Self::Passphrase => "passphrase",
            Self::Memory => "memory",
            Self::Host => "host",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Keyring,
            Self::KeyFile,
            Self::Passphrase,
            Self::Memory,
            Self::Host,
        ]
        .into_iter()
        .find(|policy| policy.as_str() == word)
    }
}

impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Keeps sealing keys by their ids. A host may supply its own.
///
/// The store asks once and keeps the answer for as long as it lives; it asks again after an error.
/// Whoever implements this sets its own time limit and blocks no async thread.
pub trait KeySource: Send + Sync + fmt::Debug {
    /// The policy that this source stands for.
    fn policy(&self) -> KeyLocation;

    /// Makes a key, keeps it durably under `id`, and gives it back.
    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>>;

    /// Gives the key of this id.
    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>>;

    /// Forgets the key of this id, which nothing is sealed with any more.
    fn remove(&self, id: KeyId) -> BoxFuture<'_, Result<(), KeyError>>;

    /// Where the key is, in words for a person.
    fn describe(&self) -> String;
}

/// The key sources that a store may use, in order of preference.
///
/// The order matters once: the first that can make a key when the store is created is written into
/// the store. From then on only that one is asked.
#[derive(Debug, Clone)]
pub struct KeySources {
    sources: Vec<Arc<dyn KeySource>>,
    machine: Option<String>,
}

impl KeySources {
    /// These, the best first.
    pub fn in_order(sources: Vec<Arc<dyn KeySource>>) -> Self {
        Self {
            sources,
            machine: None,
        }
    }

    /// Says whose sources they are: the name of this machine, as its host name.
    ///
    /// It is written beside each key that is made. Where machines with keys of their own share a
    /// folder, each knows then which key it has to have: another one's that can't be asked for is no
    /// error, and its own that is missing is never passed over for an older one.
    #[must_use]
    pub fn on_machine(mut self, name: impl Into<String>) -> Self {
        self.machine = Some(name.into());
        self
    }

    pub(crate) fn machine(&self) -> Option<&str> {
        self.machine.as_deref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn KeySource>> {
        self.sources.iter()
    }

    pub(crate) fn of(&self, policy: KeyLocation) -> Option<&Arc<dyn KeySource>> {
        self.iter().find(|source| source.policy() == policy)
    }
}

impl<S: KeySource + 'static> From<S> for KeySources {
    fn from(source: S) -> Self {
        Self::in_order(vec![Arc::new(source)])
    }
}

impl From<Arc<dyn KeySource>> for KeySources {
    fn from(source: Arc<dyn KeySource>) -> Self {
        Self::in_order(vec![source])
    }
}

/// A key source that could not do what was asked.
#[derive(Debug)]
pub struct KeyError {
    kind: KeyErrorKind,
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of trouble a key source is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The source works, is unlocked, and has no such key. To be said when it is certain, and only
    /// then: the store takes it for lost, sets its records aside and asks for a new key.
    Absent,
    /// The key is there, and somebody has to unlock it.
    Locked,
    /// The source can't be reached.
    Unavailable,
    /// The source did not answer in time.
    TimedOut,
    /// What the source has is no key, or is kept where others can read it.
    Unusable,
}

impl KeyError {
    /// An error of `kind`; `what` says what was tried on what, in lower case, without a full stop.
    pub fn new(kind: KeyErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds advice for a person.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }

    /// Advice for a person.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What to do about it: a time limit may pass by itself, anything else is up to a person.
    pub fn remedy(&self) -> Remedy {
        match self.kind {
            KeyErrorKind::TimedOut => Remedy::Retry,
            KeyErrorKind::Absent
            | KeyErrorKind::Locked
            | KeyErrorKind::Unavailable
            | KeyErrorKind::Unusable => Remedy::Configure,
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

pub(crate) fn no_random_numbers(error: getrandom::Error) -> KeyError {
    KeyError::new(
        KeyErrorKind::Unavailable,
        format!("the operating system gave no random numbers: {error}"),
    )
}
