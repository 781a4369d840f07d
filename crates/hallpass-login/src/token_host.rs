//! Whether the server that shows the sign-in page also gets its result.
//!
//! A mix-up (RFC 9700 §4.4): the metadata of a hostile authorization server names another one's
//! authorization endpoint beside its own token endpoint. The user signs in at the honest page, and the code
//! with its PKCE verifier goes to the other server. `iss` in the callback (RFC 9207 §2.4) shows that only
//! where the honest server sends it, and many don't. What the metadata itself says about `iss` proves
//! nothing: it is the hostile server's, which can also push a request of its own (RFC 9126) whose redirect
//! URI carries the `iss` that is expected here. So the hosts are compared, whatever the metadata says.

use std::fmt;

use hallpass_core::{Hint, Issuer, Record, ServerMetadata, is_loopback};
use url::{Host, Url};

use crate::{LoginError, LoginErrorKind, LoginInputs, login::Login, plan::LoginPlan};

/// The two hosts of a sign-in whose page and result may be of different operators.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenHost {
    /// Whose metadata names both.
    pub issuer: Issuer,
    /// The host of the authorization endpoint, where the user signs in.
    pub authorization: String,
    /// The host of the token endpoint, which receives the result.
    pub token: String,
}

impl fmt::Display for TokenHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (authorization, token) = (&self.authorization, &self.token);
        write!(
            f,
            "you sign in at {authorization}; {token} receives the result"
        )
    }
}

impl LoginInputs<'_> {
    /// Where the result goes, if the user has to confirm that.
    pub(crate) fn unconfirmed_token_host(&self) -> Option<TokenHost> {
        let metadata = &self.discovered.server;
        let (authorization, token) = endpoints(metadata)?;
        if is_of_token_host(authorization, token) || self.settings.names_issuer(metadata) {
            return None;
        }
        let found = TokenHost {
            issuer: metadata.issuer.clone(),
            authorization: authorization.host_str()?.to_owned(),
            token: token.host_str()?.to_owned(),
        };
        // A record is saved after the user has confirmed.
        let is_confirmed = |record: &Record| {
            endpoints(&record.metadata).is_some_and(|(authorization, token)| {
                authorization.host_str() == Some(found.authorization.as_str())
                    && token.host_str() == Some(found.token.as_str())
            })
        };
        let previous = self.previous_record();
        (!previous.is_some_and(is_confirmed)).then_some(found)
    }
}

fn endpoints(metadata: &ServerMetadata) -> Option<(&Url, &Url)> {
    let authorization = metadata.authorization_endpoint.as_ref()?;
    Some((authorization, metadata.token_endpoint.as_ref()?))
}

impl Login<'_> {
    /// Has the user confirm where the result goes, if that has to be.
    pub(crate) async fn confirm_token_host(&self, plan: &LoginPlan) -> Result<(), LoginError> {
        let Some(token_host) = &plan.token_host else {
            return Ok(());
        };
        let server = &self.request.key.server;
        let issuer = &token_host.issuer;
        let answer = tokio::select! {
            answer = self.host.interaction.confirm_token_host(token_host) => answer,
            () = self.host.ports.clock.sleep(self.host.timeout) => {
                let seconds = self.host.timeout.as_secs();
                let what = format!("the sign-in to {server} was not confirmed within {seconds} s");
                return Err(LoginError::new(LoginErrorKind::Timeout, what));
            }
        };
        let (kind, why) = match answer {
            Some(true) => return Ok(()),
            Some(false) => (LoginErrorKind::Denied, "the user did not confirm that"),
            None => (LoginErrorKind::Endpoint, "there is no user to confirm that"),
        };
        let what = format!(
            "no sign-in to {server}: the metadata of {issuer} has the user sign in at {}, and {} \
             receives the result; {why}",
            token_host.authorization, token_host.token
        );
        let error = LoginError::new(kind, what);
        if kind == LoginErrorKind::Denied {
            return Err(error);
        }
        Err(error
            .with_hint(Hint::setting("issuer", Some(issuer.as_str())))
            .with_hint(
                "only if that issuer is right and both hosts belong to its operator: the result of a \
                 sign-in is as good as a password",
            ))
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
            let plain = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            let (page, token) = (plain(page), plain(token));
            let before = page.strip_suffix(token.as_str());
            let is_below = before.is_some_and(|before| before.ends_with('.'));
            page == token || is_below && token.contains('.')
        }
        (Some(page), Some(token)) => page == token,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
