//! The authorization response (RFC 6749 §4.1.2).
//!
//! The order of the checks is fixed. Nothing in a response counts before its `state` is right, and no
//! outcome, good or bad, before its `iss` is (RFC 9207 §2.4):
//!
//! | metadata | `iss` in the response | |
//! |---|---|---|
//! | says that responses carry it | equals the issuer, byte for byte | go on |
//! | says so | absent | refused |
//! | does not say so | absent | go on |
//! | either | anything else | refused |

use std::{borrow::Cow, fmt};

use hallpass_core::{Diagnostic, Hint, Issuer, Remedy, Resource, ServerWords};
use oauth2::{CsrfToken, PkceCodeVerifier};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use url::Url;

use crate::{
    error_response::{code_text, error_code},
    form::Form,
    token::TokenRequest,
};

/// A login that waits for the browser to come back. It is good for one code.
pub struct PendingAuthorization {
    pub(crate) url: Url,
    pub(crate) endpoint: Url,
    pub(crate) form: Form,
    pub(crate) redirect_uri: String,
    pub(crate) resource: Option<Resource>,
    pub(crate) issuer: Issuer,
    pub(crate) iss_advertised: bool,
    pub(crate) state: CsrfToken,
    pub(crate) verifier: PkceCodeVerifier,
}

impl PendingAuthorization {
    /// The URL for the user's browser. It holds `state`: show it to that user only.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where the browser will return to.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Reads the query of a callback: what stands after `?` in the address the browser came to.
    ///
    /// It borrows, since any program may send a request to the port: go on listening while
    /// [`CallbackError::is_fatal`] is false.
    ///
    /// # Errors
    ///
    /// When the response is not an answer to this login, comes from another server, or says that
    /// there is no code.
    pub fn receive(&self, query: &str) -> Result<AuthorizationCode, CallbackError> {
        let refuse = |reason| {
            Err(CallbackError {
                redirect_uri: self.redirect_uri.clone(),
                reason: Box::new(reason),
                words: None,
            })
        };
        let response = Response::read(query);
        match response.state.as_slice() {
            [] => return refuse(Reason::NoState),
            [state] if self.is_state(state) => {}
            _ => return refuse(Reason::WrongState),
        }
        if let Err(reason) = check_issuer(&self.issuer, self.iss_advertised, &response.iss) {
            return refuse(reason);
        }
        // RFC 6749 §3.1: no parameter more than once.
        match (response.code.as_slice(), response.error.as_slice()) {
            ([code], []) if !code.is_empty() => Ok(AuthorizationCode(SecretString::from(
                code.as_ref().to_owned(),
            ))),
            ([], [error]) => Err(CallbackError {
                redirect_uri: self.redirect_uri.clone(),
                reason: Box::new(Reason::Refused {
                    code: error_code(error),
                }),
                words: match response.error_description.as_slice() {
                    [description] => ServerWords::in_text(description, None),
                    _ => None,
                },
            }),
            ([], []) => refuse(Reason::Malformed("it holds neither `code` nor `error`")),
            ([_], []) => refuse(Reason::Malformed("its `code` is empty")),
            ([_], [_]) => refuse(Reason::Malformed("it holds both `code` and `error`")),
            _ => refuse(Reason::Malformed("it holds a parameter more than once")),
        }
    }

    /// The token request for the code. A login has one code, and a code is good for one request, so
    /// both are used up.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a code is good for one request"
    )]
    pub fn redeem(self, code: AuthorizationCode) -> TokenRequest {
        TokenRequest::authorization_code(
            code.0.expose_secret(),
            &self.redirect_uri,
            self.verifier.secret(),
            self.resource.as_ref(),
        )
    }

    fn is_state(&self, state: &str) -> bool {
        state
            .as_bytes()
            .ct_eq(self.state.secret().as_bytes())
            .into()
    }
}

impl fmt::Debug for PendingAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAuthorization")
            .field("issuer", &self.issuer)
            .field("redirect_uri", &self.redirect_uri)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// A code that came with the right `state` from the right server.
pub struct AuthorizationCode(SecretString);

impl fmt::Debug for AuthorizationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizationCode(redacted)")
    }
}

/// The parameters that have a meaning, each as often as it came.
#[derive(Default)]
struct Response<'a> {
    state: Vec<Cow<'a, str>>,
    iss: Vec<Cow<'a, str>>,
    code: Vec<Cow<'a, str>>,
    error: Vec<Cow<'a, str>>,
    error_description: Vec<Cow<'a, str>>,
}

impl<'a> Response<'a> {
    fn read(query: &'a str) -> Self {
        let mut response = Self::default();
        let query = query.strip_prefix('?').unwrap_or(query);
        // What follows a `#` is no part of a query; a pasted address may end in one.
        let query = query.split('#').next().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "state" => response.state.push(value),
                "iss" => response.iss.push(value),
                "code" => response.code.push(value),
                "error" => response.error.push(value),
                "error_description" => response.error_description.push(value),
                _ => {}
            }
        }
        response
    }
}

