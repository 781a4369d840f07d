//! Whether the server that shows the sign-in page also gets its result.
//!
//! A mix-up (RFC 9700 §4.4): the metadata of a hostile authorization server names another one's
//! authorization endpoint beside its own token endpoint. The user signs in at the honest page, and the code
//! with its PKCE verifier goes to the other server. `iss` in the callback (RFC 9207 §2.4) shows that only
//! where the honest server sends it, and many don't. What the metadata itself says about `iss` proves
//! nothing: it is the hostile server's, which can also push a request of its own (RFC 9126) whose redirect
//! URI carries the `iss` that is expected here. So the hosts are compared, whatever the metadata says.
//!
//! The device grant has no callback at all: the hostile server passes on a page and a code of the honest one
//! (RFC 8628 §5.4), or names its device authorization endpoint, and the device code comes to its own token
//! endpoint. So the same holds for the page of a device code.

use std::fmt;

use hallpass_core::{
    Hint, Issuer, ServerMetadata, ServerSettings, is_loopback, is_within_domain,
    record::SignInHosts,
};
use url::{Host, Url};

/// The two hosts of a sign-in that may have different operators.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenHost {
    /// Which authorization server names both.
    pub issuer: Issuer,
    /// Where the user signs in, and where the result goes.
    pub hosts: SignInHosts,
}

impl fmt::Display for TokenHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.hosts, f)
    }
}

impl TokenHost {
    /// Where the result of a sign-in at `page` goes, if the user has to confirm that: not where the user has
    /// named the issuer, or has confirmed these hosts before.
    pub(crate) fn unconfirmed(
        page: &Url,
        metadata: &ServerMetadata,
        settings: &ServerSettings,
        confirmed: &[SignInHosts],
    ) -> Option<Self> {
        let token = metadata.token_endpoint.as_ref()?;
        if is_of_token_host(page, token) || settings.names_issuer(metadata) {
            return None;
        }
        let hosts = SignInHosts {
            page: page.host_str()?.to_owned(),
            token: token.host_str()?.to_owned(),
        };
        let issuer = metadata.issuer.clone();
        (!confirmed.contains(&hosts)).then_some(Self { issuer, hosts })
    }

    /// The setting that answers the question, and when it is right.
    pub fn hints(&self) -> Vec<Hint> {
        vec![
            Hint::setting("issuer", Some(self.issuer.as_str())),
            Hint::text(
                "only if that issuer is right and both hosts belong to its operator: the result of a \
                 sign-in is as good as a password",
            ),
        ]
    }
}

/// Whether the operator of the token endpoint's host certainly has the page's host too: they are equal, or
/// both are this machine, or the page's is below the other, whose owner gives that name out.
fn is_of_token_host(page: &Url, token: &Url) -> bool {
    if is_loopback(page) && is_loopback(token) {
        return true;
    }
    match (page.host(), token.host()) {
        (Some(Host::Domain(page)), Some(Host::Domain(token))) => {
            // A name without a dot may be one that many names end in.
            is_within_domain(page, token)
                && (is_within_domain(token, page) || token.trim_end_matches('.').contains('.'))
        }
        (Some(page), Some(token)) => page == token,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
