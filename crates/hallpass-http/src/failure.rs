//! What went wrong, and above all whether the server may have seen the request.

use std::{error::Error, fmt, io, sync::Arc};

use hallpass_core::{
    HttpError,
    http::{HttpErrorKind, RequestTarget},
};
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use url::Url;

use crate::{AddressRefused, CertificateRefused, Proxy, ProxyRefused};

/// The error of a request that got no response. `lacks_certificate` says that its connection was opened for
/// it, and that the server asked for a client certificate there and got none.
pub(crate) fn from_request(
    error: reqwest::Error,
    target: RequestTarget,
    url: &Url,
    proxy: Option<&Proxy>,
    lacks_certificate: bool,
) -> HttpError {
    let is_connect = error.is_connect();
    if is_connect
        && let Some(proxy) = proxy
        && wants_credentials(&error)
    {
        return from_proxy(target, url, proxy);
    }
    let kind = if find::<AddressRefused>(&error).is_some() {
        HttpErrorKind::AddressRefused
    } else if error.is_builder() {
        HttpErrorKind::InvalidRequest
    } else if is_connect && error.is_timeout() {
        HttpErrorKind::ConnectTimeout
    } else if error.is_dns() {
        // All but one kind of proxy resolve the server's name themselves: it is the proxy's that is unknown.
        match proxy.filter(|proxy| !proxy.resolves_here()) {
            Some(_) => HttpErrorKind::Connect,
            None => HttpErrorKind::Resolve,
        }
    } else if let Some(tls) = find::<rustls::Error>(&error)
        && (is_connect || refuses_client(tls))
    {
        HttpErrorKind::Tls
    } else if is_connect {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if find::<hyper::Error>(&error)
        .is_some_and(|error| error.is_parse() || error.is_parse_too_large())
    {
        HttpErrorKind::Malformed
    } else {
        HttpErrorKind::Interrupted
    };
    if lacks_certificate && broke_off(kind, &error) {
        // Whether the server has read the request, the kind says as before.
        let kind = match kind {
            HttpErrorKind::Connect => HttpErrorKind::Tls,
            kind => kind,
        };
        let cause = Arc::new(Cause(error.without_url()));
        let handshake = HandshakeError(HandshakeFailure::NoCertificate(cause));
        return HttpError::new(kind, target, url).with_source(handshake);
    }
    let outer = HttpError::new(kind, target, url);
    let is_on_the_way = matches!(
        kind,
        HttpErrorKind::Resolve | HttpErrorKind::Connect | HttpErrorKind::ConnectTimeout
    );
    match proxy.filter(|_| is_on_the_way) {
        Some(proxy) => outer.with_source(ViaProxy {
            proxy: proxy.to_string(),
            cause: Innermost(error.without_url()),
        }),
        None => with_cause(outer, error),
    }
}

/// Whether the server ended the connection without a word, or with the alert that stands for any failure of a
/// handshake. A server that refuses a client without a certificate in TLS 1.3 may reset the connection, and
/// its alert is lost then.
fn broke_off(kind: HttpErrorKind, error: &reqwest::Error) -> bool {
    match find::<rustls::Error>(error) {
        Some(rustls::Error::AlertReceived(alert)) => *alert == AlertDescription::HandshakeFailure,
        Some(_) => false,
        None => matches!(kind, HttpErrorKind::Connect | HttpErrorKind::Interrupted),
    }
}

/// The error of a request whose proxy wants other credentials.
pub(crate) fn from_proxy(target: RequestTarget, url: &Url, proxy: &Proxy) -> HttpError {
    let refused = ProxyRefused::new(proxy);
    HttpError::new(HttpErrorKind::ProxyAuthentication, target, url).with_source(refused)
}

/// Whether a proxy refused because of missing or wrong credentials.
///
/// This is the one decision that reads an error's text, since no type tells: hyper-util 0.1 keeps its
/// `TunnelError` and `SocksV5Error` in private modules, and reqwest 0.13 has no question for them. With
/// other words the kind would be `Connect`, and the tests with a tunnel and with SOCKS would fail.
fn wants_credentials(error: &(dyn Error + 'static)) -> bool {
    const WORDS: [&str; 3] = [
        "proxy authorization required",
        "server does not support user/pass authentication",
        "credentials not accepted",
    ];
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if WORDS.iter().any(|words| text.ends_with(words)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The error of a body that broke off.
pub(crate) fn from_body(error: reqwest::Error, target: RequestTarget, url: &Url) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if let Some(hyper) = find::<hyper::Error>(&error) {
        if hyper.is_parse() {
            HttpErrorKind::Malformed
        } else {
            HttpErrorKind::Interrupted
        }
    } else if error.is_decode() {
        HttpErrorKind::Malformed
    } else {
        HttpErrorKind::Interrupted
    };
    with_cause(HttpError::new(kind, target, url), error)
}

/// In TLS 1.3 a server judges the client's certificate after the client's part of the handshake is
/// over, so its refusal arrives when a request may have been written. It was not read: the server
/// answers nothing before its own part is over (RFC 8446 §4.4.2.4).
fn refuses_client(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
        )
    )
}

/// Adds the part of the chain that says something.
fn with_cause(outer: HttpError, error: reqwest::Error) -> HttpError {
    if let Some(refused) = find::<AddressRefused>(&error) {
        return outer.with_source(refused.clone());
    }
    if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) =
        find::<rustls::Error>(&error)
        && let Some(refused) = other.0.downcast_ref::<CertificateRefused>()
    {
        return outer.with_source(refused.clone());
    }
    if outer.kind() == HttpErrorKind::Tls
        && let Some(tls) = find::<rustls::Error>(&error)
    {
        return outer.with_source(HandshakeError(HandshakeFailure::Tls(tls.clone())));
    }
    outer.with_source(Cause(error.without_url()))
}

