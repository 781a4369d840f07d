//! The client of a service, and how it authenticates.

use hallpass_core::{
    ClientId, Issuer, PreRegisteredClient, Record, Registration, Remedy, ServerMetadata,
    ServerSettings, SignInReason, TokenEndpointAuthMethod, quote, record::RegistrationOrigin,
};
use hallpass_oauth::{AvailableCredentials, ClientKey, negotiate};

use crate::{ServiceError, ServiceErrorKind};

/// The client for an authorization server: the configured one, else its metadata document.
pub(crate) fn choose(
    settings: &ServerSettings,
    metadata: &ServerMetadata,
    previous: Option<&Record>,
    reason: SignInReason,
    key: Option<&ClientKey>,
) -> Result<Registration, ServiceError> {
    if let Some(configured) = &settings.client.pre_registered {
        check_issuer(configured, metadata, previous, reason)?;
        return pre_registered(configured, Some(metadata), key);
    }
    if let Some(document) = &settings.client.metadata_document
        && metadata.client_id_metadata_document_supported
    {
        let id = ClientId::new(document.as_str());
        let mut registration = Registration::new(RegistrationOrigin::MetadataDocument, id);
        if key.is_some() {
            registration.auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
        }
        return Ok(registration);
    }
    let what = format!("no client is configured for {}", metadata.issuer);
    Err(
        ServiceError::new(ServiceErrorKind::NoClient, Remedy::Configure, what).with_hint(Some(
            "register a client there by hand and set its client id",
        )),
    )
}

/// The registration of a configured client. An identity provider's endpoint has no metadata: there the
/// method follows from the client's credentials.
pub(crate) fn pre_registered(
    configured: &PreRegisteredClient,
    metadata: Option<&ServerMetadata>,
    key: Option<&ClientKey>,
) -> Result<Registration, ServiceError> {
    let credentials = AvailableCredentials {
        secret: configured.secret.is_some(),
        key: key.is_some(),
    };
    let method = match (&configured.auth_method, metadata) {
        (Some(method), _) => Some(method.clone()),
        (None, Some(metadata)) => negotiate(metadata, credentials),
        (None, None) if credentials.secret => Some(TokenEndpointAuthMethod::ClientSecretBasic),
        (None, None) => Some(TokenEndpointAuthMethod::None),
    };
    let id = quote(configured.id.as_str());
    let lacks = |what: String| {
        let hint = "set the client's secret or key, or its authentication method";
        let error = ServiceError::new(ServiceErrorKind::NoClient, Remedy::Configure, what);
        Err(error.with_hint(Some(hint)))
    };
    let Some(method) = method else {
        return lacks(format!(
            "the client `{id}` has nothing to authenticate with that the server accepts"
        ));
    };
    if method.needs_secret() && !credentials.secret
        || method == TokenEndpointAuthMethod::PrivateKeyJwt && !credentials.key
    {
        return lacks(format!("the client `{id}` has nothing for `{method}`"));
    }
    let mut registration =
        Registration::new(RegistrationOrigin::PreRegistered, configured.id.clone());
    registration.client_secret.clone_from(&configured.secret);
    registration.auth_method = method;
    Ok(registration)
}

/// Refuses to send a client's identifier, secret or assertions to another authorization server than
/// its own.
fn check_issuer(
    configured: &PreRegisteredClient,
    metadata: &ServerMetadata,
    previous: Option<&Record>,
    reason: SignInReason,
) -> Result<(), ServiceError> {
    let bound = configured.issuer.as_ref().or_else(|| {
        // The first success binds a client without a configured issuer.
        let record = previous?;
        let known = record.registration.as_ref()?;
        let same = known.origin == RegistrationOrigin::PreRegistered
            && known.client_id == configured.id
            && record.grant.is_some();
        same.then_some(&record.issuer)
    });
    match bound {
        Some(bound) if bound.eq_ignoring_trailing_slash(&metadata.issuer) => return Ok(()),
        // The server has just moved: it now names another issuer than at the first success.
        None if reason != SignInReason::Migration => return Ok(()),
        _ => {}
    }
    let bound = bound.map_or("another authorization server", Issuer::as_str);
    let what = format!(
        "the client `{}` is registered with {bound}, and the server names {} now",
        quote(configured.id.as_str()),
        metadata.issuer
    );
    Err(
        ServiceError::new(ServiceErrorKind::OtherIssuer, Remedy::Configure, what).with_hint(Some(
            "nothing of the client was sent; if the change is right, configure the client with its \
             issuer",
        )),
    )
}
