//! The audience and the issuer that an access token names, where it is a JWT (RFC 9068 §2.2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::AccessToken;

/// What an access token says of itself. Its signature is not checked.
///
/// A token is opaque to a client (RFC 6749 §1.4). This serves to explain why a server refuses one,
/// and as a reason not to import one; it never decides where a token is sent. Neither member is a
/// secret, and nothing else is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnverifiedClaims {
    /// `aud`, at most eight values.
    pub audience: Vec<String>,
    /// `iss`.
    pub issuer: Option<String>,
}

/// The longest audience or issuer that is kept, in characters.
const MAX_LENGTH: usize = 200;
const MAX_AUDIENCES: usize = 8;

#[derive(Deserialize)]
struct Payload {
    aud: Option<Audience>,
    iss: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl UnverifiedClaims {
    /// Reads a token; `None` for one that is not a JWT.
    pub fn from_token(token: &AccessToken) -> Option<Self> {
        let mut parts = token.expose().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let payload: Payload = serde_json::from_slice(&payload).ok()?;
        let short = |text: String| text.chars().take(MAX_LENGTH).collect::<String>();
        let audience = match payload.aud {
            None => Vec::new(),
            Some(Audience::One(one)) => vec![short(one)],
            Some(Audience::Several(all)) => {
                all.into_iter().take(MAX_AUDIENCES).map(short).collect()
            }
        };
        Some(Self {
            audience,
            issuer: payload.iss.map(short),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, expected: Option<(&[&str], Option<&str>)>) {
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let token = AccessToken::new(format!("eyJ.{payload}.sig"));
        let found = UnverifiedClaims::from_token(&token);
        let expected = expected.map(|(audience, issuer)| UnverifiedClaims {
            audience: audience.iter().map(|text| (*text).to_owned()).collect(),
            issuer: issuer.map(str::to_owned),
        });
        assert_eq!(found, expected, "{payload}");
    }

    #[test]
    fn jwt_audience_and_issuer_are_read() {
        check(
            r#"{"aud":"a","iss":"i","sub":"s"}"#,
            Some((&["a"], Some("i"))),
        );
        check(r#"{"aud":["a","b"]}"#, Some((&["a", "b"], None)));
        check("{}", Some((&[], None)));
        check(r#"{"aud":7}"#, None);
        check("[]", None);
        for opaque in ["", "opaque", "a.b", "a.!.c", "a.b.c.d"] {
            assert_eq!(
                UnverifiedClaims::from_token(&AccessToken::new(opaque)),
                None,
                "{opaque}"
            );
        }
    }
}
