//! What an access token says of itself, where it is a JWT (RFC 9068 §2.2).
//!
//! A client has no business to rely on it (RFC 6749 §1.4), and nothing here does: it explains why a
//! server refuses a token, after the fact, and is a reason not to take one over. Audience and issuer are no secrets; nothing else is kept.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_core::AccessToken;
use serde::Deserialize;

/// Whom a token names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) audience: Vec<String>,
    pub(crate) issuer: Option<String>,
}

/// The longest audience or issuer that is shown, in characters, and how many audiences.
const LONGEST: usize = 200;
const MOST: usize = 8;

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

impl Claims {
    /// Reads a token; `None` for one that is no JWT.
    pub(crate) fn of(token: &AccessToken) -> Option<Self> {
        let mut parts = token.expose().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let payload: Payload = serde_json::from_slice(&payload).ok()?;
        let short = |text: String| text.chars().take(LONGEST).collect::<String>();
        let audience = match payload.aud {
            None => Vec::new(),
            Some(Audience::One(one)) => vec![short(one)],
            Some(Audience::Several(all)) => all.into_iter().take(MOST).map(short).collect(),
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
        let found = Claims::of(&token);
        let expected = expected.map(|(audience, issuer)| Claims {
            audience: audience.iter().map(|text| (*text).to_owned()).collect(),
            issuer: issuer.map(str::to_owned),
        });
        assert_eq!(found, expected, "{payload}");
    }

    #[test]
    fn a_jwt_names_its_audience_and_nothing_else_is_read() {
        check(
            r#"{"aud":"a","iss":"i","sub":"s"}"#,
            Some((&["a"], Some("i"))),
        );
        check(r#"{"aud":["a","b"]}"#, Some((&["a", "b"], None)));
        check("{}", Some((&[], None)));
        check(r#"{"aud":7}"#, None);
        check("[]", None);
        for opaque in ["", "opaque", "a.b", "a.!.c", "a.b.c.d"] {
            assert_eq!(Claims::of(&AccessToken::new(opaque)), None, "{opaque}");
        }
    }
}
