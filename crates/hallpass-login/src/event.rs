//! The events of a login.

use std::fmt;

use hallpass_core::{
    ClientId, Hint, Issuer, Resource, Scopes, ServerUrl, Timestamp, record::RegistrationOrigin,
};
use http::StatusCode;
use url::Url;

use crate::{LoginError, ManualCallbackError, OpenError};

/// One step of a login, in the order of the steps. Texts that a server chose need
/// [`sanitize_line`](hallpass_core::sanitize_line) before showing.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoginEvent<'a> {
    /// The server's metadata is being read.
    Discovering {
        /// The MCP server.
        server: &'a ServerUrl,
    },
    /// The authorization server is known.
    Discovered {
        /// Its issuer.
        issuer: &'a Issuer,
        /// The `resource` that every request will carry; `None`: left out by a setting.
        resource: Option<&'a Resource>,
        /// The scopes that will be asked for; empty: the parameter is left out.
        scopes: &'a Scopes,
    },
    /// The client is about to register itself (RFC 7591).
    Registering {
        /// Where.
        issuer: &'a Issuer,
        /// Why an earlier registration can't be used, if there is one.
        reason: Option<ReregistrationReason>,
    },
    /// The client that will be used.
    Client {
        /// Its identifier.
        client_id: &'a ClientId,
        /// Where its identifier comes from.
        origin: RegistrationOrigin,
        /// Whether it was registered by an earlier login.
        reused: bool,
    },
    /// The user has to open a URL. Comes before the browser is asked to open it.
    OpenUrl(BrowserRequest<'a>),
    /// The browser was asked to open the URL.
    BrowserOpened,
    /// The browser could not be asked, or the host declined; the login goes on.
    BrowserNotOpened {
        /// Why.
        error: &'a OpenError,
    },
    /// The user may also sign in on another device.
    DeviceCode(DeviceCode<'a>),
    /// The device grant failed, or the client is not registered for it; the browser can still finish the
    /// login.
    DeviceEnded {
        /// Why.
        error: &'a LoginError,
    },
    /// Something came to the callback port that was not the answer to this login; the login goes on. Later
    /// ones are only counted: any program of this machine can send as many as it likes.
    Stray {
        /// What was wrong with it.
        reason: &'a str,
    },
    /// The wait for the callback is over, and more than one request to its port was not the answer.
    Strays {
        /// How many they were, with the first.
        count: u64,
    },
    /// A pasted text was refused; the next one is awaited.
    PasteRefused {
        /// Why, and what to paste.
        error: &'a ManualCallbackError,
    },
    /// The authorization code was received and is being exchanged.
    CodeReceived,
    /// Something the user should know, although the login succeeds.
    Warning(LoginWarning),
    /// The login succeeded.
    SignedIn {
        /// The issuer of the grant.
        issuer: &'a Issuer,
        /// The granted scopes; those that were asked for, where the server did not say.
        scopes: &'a Scopes,
        /// When the access token expires; `None`: the server did not say.
        expires_at: Option<Timestamp>,
    },
    /// The login is over: it succeeded, failed or was canceled. No event of it follows.
    Ended,
}

/// The URL that the user has to open, and where the browser comes back to.
#[derive(Clone, Copy)]
pub struct BrowserRequest<'a> {
    /// The authorization URL.
    pub url: &'a Url,
    /// The redirect URI, which is a port of this machine.
    pub redirect_uri: &'a str,
    /// The callback port.
    pub port: u16,
}

impl BrowserRequest<'_> {
    /// The option of `ssh` that forwards the callback port to the machine of the browser:
    /// `-L 40123:127.0.0.1:40123`. It goes before the host's name.
    pub fn ssh_forward(&self) -> String {
        let target = if self.redirect_uri.starts_with("http://[::1]") {
            "[::1]"
        } else {
            "127.0.0.1"
        };
        format!("-L {port}:{target}:{port}", port = self.port)
    }
}

impl fmt::Debug for BrowserRequest<'_> {
    /// Without the URL's query, which holds `state`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        url.set_query(None);
        f.debug_struct("BrowserRequest")
            .field("url", &url.as_str())
            .field("redirect_uri", &self.redirect_uri)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// The code that the user types on a device with a browser (RFC 8628 §3.3).
#[derive(Clone, Copy)]
pub struct DeviceCode<'a> {
    /// The code to type.
    pub user_code: &'a str,
    /// The page to type it into.
    pub verification_uri: &'a Url,
    /// The same page with the code in it, for a link or a QR code.
    pub verification_uri_complete: Option<&'a Url>,
    /// When the code expires.
    pub expires_at: Timestamp,
}

