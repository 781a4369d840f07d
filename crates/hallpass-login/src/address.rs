//! Where a callback arrives: the loopback address that a redirect URI names (RFC 8252 §7.3).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hallpass_core::{CallbackSetting, Issuer, quote};
use tokio::net::TcpListener;
use url::{Host, Url};

use crate::{LoginError, LoginErrorKind};

/// How many ports are tried until one is free on both addresses of `localhost`.
const MAX_LOCALHOST_TRIES: usize = 16;

/// The first dynamic port (RFC 6335 §6).
const FIRST_DYNAMIC_PORT: u16 = 49_152;

/// The host of a loopback redirect URI, in the three spellings that browsers and servers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoopbackHost {
    V4,
    V6,
    /// Either address, as the browser's resolver likes it: both are listened on.
    Localhost,
}

impl LoopbackHost {
    fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.1",
            Self::V6 => "[::1]",
            Self::Localhost => "localhost",
        }
    }
}

/// A loopback address to listen on, with the path that is the callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallbackAddress {
    host: LoopbackHost,
    port: Option<u16>,
    path: String,
}

impl CallbackAddress {
    /// Reads a setting; the error says what is wrong with it.
    pub(crate) fn from_setting(setting: &CallbackSetting) -> Result<Self, LoginError> {
        let refuse = |what: String| Err(LoginError::new(LoginErrorKind::Setting, what));
        let host = match setting.host.as_str() {
            "127.0.0.1" => LoopbackHost::V4,
            "[::1]" | "::1" => LoopbackHost::V6,
            "localhost" => LoopbackHost::Localhost,
            other => {
                return refuse(format!(
                    "the callback host `{}` is none of `127.0.0.1`, `[::1]` and `localhost`",
                    quote(other)
                ));
            }
        };
        if setting.port == Some(0) {
            return refuse("the callback port 0 is not a fixed port".to_owned());
        }
        let path = setting.path.as_deref();
        let path = path.unwrap_or(CallbackSetting::DEFAULT_PATH);
        let probe = Url::parse(&format!("http://127.0.0.1{path}"));
        let fits = probe.is_ok_and(|url| {
            url.path() == path && url.query().is_none() && url.fragment().is_none()
        });
        if !fits {
            return refuse(format!(
                "the callback path `{}` is not the path of a URL: it begins with a slash and is \
                 percent-encoded",
                quote(path)
            ));
        }
        Ok(Self {
            host,
            port: setting.port,
            path: path.to_owned(),
        })
    }

    /// The address for a client that registers itself with `issuer`. Unless the user set the path, each
    /// issuer has its own, so that a callback by another issuer's redirect URI is not taken for its
    /// (RFC 9700 §4.4.2.2).
    pub(crate) fn for_registration(mut self, setting: &CallbackSetting, issuer: &Issuer) -> Self {
        if setting.path.is_none() {
            self.path.extend(["/", &issuer.short_digest()]);
        }
        self
    }

    /// The address that a registration's redirect URI names, if it is one of ours.
    pub(crate) fn from_redirect_uri(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = match url.host()? {
            Host::Ipv4(Ipv4Addr::LOCALHOST) => LoopbackHost::V4,
            Host::Ipv6(Ipv6Addr::LOCALHOST) => LoopbackHost::V6,
            Host::Domain("localhost") => LoopbackHost::Localhost,
            _ => return None,
        };
        let address = Self {
            host,
            port: Some(url.port_or_known_default()?),
            path: url.path().to_owned(),
        };
        (address.redirect_uri(address.port?) == text).then_some(address)
    }

    /// Whether a login under the setting `configured` may use this address: the same host and path, and
    /// the same port where the setting fixes one.
    pub(crate) fn matches(&self, configured: &CallbackAddress) -> bool {
        self.host == configured.host
            && self.path == configured.path
            && (configured.port.is_none() || configured.port == self.port)
    }

    /// Takes the port. Nothing is probed first: the redirect URI names what is bound.
    pub(crate) async fn bind(&self) -> io::Result<CallbackListener> {
        let sockets = match self.host {
            LoopbackHost::V4 => vec![listen(Ipv4Addr::LOCALHOST.into(), self.port).await?],
            LoopbackHost::V6 => vec![listen(Ipv6Addr::LOCALHOST.into(), self.port).await?],
            LoopbackHost::Localhost => self.bind_both().await?,
        };
        let port = match sockets.first() {
            Some(socket) => socket.local_addr()?.port(),
            None => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        Ok(CallbackListener {
            redirect_uri: self.redirect_uri(port),
            authority: self.authority(port),
            path: self.path.clone(),
            port,
            sockets,
        })
    }

    /// Both addresses of `localhost`, on one port. Another program on the second address would get the
    /// code from a browser that resolves the name to it, so it is left out only where the machine does
    /// not have it.
    async fn bind_both(&self) -> io::Result<Vec<TcpListener>> {
        let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..MAX_LOCALHOST_TRIES {
            let v4 = match listen(Ipv4Addr::LOCALHOST.into(), self.port).await {
                Ok(v4) => v4,
                Err(error) if is_absent(&error) => {
                    return Ok(vec![listen(Ipv6Addr::LOCALHOST.into(), self.port).await?]);
                }
                Err(error) => return Err(error),
            };
            let port = v4.local_addr()?.port();
            match listen(Ipv6Addr::LOCALHOST.into(), Some(port)).await {
                Ok(v6) => return Ok(vec![v4, v6]),
                Err(error) if is_absent(&error) => return Ok(vec![v4]),
                Err(error) if self.port.is_none() => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }

    /// The port, if one is fixed.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// The redirect URI before a port is taken: without one where any free port will do.
    pub(crate) fn planned_redirect_uri(&self) -> String {
        match self.port {
            Some(port) => self.redirect_uri(port),
            None => format!("http://{}{}", self.host.as_str(), self.path),
        }
    }

    /// The redirect URI that a login would have: with the fixed port, else with one of those that systems
    /// give out.
    pub(crate) fn likely_redirect_uri(&self) -> String {
        self.redirect_uri(self.port.unwrap_or(FIRST_DYNAMIC_PORT))
    }

    fn redirect_uri(&self, port: u16) -> String {
        format!("http://{}{}", self.authority(port), self.path)
    }

    fn authority(&self, port: u16) -> String {
        format!("{}:{port}", self.host.as_str())
    }
}

/// A bound callback address: now the redirect URI is known.
#[derive(Debug)]
pub(crate) struct CallbackListener {
    pub(crate) redirect_uri: String,
    /// What a browser sends as `Host` when it comes by the redirect URI.
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) port: u16,
    pub(crate) sockets: Vec<TcpListener>,
}

async fn listen(address: IpAddr, port: Option<u16>) -> io::Result<TcpListener> {
    TcpListener::bind((address, port.unwrap_or(0))).await
}

/// Whether the machine lacks this address family altogether.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || error.raw_os_error() == Some(AF_NOT_SUPPORTED)
}

/// `EAFNOSUPPORT`, for which the standard library has no stable kind.
#[cfg(target_os = "linux")]
const AF_NOT_SUPPORTED: i32 = 97;
#[cfg(all(unix, not(target_os = "linux")))]
const AF_NOT_SUPPORTED: i32 = 47;
#[cfg(windows)]
const AF_NOT_SUPPORTED: i32 = 10_047;
#[cfg(not(any(unix, windows)))]
const AF_NOT_SUPPORTED: i32 = i32::MIN;

#[cfg(test)]
mod tests;
