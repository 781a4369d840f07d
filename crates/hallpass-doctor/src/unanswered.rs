//! A request without an answer, as a finding.

use std::error::Error;

use hallpass_core::{Diagnostic, Hint, HttpError, http::HttpErrorKind};
use hallpass_http::{
    AddressRefused, CertificateFault, CertificateRefused, HandshakeError, HandshakeFault,
    RedirectRefused,
};
use hallpass_mcp::{RedirectError, RedirectReason};
use url::Url;

use crate::{Code, Finding, ResponsibleParty};

/// A request to one of `side`'s URLs that got no answer; `proxy` is the one that it went through.
pub(crate) fn finding(error: &HttpError, side: ResponsibleParty, proxy: Option<&str>) -> Finding {
    let source = error.source();
    let certificate = source.and_then(<dyn Error>::downcast_ref::<CertificateRefused>);
    if let Some(refused) = certificate {
        return of_certificate(error, refused, side);
    }
    let code = match (error.kind(), proxy) {
        (HttpErrorKind::Connect | HttpErrorKind::ConnectTimeout, Some(_)) => Code::ProxyUnreachable,
        (HttpErrorKind::Resolve, _) => Code::NameNotResolved,
        (HttpErrorKind::Connect | HttpErrorKind::ConnectTimeout, None) => Code::NoConnection,
        (HttpErrorKind::ProxyAuthentication, _) => Code::ProxyRefuses,
        (HttpErrorKind::Tls, _) => of_handshake(error),
        (HttpErrorKind::Timeout, _) => Code::NoAnswerInTime,
        (HttpErrorKind::Interrupted, _) => match of_handshake(error) {
            Code::ClientCertificateWanted => Code::ClientCertificateWanted,
            _ => Code::ConnectionBroke,
        },
        (HttpErrorKind::Redirect, _) => Code::RedirectRefused,
        (HttpErrorKind::AddressRefused, _) => Code::AddressRefused,
        (HttpErrorKind::BodyTooLarge, _) => Code::MetadataTooLarge,
        (HttpErrorKind::Malformed, _) => Code::NotHttp,
        _ => Code::RequestRefused,
    };
    let found = from_error(code, error, side);
    let host = Url::parse(error.url()).ok();
    let host = host.as_ref().and_then(Url::host_str).unwrap_or("the host");
    match code {
        Code::NameNotResolved => found.text(format!(
            "check the URL, and this machine's DNS: `{host}` is not known"
        )),
        Code::NoConnection => found.text(format!(
            "check that {host} is up and reachable from here, and whether a proxy is needed \
             (HTTPS_PROXY)"
        )),
        Code::ProxyUnreachable => found.hint_setting("proxy", None).text(format!(
            "check the proxy {} (HTTPS_PROXY), and whether {host} is to be reached without it \
             (NO_PROXY)",
            proxy.unwrap_or_default()
        )),
        Code::ProxyRefuses => found
            .hint_setting("proxy", None)
            .text("check the proxy's user name and password (HTTPS_PROXY)"),
        Code::NoAnswerInTime | Code::ConnectionBroke => found.text(format!(
            "try again later; if it fails again, contact the operator of {host}"
        )),
        Code::ClientCertificateWanted => found
            .hint_setting("client_identity", None)
            .text(format!("ask the operator of {host} for a client certificate")),
        Code::TlsNotSpoken if is_loopback(error.url()) => found.hint(Hint::Url {
            url: error.url().replacen("https://", "http://", 1),
        }),
        Code::TlsNotSpoken => found.text("check the port in the URL"),
        Code::RequestRefused => found.text("change the URL or the setting that it is about"),
        Code::TlsFailed => found.text(format!(
            "contact the operator of {host}, or of a gateway before it: it has to offer TLS 1.2 or 1.3"
        )),
        Code::NotHttp if error.url().starts_with("http://") => found.hint(Hint::Url {
            url: error.url().replacen("http://", "https://", 1),
        }),
        Code::AddressRefused => {
            let names = source.and_then(<dyn Error>::downcast_ref::<AddressRefused>);
            let found = found.hint(match metadata_setting(error.url()) {
                // Without its value: what the user configures is allowed, and a hostile document named it.
                Some(setting) => Hint::setting(setting, None),
                None => Hint::setting("endpoints", None),
            });
            match names {
                Some(_) => found.text(
                    "what a user configures is always allowed: name it only if you trust it, \
                     for the server may be hostile",
                ),
                None => found,
            }
        }
        Code::RedirectRefused => {
            let target = source
                .and_then(<dyn Error>::downcast_ref::<RedirectRefused>)
                .and_then(RedirectRefused::target);
            let setting = metadata_setting(error.url());
            found.hint_setting(setting.unwrap_or("resource_metadata_url"), target)
        }
        _ => found.contact_operator(host),
    }
}

/// The setting that names the document at a well-known URL.
fn metadata_setting(url: &str) -> Option<&'static str> {
    let path = Url::parse(url).ok()?.path().to_owned();
    if path.contains("/.well-known/oauth-protected-resource") {
        return Some("resource_metadata_url");
    }
    path.contains("/.well-known/")
        .then_some("server_metadata_url")
}

/// An MCP request that was redirected to where it must not go.
pub(crate) fn redirected(error: &RedirectError) -> Finding {
    let found = Finding::from_error(Code::RedirectRefused, error);
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    let elsewhere = error
        .to()
        .is_some_and(|to| origin(to) != origin(error.from()));
    let found = if elsewhere && error.reason() == RedirectReason::MethodLost {
        found
            .text(
                "it may lead to a login page: a gateway before the server wants a sign-in \
                 with a browser, or a header of its own",
            )
            .hint_setting("headers", None)
    } else {
        found
    };
    match error.to() {
        Some(url) => found.hint(Hint::Url {
            url: url.to_owned(),
        }),
        None => found.contact_operator("the MCP server"),
    }
}

fn of_certificate(
    error: &HttpError,
    refused: &CertificateRefused,
    side: ResponsibleParty,
) -> Finding {
    let code = match refused.fault() {
        CertificateFault::UnknownAuthority => Code::AuthorityUnknown,
        CertificateFault::Expired => Code::CertificateExpired,
        CertificateFault::NotYetValid => Code::CertificateNotYetValid,
        CertificateFault::AnotherHost => Code::CertificateForAnotherHost,
        _ => Code::CertificateRefused,
    };
    let found = from_error(code, error, side);
    let found = match code {
        Code::AuthorityUnknown => found.hint_setting("trust", None),
        _ => found,
    };
    found.with_hints(&refused.hints())
}

/// A finding whose code makes the server responsible is about the `side` that was asked.
fn from_error(code: Code, error: &HttpError, side: ResponsibleParty) -> Finding {
    let found = Finding::from_error(code, error);
    match code.party() {
        ResponsibleParty::Server => found.with_party(side),
        _ => found,
    }
}

fn of_handshake(error: &HttpError) -> Code {
    let handshake = error
        .source()
        .and_then(<dyn Error>::downcast_ref::<HandshakeError>);
    match handshake.map(HandshakeError::fault) {
        Some(HandshakeFault::NotTls) => Code::TlsNotSpoken,
        Some(HandshakeFault::ClientCertificate) => Code::ClientCertificateWanted,
        _ => Code::TlsFailed,
    }
}

fn is_loopback(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| hallpass_core::is_loopback(&url))
}