impl fmt::Debug for DeviceCode<'_> {
    /// Without the code, which is for the user alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("verification_uri", &self.verification_uri.as_str())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why an earlier registration can't be used for this login. A later reason shows at a later step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReregistrationReason {
    /// The port of its redirect URI is taken.
    PortTaken,
    /// The callback setting names another host, port or path than its redirect URI.
    CallbackChanged,
    /// Its secret has expired (RFC 7591 §3.2.1).
    SecretExpired,
    /// It was registered for fewer scopes.
    Scopes,
    /// It was registered without a grant that it needs.
    Grants,
    /// The server has forgotten it, or refuses its redirect URI.
    Refused,
    /// The server gives no tokens to a client without a secret.
    NeedsSecret,
}

impl fmt::Display for ReregistrationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortTaken => "the port of its redirect URI is taken",
            Self::CallbackChanged => "the callback setting has changed",
            Self::SecretExpired => "its secret has expired",
            Self::Scopes => "it was registered for fewer scopes",
            Self::Grants => "it was registered without a grant that it needs",
            Self::Refused => "the authorization server no longer accepts it",
            Self::NeedsSecret => "the authorization server gives it no tokens without a secret",
        })
    }
}

/// What the user should know about a login that succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginWarning {
    /// There is no refresh token: the user has to sign in again when the access token expires.
    NoRefreshToken {
        /// Why it may be.
        reason: NoRefreshToken,
    },
    /// The server's challenge names its metadata on another origin.
    MetadataElsewhere {
        /// That origin.
        origin: String,
    },
    /// The server's URL answers neither as an MCP server does nor with a request to sign in. Comes before the
    /// browser opens.
    UnexpectedStatus {
        /// The MCP server.
        server: ServerUrl,
        /// What it answered to a request without a token.
        status: StatusCode,
    },
    /// There is no metadata anywhere: the endpoints are guesses. Comes before the browser opens.
    GuessedEndpoints,
    /// No scopes are requested, and the authorization server is an OpenID provider, which may want
    /// `openid`. Comes before the browser opens.
    NoScopes,
    /// The host offers the device grant (RFC 8628), and the authorization server does not. Comes before the
    /// browser opens.
    NoDeviceGrant {
        /// The authorization server.
        issuer: Issuer,
    },
    /// Fewer scopes were granted than asked for.
    FewerScopes {
        /// Those that are missing.
        missing: Scopes,
    },
}

/// Why a server may have given no refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoRefreshToken {
    /// Its metadata lists grant types, and `refresh_token` is not among them.
    GrantNotSupported,
    /// It lists the scope `offline_access`, which was not asked for.
    OfflineAccessNotAsked,
    /// `offline_access` was asked for and not granted.
    OfflineAccessNotGranted,
    /// Nothing that the server publishes explains it.
    Unexplained,
}

impl LoginWarning {
    /// The setting that helps, if one does.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::NoScopes => Some(Hint::setting("scopes", Some("openid"))),
            Self::MetadataElsewhere { .. }
            | Self::UnexpectedStatus { .. }
            | Self::GuessedEndpoints
            | Self::NoRefreshToken { .. }
            | Self::NoDeviceGrant { .. }
            | Self::FewerScopes { .. } => None,
        }
    }
}

impl fmt::Display for LoginWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRefreshToken { reason } => write!(
                f,
                "no refresh token: you have to sign in again when the access token expires: \
                 {reason}"
            ),
            Self::MetadataElsewhere { origin } => write!(
                f,
                "the server's metadata is on another origin, {origin}, as its challenge says"
            ),
            Self::UnexpectedStatus { server, status } => write!(
                f,
                "{server} answered {status} to a request without a token, where an MCP server answers or \
                 asks for a sign-in"
            ),
            Self::GuessedEndpoints => f.write_str(
                "there is no metadata anywhere: the addresses of the sign-in are guesses",
            ),
            Self::NoScopes => f.write_str(
                "no scope is requested; if the sign-in page complains about that, request `openid`",
            ),
            Self::NoDeviceGrant { issuer } => write!(
                f,
                "{issuer} offers no sign-in with a code for another device (RFC 8628): sign in with a browser"
            ),
            Self::FewerScopes { missing } => write!(f, "these scopes were not granted: {missing}"),
        }
    }
}

impl fmt::Display for NoRefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GrantNotSupported => "the authorization server does not list the refresh grant",
            Self::OfflineAccessNotAsked => {
                "the authorization server lists the scope `offline_access`, which was not asked for"
            }
            Self::OfflineAccessNotGranted => {
                "the scope `offline_access` was asked for and not granted"
            }
            Self::Unexplained => "the authorization server does not say why",
        })
    }
}
