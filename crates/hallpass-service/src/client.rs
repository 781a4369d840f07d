//! The client of a service, and how it authenticates.

use hallpass_core::{
    ClientId, Diagnostic as _, Record, Registration, ServerMetadata, ServerSettings, SignInReason,
    TokenEndpointAuthMethod, record::RegistrationOrigin,
};
use hallpass_oauth::{
    ClientKey, PreRegisteredClientError, check_client_endpoints, check_client_issuer,
    check_service_credentials, pre_registration,
};

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
        let previous = previous.filter(|record| record.grant.is_some());
        return check_client_issuer(configured, &metadata.issuer, previous, reason)
            .and_then(|()| check_client_endpoints(&configured.id, settings, metadata))
            .and_then(|()| check_service_credentials(configured, metadata, key.is_some()))
            .and_then(|()| pre_registration(configured, Some(metadata), key.is_some()))
            .map_err(|error| unusable(&error));
    }
    if let Some(document) = &settings.client.metadata_document
        && metadata.client_id_metadata_document_supported
    {
        let id = ClientId::new(document.as_str());
        let mut registration = Registration::new(RegistrationOrigin::MetadataDocument, id);
        if key.is_some() {
            check_client_endpoints(&registration.client_id, settings, metadata)
                .map_err(|error| unusable(&error))?;
            registration.auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
        }
        return Ok(registration);
    }
    let what = format!("no client is configured for {}", metadata.issuer);
    Err(ServiceError::new(ServiceErrorKind::NoClient, what)
        .with_hint("register a client there by hand and set its client id"))
}

/// The error of a pre-registered client.
pub(crate) fn unusable(error: &PreRegisteredClientError) -> ServiceError {
    let kind = if error.is_other_issuer() {
        ServiceErrorKind::OtherIssuer
    } else {
        ServiceErrorKind::NoClient
    };
    ServiceError::new(kind, error.to_string())
        .with_remedy(error.remedy())
        .with_hints(error.hints())
}
