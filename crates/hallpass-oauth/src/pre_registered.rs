//! A pre-registered client: the authorization server it belongs to, and how it authenticates there.

use hallpass_core::{
    ClientId, Diagnostic, Hint, Issuer, PreRegisteredClient, Record, Registration, Remedy,
    ServerMetadata, ServerSettings, SignInReason, TokenEndpointAuthMethod, quote,
    record::RegistrationOrigin,
};
use url::Url;

use crate::client_auth::{AvailableCredentials, negotiate};

/// The registration of a pre-registered client. Its method is the configured one, else the one that
/// is [negotiated](negotiate); at an endpoint without metadata it follows from the secret. `has_key`
/// says whether the client has a key for `private_key_jwt`.
///
/// # Errors
///
/// When the client has no credential for its method, or for any that the server accepts.
pub fn pre_registration(
    client: &PreRegisteredClient,
    metadata: Option<&ServerMetadata>,
    has_key: bool,
) -> Result<Registration, PreRegisteredClientError> {
    let credentials = AvailableCredentials {
        secret: client.secret.is_some(),
        key: has_key,
    };
    let refuse = |reason| Err(PreRegisteredClientError::new(client, reason));
    let method = match (&client.auth_method, metadata) {
        (Some(method), _) => Some(method.clone()),
        (None, Some(metadata)) => negotiate(metadata, credentials),
        (None, None) if credentials.secret => Some(TokenEndpointAuthMethod::ClientSecretBasic),
        (None, None) => Some(TokenEndpointAuthMethod::None),
    };
    let Some(method) = method else {
        let issuer = metadata.map(|metadata| metadata.issuer.clone());
        return refuse(Reason::NotAccepted { issuer });
    };
    let lacks_credential = match &method {
        TokenEndpointAuthMethod::PrivateKeyJwt => !credentials.key,
        method => method.needs_secret() && !credentials.secret,
    };
    if lacks_credential {
        return refuse(Reason::NoCredential { method });
    }
    let mut registration = Registration::new(RegistrationOrigin::PreRegistered, client.id.clone());
    registration.client_secret.clone_from(&client.secret);
    registration.auth_method = method;
    Ok(registration)
}

/// Checks that the client of a service has a credential, unless the server lists `none` or nothing:
/// a service has no user who would make up for that (RFC 6749 §4.4).
///
/// # Errors
///
/// When the server lists authentication methods, and the client can use none of them.
pub fn check_service_credentials(
    client: &PreRegisteredClient,
    metadata: &ServerMetadata,
    has_key: bool,
) -> Result<(), PreRegisteredClientError> {
    let is_public = client.secret.is_none() && !has_key && client.auth_method.is_none();
    let listed = metadata.token_endpoint_auth_methods_supported.as_ref();
    if is_public && listed.is_some_and(|listed| !listed.contains(&TokenEndpointAuthMethod::None)) {
        let issuer = Some(metadata.issuer.clone());
        return Err(PreRegisteredClientError::new(
            client,
            Reason::NotAccepted { issuer },
        ));
    }
    Ok(())
}

/// Checks that a pre-registered client belongs to the authorization server `found`, before anything
/// of it is sent: a server that a resource's metadata names instead gets neither identifier nor
/// secret.
///
/// A client without a configured issuer is bound by its first success: by `previous`, the record of
/// an earlier sign-in.
///
/// # Errors
///
/// When the client belongs to another authorization server, or when the MCP server has just moved and
/// no issuer is configured.
pub fn check_client_issuer(
    client: &PreRegisteredClient,
    found: &Issuer,
    previous: Option<&Record>,
    reason: SignInReason,
) -> Result<(), PreRegisteredClientError> {
    let bound = client.issuer.as_ref().or_else(|| {
        let record = previous?;
        let registration = record.registration.as_ref()?;
        let is_same = registration.origin == RegistrationOrigin::PreRegistered
            && registration.client_id == client.id;
        is_same.then_some(&record.issuer)
    });
    match bound {
        Some(bound) if bound.eq_ignoring_trailing_slash(found) => Ok(()),
        None if reason != SignInReason::Migration => Ok(()),
        bound => {
            let (bound, found) = (bound.cloned(), found.clone());
            Err(PreRegisteredClientError::new(
                client,
                Reason::OtherIssuer { bound, found },
            ))
        }
    }
}

/// Checks that what the client `id` proves itself with goes to the issuer's host alone, where metadata of
/// any server may claim that issuer: [`ServerSettings::endpoint_elsewhere`].
///
/// # Errors
///
/// When an endpoint that would get it is on another host.
pub fn check_client_endpoints(
    id: &ClientId,
    settings: &ServerSettings,
    found: &ServerMetadata,
) -> Result<(), PreRegisteredClientError> {
    let Some(endpoint) = settings.endpoint_elsewhere(found) else {
        return Ok(());
    };
    let host = |url: &Url| url.host_str().unwrap_or_default().to_owned();
    let reason = Reason::Elsewhere {
        host: host(endpoint),
        own: host(found.issuer.url()),
        issuer: found.issuer.clone(),
    };
    Err(PreRegisteredClientError::of(id, reason))
}

/// A client that the user configured and that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client `{client}` {reason}")]
pub struct PreRegisteredClientError {
    client: String,
    reason: Box<Reason>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("has no credential for `{method}`")]
    NoCredential { method: TokenEndpointAuthMethod },
    #[error(
        "has no credential that {} accepts",
        .issuer.as_ref().map_or("the server", Issuer::as_str)
    )]
    NotAccepted { issuer: Option<Issuer> },
    #[error(
        "is registered with {}, and the server names {found} now",
        .bound.as_ref().map_or("another authorization server", Issuer::as_str)
    )]
    OtherIssuer {
        bound: Option<Issuer>,
        found: Issuer,
    },
    #[error(
        "is not sent to {host}: metadata of any server may claim the trusted issuer {issuer}, whose \
         own host is {own}"
    )]
    Elsewhere {
        host: String,
        own: String,
        issuer: Issuer,
    },
}

impl PreRegisteredClientError {
    fn new(client: &PreRegisteredClient, reason: Reason) -> Self {
        Self::of(&client.id, reason)
    }

    fn of(id: &ClientId, reason: Reason) -> Self {
        Self {
            client: quote(id.as_str()),
            reason: Box::new(reason),
        }
    }

    /// Whether the client belongs to another authorization server, or may do so.
    pub fn is_other_issuer(&self) -> bool {
        matches!(
            *self.reason,
            Reason::OtherIssuer { .. } | Reason::Elsewhere { .. }
        )
    }
}

impl Diagnostic for PreRegisteredClientError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        match &*self.reason {
            Reason::Elsewhere { issuer, .. } => vec![
                Hint::setting("server_metadata_url", None),
                Hint::setting("issuer", Some(issuer.as_str())),
                Hint::text(
                    "name the metadata's URL, or the endpoints, only if both hosts belong to that issuer",
                ),
            ],
            Reason::NoCredential { .. } | Reason::NotAccepted { .. } => vec![
                Hint::setting("client.secret", None),
                Hint::setting("client.auth_method", Some("none")),
                Hint::text("`none` is for a client without a secret; a key would do as well"),
            ],
            Reason::OtherIssuer { .. } => vec![Hint::text(
                "nothing of the client was sent; if the change is right, register a client with the \
                 new authorization server and configure it with its issuer",
            )],
        }
    }
}
