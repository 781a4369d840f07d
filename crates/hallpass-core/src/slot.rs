//! The key under which credentials are kept.

use std::{fmt, str::FromStr};

use crate::{Remedy, ServerUrl};

/// One account on one server: the unit that is locked, refreshed and signed out as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The MCP server.
    pub server: ServerUrl,
    /// Which of a person's accounts on it.
    pub profile: Profile,
}

impl Slot {
    /// The slot of `server`'s default profile.
    pub fn new(server: ServerUrl) -> Self {
        Self {
            server,
            profile: Profile::default(),
        }
    }

    /// The slot of another profile on the same server.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.profile == Profile::default() {
            write!(f, "{}", self.server)
        } else {
            write!(f, "{} ({})", self.server, self.profile)
        }
    }
}

/// A name for one of several accounts on the same server: 1 to 64 letters, digits, `-`, `_`, `.`
/// or `@`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Profile(String);

impl Profile {
    /// Reads a profile's name.
    ///
    /// # Errors
    ///
    /// When the name is empty, too long, or holds another character.
    pub fn parse(name: &str) -> Result<Self, ProfileError> {
        let fits = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(ProfileError {
                name: name.to_owned(),
            })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(name: &str) -> Result<Self, ProfileError> {
        Self::parse(name)
    }
}

/// A text that can't name a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    name: String,
}

impl ProfileError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` can't name a profile: use 1 to 64 letters, digits, `-`, `_`, `.` or `@`",
            crate::quote(&self.name)
        )
    }
}

impl std::error::Error for ProfileError {}
