//! A callback URL that the user pastes: the whole URL, with `state` and `iss`.

use std::fmt;

use hallpass_core::Remedy;
use url::Url;

/// A pasted text that is not a callback of this login. It does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualCallbackError {
    reason: Reason,
    redirect_uri: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    Empty,
    NotAUrl,
    BareCode,
    AuthorizationUrl,
    OtherUrl,
    NoQuery,
    Stray(String),
}

impl ManualCallbackError {
    /// A URL of the right address whose `state` is missing or of another login.
    pub(crate) fn stray(redirect_uri: &str, why: impl Into<String>) -> Self {
        Self {
            reason: Reason::Stray(why.into()),
            redirect_uri: redirect_uri.to_owned(),
        }
    }

    /// What to do about it: paste the right text.
    pub fn remedy(&self) -> Remedy {
        Remedy::SignIn
    }

    /// What to paste instead.
    pub fn hint(&self) -> String {
        format!(
            "sign in, and when the browser shows that it can't reach the page, paste the whole \
             address from its address bar: it begins with {}?",
            self.redirect_uri
        )
    }
}

impl fmt::Display for ManualCallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Empty => f.write_str("nothing was pasted"),
            Reason::NotAUrl => f.write_str("the pasted text is not a URL"),
            Reason::BareCode => f.write_str(
                "the pasted text is a bare code, which can't be checked: the `state` and `iss` of \
                 the whole URL are missing",
            ),
            Reason::AuthorizationUrl => f.write_str(
                "the pasted text is the address where the sign-in begins, not the one where it ends",
            ),
            Reason::OtherUrl => f.write_str("the pasted URL is not this sign-in's callback"),
            Reason::NoQuery => f.write_str("the pasted URL ends before its question mark"),
            Reason::Stray(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ManualCallbackError {}

/// The query of a pasted callback URL.
pub(crate) fn parse(
    text: &str,
    redirect_uri: &str,
    authorization_url: &Url,
) -> Result<String, ManualCallbackError> {
    let refuse = |reason| {
        Err(ManualCallbackError {
            reason,
            redirect_uri: redirect_uri.to_owned(),
        })
    };
    let text = text.trim().trim_matches(['"', '\'', '<', '>']).trim();
    if text.is_empty() {
        return refuse(Reason::Empty);
    }
    let Ok(url) = Url::parse(text) else {
        let one_word = !text.contains(char::is_whitespace) && !text.contains(['/', '?', '=']);
        return refuse(if one_word {
            Reason::BareCode
        } else {
            Reason::NotAUrl
        });
    };
    let place = |url: &Url| {
        let host = url.host_str().map(str::to_owned);
        (
            url.scheme().to_owned(),
            host,
            url.port_or_known_default(),
            url.path().to_owned(),
        )
    };
    if Url::parse(redirect_uri).map(|ours| place(&ours)) != Ok(place(&url)) {
        // A code may hold a colon, and then reads as a URL without a host.
        return refuse(if place(&url) == place(authorization_url) {
            Reason::AuthorizationUrl
        } else if url.has_host() {
            Reason::OtherUrl
        } else {
            Reason::BareCode
        });
    }
    match url.query() {
        Some(query) if !query.is_empty() => Ok(query.to_owned()),
        _ => refuse(Reason::NoQuery),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLBACK: &str = "http://127.0.0.1:40123/callback";

    fn check(text: &str, expected: Result<&str, &str>) {
        let authorization = Url::parse("https://as.example/authorize?state=s").unwrap();
        let found = parse(text, CALLBACK, &authorization);
        match expected {
            Ok(query) => assert_eq!(found.as_deref(), Ok(query), "{text}"),
            Err(words) => {
                let error = found.unwrap_err();
                let shown = format!("{error} {error:?} {}", error.hint());
                assert!(error.to_string().contains(words), "{text}: {error}");
                assert!(shown.contains(CALLBACK), "{shown}");
                assert!(!shown.contains("canary"), "{shown}");
            }
        }
    }

    #[test]
    fn only_the_whole_callback_url_is_taken() {
        check(
            "http://127.0.0.1:40123/callback?code=canary&state=s",
            Ok("code=canary&state=s"),
        );
        check(
            "  \"http://127.0.0.1:40123/callback?code=canary#x\"\n",
            Ok("code=canary"),
        );
        check("", Err("nothing was pasted"));
        check("canary", Err("a bare code"));
        check("v1:canary", Err("a bare code"));
        check("what is a canary?", Err("not a URL"));
        check("code=canary&state=s", Err("not a URL"));
        check("http://127.0.0.1:40123/callback", Err("question mark"));
        check("http://127.0.0.1:40123/callback?", Err("question mark"));
        check(
            "http://127.0.0.1:1/callback?code=canary",
            Err("not this sign-in's callback"),
        );
        check(
            "https://127.0.0.1:40123/callback?code=canary",
            Err("not this sign-in's callback"),
        );
        check(
            "https://as.example/authorize?state=canary",
            Err("where the sign-in begins"),
        );
    }
}
