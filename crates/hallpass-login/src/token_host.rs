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
        if is_one_site(authorization, token) || self.settings.names_issuer(metadata) {
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

/// Whether two URLs lead to hosts that certainly have one operator.
///
/// There is no list of public suffixes here, so a doubt counts as two sites: the user is asked once more
/// than necessary. Hosts are one site when they are equal, or all on this machine; when one is below the
/// other; or when both are below a domain that hands no names out to strangers.
fn is_one_site(one: &Url, other: &Url) -> bool {
    if is_loopback(one) && is_loopback(other) {
        return true;
    }
    match (one.host(), other.host()) {
        (Some(Host::Domain(one)), Some(Host::Domain(other))) => are_names_of_one_site(one, other),
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn are_names_of_one_site(one: &str, other: &str) -> bool {
    let labels = |name: &str| {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name.rsplit('.').map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, other) = (labels(one), labels(other));
    if one == other {
        return true;
    }
    let shared: Vec<&str> = one
        .iter()
        .zip(&other)
        .take_while(|(one, other)| one == other)
        .map(|(label, _)| label.as_str())
        .collect();
    let is_below = shared.len() == one.len() || shared.len() == other.len();
    match shared.as_slice() {
        [] | [_] => false,
        [top, second] if is_registry(top, second) => false,
        [top, ..] if !is_below && SHARED_TOPS.contains(top) => false,
        labels => {
            let domain = |length: usize| {
                let labels = labels.iter().take(length).rev().copied();
                labels.collect::<Vec<_>>().join(".")
            };
            !(2..=labels.len()).any(|length| SHARED_DOMAINS.contains(&domain(length).as_str()))
        }
    }
}

/// Whether names are registered below `second.top`, as below `co.uk` and `com.au`.
fn is_registry(top: &str, second: &str) -> bool {
    top.len() == 2 && (second.len() <= 3 || REGISTRY_WORDS.contains(&second))
}

/// Second labels of more than three letters below which countries register names.
const REGISTRY_WORDS: [&str; 12] = [
    "asso", "firm", "gouv", "govt", "info", "mobi", "name", "nhs", "nom", "press", "priv", "school",
];

/// Top-level domains whose second level is a hosting platform's as often as not.
const SHARED_TOPS: [&str; 10] = [
    "app", "cloud", "dev", "host", "me", "page", "pages", "run", "site", "space",
];

/// Domains below which strangers get names, at any depth: of hosting platforms and of providers of identity.
const SHARED_DOMAINS: &[&str] = &[
    "accounts.dev",
    "amazonaws.com",
    "amazoncognito.com",
    "amplifyapp.com",
    "appspot.com",
    "atlassian.net",
    "auth0.com",
    "awsapprunner.com",
    "azure-api.net",
    "azurecontainerapps.io",
    "azurefd.net",
    "azurestaticapps.net",
    "azurewebsites.net",
    "azurewebsites.us",
    "b2clogin.com",
    "b4a.run",
    "bitbucket.io",
    "blogspot.com",
    "ciamlogin.com",
    "cloudapp.azure.com",
    "cloudapp.net",
    "cloudflareaccess.com",
    "cloudfront.net",
    "cloudfunctions.net",
    "codesandbox.io",
    "ddns.net",
    "deno.net",
    "digitaloceanspaces.com",
    "duckdns.org",
    "dyndns.org",
    "elasticbeanstalk.com",
    "firebaseapp.com",
    "force.com",
    "freeddns.org",
    "frontegg.com",
    "fusionauth.io",
    "github.io",
    "gitlab.io",
    "gitpod.io",
    "herokuapp.com",
    "hopto.org",
    "kinde.com",
    "loca.lt",
    "myshopify.com",
    "netlify.com",
    "ngrok.io",
    "nip.io",
    "no-ip.org",
    "okta-emea.com",
    "okta.com",
    "oktapreview.com",
    "on.aws",
    "onelogin.com",
    "onmicrosoft.com",
    "onrender.com",
    "oraclecloud.com",
    "ory.sh",
    "oryapis.com",
    "pingone.com",
    "pingone.eu",
    "pythonanywhere.com",
    "readthedocs.io",
    "repl.co",
    "salesforce.com",
    "service-now.com",
    "sharepoint.com",
    "site.com",
    "sslip.io",
    "supabase.co",
    "surge.sh",
    "trycloudflare.com",
    "ts.net",
    "webcontainer.io",
    "webflow.io",
    "windows.net",
    "wixsite.com",
    "wordpress.com",
    "zendesk.com",
];

#[cfg(test)]
mod tests;
