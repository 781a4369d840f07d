//! Imports the credentials that another client of the same server has stored.

use std::{error::Error, fmt};

use bytes::Bytes;
use hallpass_core::{
    AuthScheme, Diagnostic as _, Record, Registration, Remedy, ServerMetadata, State,
    UnverifiedClaims, is_loopback, quote, record::GrantKind,
};
use hallpass_discovery::{Discovered, Discovery};
use hallpass_oauth::{TokenResponse, registration_from_http};
use http::Response;
use serde::Deserialize;
use url::Url;

use crate::Hallpass;

/// What another client of the same server saved, to be [imported](Hallpass::import_credentials).
///
/// An import consists of two documents: the answer to a registration (RFC 7591 §3.2.1) and that of a
/// token endpoint (RFC 6749 §5.1). Neither names the authorization server or the resource. So the import
/// relies on this:
///
/// - The authorization server is the one that the server names now. Nothing is imported while a better
///   candidate does not answer, where settings name another document or other endpoints, or where the
///   access token names another issuer (RFC 9068 §2.2).
/// - The access token is kept as one that has ended, and is never sent to the server: its resource
///   and its lifetime are unknown. What counts is the answer to the first refresh. That
///   asks for the server's own `resource` (RFC 8707 §2.2), and is done as every refresh: locked,
///   marked, saved before it is used.
/// - Without a refresh token there is the client alone, for the next sign-in.
///
/// A refresh token is good for one holder (RFC 9700 §4.14.2). Where the server rotates it, the second
/// of two holders that refresh is signed out, and only the user knows whether the other client still runs.
#[derive(Clone)]
pub struct ImportedCredentials {
    registration: Bytes,
    tokens: Option<Bytes>,
}

#[derive(Deserialize)]
struct RedirectUris {
    #[serde(default)]
    redirect_uris: Vec<String>,
}

impl ImportedCredentials {
    /// From the answer to its registration (RFC 7591 §3.2.1), a JSON document.
    pub fn new(registration: impl Into<Bytes>) -> Self {
        Self {
            registration: registration.into(),
            tokens: None,
        }
    }

    /// With the last answer of the token endpoint (RFC 6749 §5.1), a JSON document.
    #[must_use]
    pub fn with_tokens(mut self, tokens: impl Into<Bytes>) -> Self {
        self.tokens = Some(tokens.into());
        self
    }

    /// The redirect URI on this machine that the client was registered with. A later login uses the
    /// registration where its callback settings name the same.
    pub fn redirect_uri(&self) -> Option<String> {
        let kept: RedirectUris = serde_json::from_slice(&self.registration).ok()?;
        let is_ours = |uri: &String| Url::parse(uri).is_ok_and(|uri| is_loopback(&uri));
        kept.redirect_uris.into_iter().find(is_ours)
    }

    fn registration(&self, metadata: &ServerMetadata) -> Result<Registration, ImportError> {
        let Some(redirect_uri) = self.redirect_uri() else {
            let what = "the client that was kept has no redirect URI on this machine";
            return Err(ImportError::new(Remedy::SignIn, what));
        };
        let answer = Response::new(self.registration.clone());
        registration_from_http(&answer, &redirect_uri, metadata).map_err(|error| {
            let what = "what was kept is no registration of a client";
            ImportError::new(Remedy::SignIn, what).with_source(error)
        })
    }

    fn tokens(&self) -> Result<Option<TokenResponse>, ImportError> {
        let Some(tokens) = &self.tokens else {
            return Ok(None);
        };
        let tokens = Response::new(tokens.clone());
        // The key that a bound token needs is not among what was kept.
        let tokens = TokenResponse::from_http(&tokens, AuthScheme::Bearer).map_err(|error| {
            let what = "what was kept is no answer with tokens";
            ImportError::new(Remedy::SignIn, what).with_source(error)
        })?;
        Ok(Some(tokens).filter(TokenResponse::has_refresh_token))
    }
}

impl fmt::Debug for ImportedCredentials {
    /// Both documents are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedCredentials")
            .field("has_tokens", &self.tokens.is_some())
            .finish_non_exhaustive()
    }
}

