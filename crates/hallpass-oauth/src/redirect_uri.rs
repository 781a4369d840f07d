//! A redirect URI that the authorization server does not accept, and what its words suggest instead.

use hallpass_core::Hint;

/// What an authorization server wants in the place of a redirect URI, by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectUriRefusal {
    /// It names the host `localhost`.
    Localhost,
    /// It wants a certain port.
    Port,
    /// It wants `https`, which a callback on the user's machine can't have.
    Https,
    /// It says no more.
    Unknown,
}

impl RedirectUriRefusal {
    /// Reads a server's words.
    pub fn read(words: &str) -> Self {
        let words = words.to_lowercase();
        let has = |expected: &str| {
            let mut words = words.split(|c: char| !c.is_alphanumeric());
            words.any(|word| word == expected)
        };
        if has("localhost") {
            Self::Localhost
        } else if has("port") || has("ports") {
            Self::Port
        } else if has("https") {
            Self::Https
        } else {
            Self::Unknown
        }
    }

    /// The settings that help, where the redirect URI has the host `host`.
    pub fn hints(self, host: &str) -> Vec<Hint> {
        // Refused as it is, the word names what is wrong and not what is right.
        let other = if host == "localhost" {
            "127.0.0.1"
        } else {
            "localhost"
        };
        match self {
            Self::Localhost => vec![Hint::setting("callback.host", Some(other))],
            Self::Port => vec![
                Hint::setting("callback", None),
                Hint::text("the server wants a certain port in the redirect URI"),
            ],
            Self::Https => vec![
                Hint::setting("client", None),
                Hint::text(
                    "the server wants an https URL, and a callback on this machine has none: \
                     register a client there by hand, for a loopback redirect URI",
                ),
            ],
            Self::Unknown => vec![
                Hint::setting("callback.host", Some(other)),
                Hint::setting("callback", None),
                Hint::text("the redirect URI has to be one that the server accepts for the client"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_redirect_uri_is_read_from_words() {
        use RedirectUriRefusal::{Https, Localhost, Port, Unknown};
        for (words, expected) in [
            ("Only http://localhost redirect URIs are allowed", Localhost),
            ("redirect_uri: a fixed port is required", Port),
            (
                "unsupported redirect_uri http://127.0.0.1:4711/callback",
                Unknown,
            ),
            (
                "Redirect URI must use HTTPS: http://127.0.0.1/callback",
                Https,
            ),
            ("", Unknown),
        ] {
            assert_eq!(RedirectUriRefusal::read(words), expected, "{words}");
        }
    }

    #[test]
    fn suggested_host_is_another_one() {
        let hints = |host| RedirectUriRefusal::Localhost.hints(host);
        let host = |host| vec![Hint::setting("callback.host", Some(host))];
        assert_eq!(hints("127.0.0.1"), host("localhost"));
        assert_eq!(hints("localhost"), host("127.0.0.1"));
    }
}
