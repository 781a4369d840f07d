//! Whose credential it is, and for which server.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Diagnostic, Remedy, ServerUrl};

/// Whose credential it is, and for which server: the unit that is locked, refreshed and signed out as a
/// whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialKey {
    /// The MCP server.
    pub server: ServerUrl,
    /// The user of a host that has many. Empty in a program for one user.
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

/// The user that a credential belongs to, as the host names users: any text, compared byte by byte.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// The subject with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is empty, as in a program for one user.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() {
            "Subject"
        } else {
            "Subject(…)"
        })
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