impl Hallpass {
    /// The record of what another client kept for this server. Saving it is the caller's, and so is
    /// the first refresh, by asking the [session](Self::session) for a token.
    ///
    /// The server is asked how to sign in, as a login does; its authorization server is asked for
    /// nothing but its metadata.
    ///
    /// # Errors
    ///
    /// When it can't be done rightly. Nothing is lost then but a sign-in.
    pub async fn import_credentials(
        &self,
        imported: &ImportedCredentials,
    ) -> Result<Record, ImportError> {
        let settings = self.session.settings();
        if settings.client.pre_registered.is_some() || settings.client.metadata_document.is_some() {
            let what = "a client is set for the server, so another's registration has no use";
            return Err(ImportError::new(Remedy::SignIn, what));
        }
        // The author of those settings would get the refresh token.
        let is_led = settings.server_metadata_url.is_some()
            || settings.resource_metadata_url.is_some()
            || settings.endpoints.is_some();
        if is_led {
            let what =
                "the settings say where to sign in, and what was kept is for where the server says";
            return Err(ImportError::new(Remedy::SignIn, what));
        }
        let tokens = imported.tokens()?;
        let discovered = self.discover().await?;
        let metadata = &discovered.server;
        let registration = imported.registration(metadata)?;
        let requested = registration.scopes.clone().unwrap_or_default();
        let mut record = Record::new(self.key().clone(), metadata.clone(), settings.fingerprint());
        record.registration = Some(registration);
        if let Some(tokens) = tokens {
            let now = self.clock.now();
            let kind = GrantKind::AuthorizationCode;
            let mut grant = tokens.into_grant(kind, &requested, discovered.resource.as_ref(), now);
            if let Some(UnverifiedClaims {
                issuer: Some(named),
                ..
            }) = UnverifiedClaims::from_token(&grant.access_token)
                && named.trim_end_matches('/') != metadata.issuer.as_str().trim_end_matches('/')
            {
                let what = format!(
                    "the access token that was kept is from {}, and the server names {} now",
                    quote(&named),
                    metadata.issuer
                );
                return Err(ImportError::new(Remedy::SignIn, what));
            }
            grant.expires_at = Some(now);
            record.grant = Some(grant);
            record.state = State::SignedIn;
        }
        Ok(record)
    }

    /// The authorization server that the server names now.
    async fn discover(&self) -> Result<Discovered, ImportError> {
        let probe = self.probe().await.map_err(|error| {
            let failed = ImportError::new(error.remedy(), error.to_string());
            match error {
                crate::Error::Unreachable(error) => failed.with_source(error),
                crate::Error::UnexpectedStatus(error) => failed.with_source(error),
                crate::Error::Session(error) => failed.with_source(error),
            }
        })?;
        let discovery = Discovery {
            http: &*self.http,
            clock: &*self.clock,
            settings: self.session.settings(),
        };
        let found = discovery.run(&self.key().server, &probe.challenges).await;
        let discovered = found.map_err(|error| {
            let what = format!(
                "the authorization server of {} was not found",
                self.key().server
            );
            ImportError::new(error.remedy(), what).with_source(error)
        })?;
        if discovered.is_provisional {
            let what = "a document that says which authorization server it is did not answer";
            return Err(ImportError::new(Remedy::Retry, what));
        }
        if discovered.demands_bound_tokens(&probe.challenges) {
            let what = "the server takes nothing but tokens that are bound to a key";
            return Err(ImportError::new(Remedy::SignIn, what));
        }
        Ok(discovered)
    }
}

/// Why credentials can't be imported.
#[derive(Debug)]
pub struct ImportError {
    remedy: Remedy,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ImportError {
    fn new(remedy: Remedy, what: impl Into<String>) -> Self {
        Self {
            remedy,
            what: what.into(),
            source: None,
        }
    }

    fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What to do about it: mostly to sign in.
    pub fn remedy(&self) -> Remedy {
        self.remedy
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for ImportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

hallpass_core::impl_diagnostic!(ImportError);
