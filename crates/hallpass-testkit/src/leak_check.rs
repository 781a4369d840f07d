//! A check that texts hold none of a set of secrets, in any of the forms that secrets leak in.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use hallpass_core::Remedy;
use url::form_urlencoded;

use crate::Recorder;

/// Secrets that must not show up, each with the name it is reported by.
///
/// ```
/// use hallpass_testkit::LeakCheck;
///
/// let mut leaks = LeakCheck::new();
/// let token = leaks.canary("access token");
/// assert!(leaks.check("the log", "signed in, token (redacted)").is_ok());
/// let leak = leaks.check("the log", &format!("got {token}")).unwrap_err();
/// assert_eq!(leak.to_string(), "the log holds a secret: access token");
/// ```
#[derive(Clone, Default)]
pub struct LeakCheck {
    secrets: Vec<(String, String)>,
}

/// A secret that showed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    place: String,
    secret: String,
}

impl LeakCheck {
    /// A check that knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes up a secret that can't be in a text by chance, and watches for it.
    pub fn canary(&mut self, name: &str) -> String {
        let number = self.secrets.len();
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let canary = format!("canary-{number}-{word}-Zq9/+x~7");
        self.watch(name, &canary);
        canary
    }

    /// Watches for a secret that came from elsewhere. One of fewer than six characters is not
    /// watched for: it would be found by chance.
    pub fn watch(&mut self, name: &str, secret: &str) {
        if secret.chars().count() >= 6 {
            self.secrets.push((name.to_owned(), secret.to_owned()));
        }
    }

    /// Watches for every secret that went over the wire so far, but for those whose names are
    /// excepted: a `state` is no secret to the user who is shown the URL it stands in.
    pub fn watch_record(&mut self, recorder: &Recorder, except: &[&str]) {
        for request in recorder.requests() {
            for (name, secret) in request.secrets() {
                if !except.contains(&name.as_str()) {
                    self.watch(&name, &secret);
                }
            }
        }
    }

    /// How many secrets are watched for.
    pub fn watched(&self) -> usize {
        self.secrets.len()
    }

    /// Looks through a text, whose `place` names it in the error. A secret counts as there when it
    /// stands in it plainly, percent-encoded, escaped as in JSON or in `Debug`, in hexadecimal
    /// digits, or inside something in base64.
    ///
    /// # Errors
    ///
    /// Names the first secret found, never its value.
    pub fn check(&self, place: &str, text: &str) -> Result<(), Leak> {
        let leaked = self
            .secrets
            .iter()
            .find(|(_, secret)| forms(secret).iter().any(|form| text.contains(form)));
        match leaked {
            None => Ok(()),
            Some((secret, _)) => Err(Leak {
                place: place.to_owned(),
                secret: secret.clone(),
            }),
        }
    }
}

impl fmt::Debug for LeakCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeakCheck({} secrets)", self.secrets.len())
    }
}

impl Leak {
    /// The name of the secret.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// What to do about it: the code that wrote the text has a defect.
    pub fn remedy(&self) -> Remedy {
        Remedy::Report
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} holds a secret: {}", self.place, self.secret)
    }
}

impl std::error::Error for Leak {}

/// The texts that give a secret away.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        secret.escape_debug().to_string(),
        serde_json::Value::from(secret)
            .to_string()
            .trim_matches('"')
            .to_owned(),
        hexadecimal(secret),
        hexadecimal(secret).to_uppercase(),
    ];
    // In base64 a text looks different at each of three alignments. The characters at both ends
    // that hold a neighbour's bits are left out.
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret.as_bytes());
        let head = (before * 8).div_ceil(6);
        let whole = bytes.len() * 8 / 6;
        for encoded in [
            STANDARD_NO_PAD.encode(&bytes),
            URL_SAFE_NO_PAD.encode(&bytes),
        ] {
            forms.extend(encoded.get(head..whole).map(str::to_owned));
        }
    }
    forms
}

fn hexadecimal(text: &str) -> String {
    let digits = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    text.bytes()
        .flat_map(|byte| [digits(byte >> 4), digits(byte & 15)])
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: impl Fn(&str) -> String, leaks: bool) {
        let mut check = LeakCheck::new();
        let canary = check.canary("refresh token");
        let text = text(&canary);
        assert_eq!(check.check("it", &text).is_err(), leaks, "{text}");
    }

    #[test]
    fn encoded_secret_is_found() {
        check(|_| "nothing here".to_owned(), false);
        check(|it| it.chars().rev().collect(), false);
        check(|it| format!("<{it}>"), true);
        check(
            |it| form_urlencoded::byte_serialize(it.as_bytes()).collect(),
            true,
        );
        check(|it| STANDARD_NO_PAD.encode(it), true);
        check(|it| STANDARD_NO_PAD.encode(format!("i:{it}:x")), true);
        check(
            |it| URL_SAFE_NO_PAD.encode(format!("{{\"a\":\"{it}\"}}")),
            true,
        );
        check(|it| STANDARD_NO_PAD.encode(format!("{it}é")), true);
        check(hexadecimal, true);
    }

    #[test]
    fn secret_with_quotes_is_found_in_json_and_debug() {
        let mut check = LeakCheck::new();
        check.watch("password", "pass\"wo\\rd");
        let json = serde_json::Value::from("pass\"wo\\rd").to_string();
        assert!(check.check("json", &json).is_err());
        assert!(
            check
                .check("debug", &format!("{:?}", "pass\"wo\\rd"))
                .is_err()
        );
        assert!(!format!("{check:?}").contains("pass"));
    }

    #[test]
    fn short_texts_are_not_watched_for() {
        let mut check = LeakCheck::new();
        check.watch("pin", "12345");
        assert_eq!(check.watched(), 0);
    }
}
