//! Secrets as types with one opening verb, and where fresh ones come from.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        ///
        /// No `Display`, no `Serialize`, a redacted `Debug`; the memory is wiped on drop.
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes a secret in.
            pub fn new(secret: impl Into<String>) -> Self {
                Self(SecretString::from(secret.into()))
            }

            /// Opens the secret. Every place that does is listed and reviewed.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl PartialEq for $name {
            /// Compares within this process, where timing tells an attacker nothing.
            fn eq(&self, other: &Self) -> bool {
                self.expose() == other.expose()
            }
        }

        impl Eq for $name {}
    )*};
}

secrets! {
    /// An access token (RFC 6749 §1.4): opaque, whatever it looks like.
    AccessToken,
    /// A refresh token (RFC 6749 §1.5).
    RefreshToken,
    /// A client's secret (RFC 6749 §2.3.1).
    ClientSecret,
    /// The token that manages a registration (RFC 7592 §3).
    RegistrationAccessToken,
    /// A client's private key for `private_key_jwt` (RFC 7523 §2.2) as a PKCS#8 document in PEM.
    ClientPrivateKey,
    /// A DPoP private key (RFC 9449) as a PKCS#8 document in base64.
    DpopKey,
}

/// Where random bytes come from: the operating system in a program, a fixed sequence in a test.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_secret_is_redacted() {
        let token = AccessToken::new("canary-4711");
        assert_eq!(
            format!("{token:?} {:?}", Some(&token)),
            "AccessToken(redacted) Some(AccessToken(redacted))"
        );
        assert_eq!(token.expose(), "canary-4711");
    }
}
