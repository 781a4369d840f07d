//! Whose credential it is, and for which server.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use sha2::{Digest, Sha256};

use crate::{Diagnostic, Remedy, ServerUrl};

/// Whose credential it is, and for which server: the unit that is locked, refreshed and signed out as a
/// whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialKey {
    /// The MCP server.
    pub server: ServerUrl,
    /// The tenant and the user of a host that has many. Empty in a program for one user.
    pub subject: Subject,
    /// Which of the user's accounts on the server.
    pub account: Account,
}

impl CredentialKey {
    /// The default account on `server`, of no particular user.
    pub fn new(server: ServerUrl) -> Self {
        Self {
            server,
            subject: Subject::default(),
            account: Account::default(),
        }
    }

    /// The same, of this user.
    #[must_use]
    pub fn with_subject(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }

    /// Another account on the same server.
    #[must_use]
    pub fn with_account(mut self, account: Account) -> Self {
        self.account = account;
        self
    }

    /// A SHA-256 digest of the whole key: for the names of files and rows. No two keys have the same.
    pub fn digest(&self) -> [u8; 32] {
        self.digest_at(self.server.as_str())
    }

    /// The digest of this key at another server, of any text: for a second file of the same key.
    pub fn digest_at(&self, server: &str) -> [u8; 32] {
        let account = self.account.as_str();
        let (tenant, user) = (self.subject.tenant(), self.subject.user());
        let mut digest = Sha256::new();
        if tenant.is_empty() {
            // Neither server nor account can hold a zero byte, and the user comes last: no two keys give the
            // same bytes. The first line is as it was in the first version of the files.
            digest.update(b"hallpass slot 1\0");
            digest.update(server);
            digest.update(b"\0");
            digest.update(account);
            if !user.is_empty() {
                digest.update(b"\0");
                digest.update(user.as_bytes());
            }
        } else {
            digest.update(b"hallpass slot 2\0");
            for part in [server, account, tenant.as_str(), user] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }

    /// An opaque name of the key for logs, spans and audits: 16 hexadecimal digits of its
    /// [digest](Self::digest).
    pub fn id(&self) -> String {
        hex(&self.digest()[..8])
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

// Without the subject: a user's name is personal data, and this text goes into logs and errors.
impl fmt::Display for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.account == Account::default() {
            write!(f, "{}", self.server)
        } else {
            write!(f, "{} ({})", self.server, self.account)
        }
    }
}

/// The most bytes of a tenant's or a user's name.
const MAX_NAME: usize = 250;

/// The user of a host that has many: a [tenant](Tenant) and a user of it, as the host names them. The user's name
/// is any text of up to 250 bytes, compared byte by byte.
///
/// `Display` is for an operator: the escaped names. It is personal data, so that no log and no error of Hallpass
/// has it; they have the [id](CredentialKey::id) of the key.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(
    /// `None` where both are empty: most programs are for one user, and have no memory for it.
    Option<Box<Names>>,
);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Names {
    tenant: Tenant,
    user: Box<str>,
}

impl Subject {
    /// The user of a host without tenants.
    ///
    /// # Errors
    ///
    /// When the name is longer than 250 bytes.
    pub fn new(user: &str) -> Result<Self, SubjectError> {
        Ok(Self::from_parts("", check(user)?))
    }

    /// The user of this name in a tenant.
    #[must_use]
    pub fn with_tenant(self, tenant: Tenant) -> Self {
        Self::from_names(tenant, self.user())
    }

    /// The tenant; empty in a host without tenants.
    pub fn tenant(&self) -> &Tenant {
        static NONE: Tenant = Tenant(None);
        self.0.as_deref().map_or(&NONE, |names| &names.tenant)
    }

    /// The user's name; empty in a program for one user.
    pub fn user(&self) -> &str {
        self.0.as_deref().map_or("", |names| &names.user)
    }

    pub(crate) fn from_parts(tenant: &str, user: &str) -> Self {
        Self::from_names(Tenant::from_text(tenant), user)
    }

    fn from_names(tenant: Tenant, user: &str) -> Self {
        let is_empty = tenant.is_empty() && user.is_empty();
        Self((!is_empty).then(|| {
            Box::new(Names {
                tenant,
                user: user.into(),
            })
        }))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.tenant().is_empty() {
            write!(f, "{} / ", self.tenant())?;
        }
        f.write_str(&crate::quote(self.user()))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            None => "Subject",
            Some(_) => "Subject(…)",
        })
    }
}

/// A customer of a host that has many, as the host names it: any text of up to 250 bytes, compared byte by byte.
/// `Display` escapes it.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Option<Box<str>>);

impl Tenant {
    /// The tenant of this name.
    ///
    /// # Errors
    ///
    /// When the name is longer than 250 bytes.
    pub fn new(name: &str) -> Result<Self, SubjectError> {
        Ok(Self::from_text(check(name)?))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether it is empty, as in a host without tenants.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn from_text(name: &str) -> Self {
        Self((!name.is_empty()).then(|| name.into()))
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::quote(self.as_str()))
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() {
            "Tenant"
        } else {
            "Tenant(…)"
        })
    }
}

fn check(name: &str) -> Result<&str, SubjectError> {
    if name.len() > MAX_NAME {
        return Err(SubjectError { length: name.len() });
    }
    Ok(name)
}

/// A name that is too long for a tenant or a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a tenant or user has {length} bytes: use at most {MAX_NAME}, such as a digest of it"
)]
pub struct SubjectError {
    length: usize,
}

impl Diagnostic for SubjectError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

/// A name for one of several accounts on the same server: 1 to 64 letters, digits, `-`, `_`, `.`
/// or `@`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(String);

impl Account {
    /// Reads an account's name.
    ///
    /// # Errors
    ///
    /// When the name is empty, too long, or holds another character.
    pub fn parse(name: &str) -> Result<Self, AccountError> {
        let fits = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(AccountError {
                name: name.to_owned(),
            })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Account {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(name: &str) -> Result<Self, AccountError> {
        Self::parse(name)
    }
}

/// A text that can't name an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` can't name an account: use 1 to 64 letters, digits, `-`, `_`, `.` or `@`",
    crate::quote(name)
)]
pub struct AccountError {
    name: String,
}

impl Diagnostic for AccountError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

#[cfg(test)]
mod tests;