/// A TLS handshake that failed for another reason than the server's certificate.
///
/// It is the [source](Error::source) of an [`HttpError`] of kind `Tls`, where that is not a
/// [`CertificateRefused`], and of one of kind `Interrupted` where the server asked for a client certificate,
/// got none, and ended the connection.
#[derive(Debug, Clone)]
pub struct HandshakeError(HandshakeFailure);

#[derive(Debug, Clone)]
enum HandshakeFailure {
    Tls(rustls::Error),
    /// The server asked for a client certificate and got none; what came after that.
    NoCertificate(Arc<Cause>),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            HandshakeFailure::Tls(_) if self.fault() == HandshakeFault::NotTls => {
                f.write_str("what answers there does not speak TLS, as `https` needs")
            }
            HandshakeFailure::Tls(error) => fmt::Display::fmt(error, f),
            HandshakeFailure::NoCertificate(_) => f.write_str(
                "the server asked for a client certificate, got none, and ended the connection",
            ),
        }
    }
}

impl Error for HandshakeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            HandshakeFailure::Tls(_) => None,
            HandshakeFailure::NoCertificate(cause) => Some(&**cause),
        }
    }
}

/// What kind of handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeFault {
    /// What answers does not speak TLS.
    NotTls,
    /// The server requires a client certificate, or refuses the one that it got
    /// (RFC 8446 §4.4.2.4).
    ClientCertificate,
    /// Anything else, such as no version of TLS that both sides support.
    Other,
}

impl HandshakeError {
    /// What kind of handshake failed.
    pub fn fault(&self) -> HandshakeFault {
        match &self.0 {
            HandshakeFailure::NoCertificate(_) => HandshakeFault::ClientCertificate,
            HandshakeFailure::Tls(rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType,
            )) => HandshakeFault::NotTls,
            HandshakeFailure::Tls(error) if refuses_client(error) => {
                HandshakeFault::ClientCertificate
            }
            HandshakeFailure::Tls(_) => HandshakeFault::Other,
        }
    }
}

/// The first error of type `T` in a chain. `io::Error` hides what it wraps from `source`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// A failure on the way through a proxy: the proxy is looked up and connected to, not the server.
#[derive(Debug, thiserror::Error)]
#[error("the connection goes through the proxy {proxy}")]
struct ViaProxy {
    proxy: String,
    #[source]
    cause: Innermost,
}

/// The first cause of a failure. The layers above it only say once more that there is no connection.
#[derive(Debug)]
struct Innermost(reqwest::Error);

impl fmt::Display for Innermost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error: &(dyn Error + 'static) = &self.0;
        while let Some(source) = error.source() {
            error = source;
        }
        fmt::Display::fmt(error, f)
    }
}

impl Error for Innermost {}

/// A failure of the layers below, without their first lines, which only say that a request failed.
#[derive(Debug)]
struct Cause(reqwest::Error);

impl Cause {
    /// Chooses what to show; nothing is decided by it.
    fn telling(&self) -> &(dyn Error + 'static) {
        let mut error: &(dyn Error + 'static) = &self.0;
        while error.is::<reqwest::Error>() || error.to_string().starts_with("client error (") {
            match error.source() {
                Some(source) => error = source,
                None => break,
            }
        }
        error
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.telling(), f)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.telling().source()
    }
}