/// RFC 9207 §2.4, all four rows. Texts are compared as they are: no normalization.
fn check_issuer(issuer: &Issuer, advertised: bool, iss: &[Cow<'_, str>]) -> Result<(), Reason> {
    match iss {
        [] if advertised => Err(Reason::NoIssuer {
            expected: issuer.to_string(),
        }),
        [] => Ok(()),
        [iss] if *iss == issuer.as_str() => Ok(()),
        [iss] => Err(Reason::WrongIssuer {
            expected: issuer.to_string(),
            got: show_issuer(iss),
        }),
        _ => Err(Reason::Malformed("it holds a parameter more than once")),
    }
}

/// The issuer of the response as it came: its exact text is how it differs.
fn show_issuer(iss: &str) -> String {
    match Issuer::parse(iss) {
        Ok(issuer) if iss.len() <= 200 => issuer.to_string(),
        _ => "…".to_owned(),
    }
}

/// A callback that brings no code.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CallbackError {
    redirect_uri: String,
    reason: Box<Reason>,
    #[source]
    words: Option<ServerWords>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("the callback holds no `state`, so it is not accepted")]
    NoState,
    #[error("the callback belongs to another sign-in")]
    WrongState,
    #[error(
        "the callback holds no `iss`, although `{expected}` says that it sends one (RFC 9207 §2.4)"
    )]
    NoIssuer { expected: String },
    #[error(
        "the callback comes from the issuer `{got}`, the sign-in was at `{expected}` \
         (RFC 9207 §2.4)"
    )]
    WrongIssuer { expected: String, got: String },
    #[error("the callback can't be read: {0}")]
    Malformed(&'static str),
    #[error("the authorization server refused the sign-in{}", code_text(.code.as_deref()))]
    Refused { code: Option<String> },
}

/// What is wrong with a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallbackErrorKind {
    /// No `state`, or not this login's: a stray request, which means nothing.
    Stray,
    /// The `iss` of RFC 9207 is missing or another server's.
    Issuer,
    /// The right server answered with neither one code nor one error.
    Malformed,
    /// The right server answered that there is no code.
    Refused,
}

impl CallbackError {
    /// What is wrong.
    pub fn kind(&self) -> CallbackErrorKind {
        match *self.reason {
            Reason::NoState | Reason::WrongState => CallbackErrorKind::Stray,
            Reason::NoIssuer { .. } | Reason::WrongIssuer { .. } => CallbackErrorKind::Issuer,
            Reason::Malformed(_) => CallbackErrorKind::Malformed,
            Reason::Refused { .. } => CallbackErrorKind::Refused,
        }
    }

    /// Whether the login is over. A stray request does not end it: any program can send one.
    pub fn is_fatal(&self) -> bool {
        self.kind() != CallbackErrorKind::Stray
    }

    /// The server's error code (RFC 6749 §4.1.2.1), if it has the form of one.
    pub fn code(&self) -> Option<&str> {
        match &*self.reason {
            Reason::Refused { code } => code.as_deref(),
            _ => None,
        }
    }

    /// The server's words, which are also the error's source.
    pub fn description(&self) -> Option<&str> {
        self.words.as_ref().map(ServerWords::as_str)
    }
}

impl Diagnostic for CallbackError {
    fn remedy(&self) -> Remedy {
        match &*self.reason {
            Reason::NoState | Reason::WrongState => Remedy::SignIn,
            Reason::NoIssuer { .. } | Reason::WrongIssuer { .. } | Reason::Malformed(_) => {
                Remedy::Report
            }
            Reason::Refused { code, .. } => match code.as_deref() {
                Some(
                    "unauthorized_client"
                    | "unsupported_response_type"
                    | "invalid_scope"
                    | "invalid_target"
                    | "invalid_request",
                ) => Remedy::Configure,
                Some("temporarily_unavailable" | "server_error") => Remedy::Retry,
                _ => Remedy::SignIn,
            },
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match &*self.reason {
            Reason::NoState => vec![Hint::text(format!(
                "paste the whole address from the browser's address bar, a code alone is not \
                 enough: it begins with `{}?` and holds `state=`",
                self.redirect_uri
            ))],
            Reason::WrongState => vec![Hint::text(
                "use the link of this sign-in: an older one no longer counts",
            )],
            Reason::NoIssuer { expected } | Reason::WrongIssuer { expected, .. } => vec![
                Hint::contact_operator(expected.clone()),
                Hint::text(
                    "the code was not used: the authorization server has to send its own issuer as \
                     `iss`",
                ),
            ],
            Reason::Malformed(_) => Vec::new(),
            Reason::Refused { code } => crate::hint::for_code(code.as_deref(), self.description()),
        }
    }
}

impl fmt::Debug for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallbackError").field(&self.reason).finish()
    }
}
