//! Scopes (RFC 6749 §3.3): a set of tokens.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{Diagnostic, Remedy};

/// A set of scope tokens. Order and repetition carry no meaning, so two sets compare as sets.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// The empty set. An empty set is never sent: the parameter is left out.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads a space-separated list as a server sends it, passing over tokens that RFC 6749 does
    /// not allow.
    pub fn from_server(text: &str) -> Self {
        Self(
            text.split_ascii_whitespace()
                .filter(|token| is_token(token))
                .map(Into::into)
                .collect(),
        )
    }

    /// Reads a space-separated list as a user writes it.
    ///
    /// # Errors
    ///
    /// When a token holds a character outside RFC 6749 §3.3.
    pub fn parse(text: &str) -> Result<Self, ScopesError> {
        match text.split_ascii_whitespace().find(|token| !is_token(token)) {
            Some(token) => Err(ScopesError {
                token: token.to_owned(),
            }),
            None => Ok(Self::from_server(text)),
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the set holds `token`.
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether every token of `other` is in this set.
    pub fn covers(&self, other: &Scopes) -> bool {
        self.0.is_superset(&other.0)
    }

    /// Both sets together, as a step-up asks for.
    #[must_use]
    pub fn union(&self, other: &Scopes) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// This set with one more token. A text that is not a token changes nothing.
    #[must_use]
    pub fn with(mut self, token: &str) -> Self {
        if is_token(token) {
            self.0.insert(token.to_owned());
        }
        self
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    /// Collects tokens, passing over those that RFC 6749 does not allow.
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        Self(
            tokens
                .into_iter()
                .filter(|token| is_token(token))
                .map(Into::into)
                .collect(),
        )
    }
}

impl fmt::Display for Scopes {
    /// The tokens with a space between, which is the form that goes over the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, token) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl FromStr for Scopes {
    type Err = ScopesError;

    fn from_str(text: &str) -> Result<Self, ScopesError> {
        Self::parse(text)
    }
}

/// A text that is not a scope token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a scope token (RFC 6749 §3.3)", crate::quote(token))]
pub struct ScopesError {
    token: String,
}

impl Diagnostic for ScopesError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}

/// RFC 6749 §3.3: `1*( %x21 / %x23-5B / %x5D-7E )`.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_no_order_and_no_repetition() {
        assert_eq!(Scopes::from_server("b a  b"), Scopes::from_server("a b"));
        assert_eq!(Scopes::from_server("b a b").to_string(), "a b");
        assert!(Scopes::from_server("  ").is_empty());
    }

    #[test]
    fn step_up_scopes_are_the_union() {
        let granted = Scopes::from_server("mcp:basic");
        let challenged = Scopes::from_server("mcp:write");
        assert!(!granted.covers(&challenged));
        assert_eq!(
            granted.union(&challenged).to_string(),
            "mcp:basic mcp:write"
        );
        assert!(granted.union(&challenged).covers(&granted));
    }

    #[test]
    fn malformed_scope_is_refused_from_users_and_ignored_from_servers() {
        let error = Scopes::parse("ok \"bad\"").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`\"bad\"` is not a scope token (RFC 6749 §3.3)"
        );
        assert_eq!(Scopes::from_server("ok \"bad\"").to_string(), "ok");
    }
}
