//! Which client a login uses, decided from the settings, the server's metadata and what was
//! registered before. Nothing is sent here.

use hallpass_core::{
    ClientId, Diagnostic as _, Hint, PreRegisteredClient, Record, Registration, Scopes,
    ServerMetadata, ServerSettings, SignInReason, Timestamp, TokenEndpointAuthMethod,
    record::RegistrationOrigin,
};
use hallpass_oauth::{
    PreRegisteredClientError, check_client_endpoints, check_client_issuer, pre_registration,
};

use crate::{LoginError, LoginErrorKind, ReregistrationReason, address::CallbackAddress};

/// The name of the grant of a refresh (RFC 6749 §6).
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";
/// The device grant's name (RFC 8628 §3.4).
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The client that a login would use.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PlannedClient {
    /// The configured client, or one whose identifier is the URL of its metadata document; on any port
    /// that the settings allow (RFC 8252 §7.3).
    Configured(Registration),
    /// The dynamic registration of an earlier login, at exactly its redirect URI.
    Reused(Registration),
    /// A new dynamic registration (RFC 7591); why the earlier one can't be used, if there is one.
    Register(Option<ReregistrationReason>),
}

/// What the choice of the client depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientCandidates<'a> {
    pub(crate) settings: &'a ServerSettings,
    pub(crate) metadata: &'a ServerMetadata,
    pub(crate) previous: Option<&'a Record>,
    pub(crate) scopes: &'a Scopes,
    /// Whether the login offers the device grant.
    pub(crate) device_grant: bool,
    /// The address of the callback setting.
    pub(crate) callback: &'a CallbackAddress,
    pub(crate) reason: SignInReason,
    pub(crate) now: Timestamp,
}

impl ClientCandidates<'_> {
    /// Pre-registered, metadata document, registered before, registered now: the order in which MCP
    /// has a client look for its identifier.
    ///
    /// With a reason to `reregister` the earlier registration is not used. A reused registration comes
    /// with the callback address that it was registered with.
    pub(crate) fn choose(
        &self,
        reregister: Option<ReregistrationReason>,
    ) -> Result<(PlannedClient, Option<CallbackAddress>), LoginError> {
        let client = &self.settings.client;
        if let Some(configured) = &client.pre_registered {
            let registration = self.pre_registered(configured)?;
            return Ok((PlannedClient::Configured(registration), None));
        }
        if let Some(document) = &client.metadata_document
            && self.metadata.client_id_metadata_document_supported
        {
            let id = ClientId::new(document.as_str());
            let mut known = Registration::new(RegistrationOrigin::MetadataDocument, id);
            if client.key.is_some() {
                check_client_endpoints(&known.client_id, self.settings, self.metadata)
                    .map_err(|error| unusable(&error))?;
                known.auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
            }
            return Ok((PlannedClient::Configured(known), None));
        }
        let reregister = match self.previous_registration() {
            Some(registration) if reregister.is_none() => {
                match self.reusable_address(registration) {
                    Ok(address) => {
                        let client = PlannedClient::Reused(registration.clone());
                        return Ok((client, Some(address)));
                    }
                    Err(reason) => Some(reason),
                }
            }
            _ => reregister,
        };
        if self.metadata.registration_endpoint.is_none() {
            return Err(self.no_client());
        }
        Ok((PlannedClient::Register(reregister), None))
    }

    /// The configured client, for its own authorization server alone.
    fn pre_registered(&self, client: &PreRegisteredClient) -> Result<Registration, LoginError> {
        let has_key = self.settings.client.key.is_some();
        let is_bound = has_key || client.secret.is_some() || client.issuer.is_some();
        let endpoints = || {
            if is_bound {
                check_client_endpoints(&client.id, self.settings, self.metadata)
            } else {
                Ok(())
            }
        };
        check_client_issuer(client, &self.metadata.issuer, self.previous, self.reason)
            .and_then(|()| endpoints())
            .and_then(|()| pre_registration(client, Some(self.metadata), has_key))
            .map_err(|error| unusable(&error))
    }

    /// The dynamic registration of the same authorization server; never another's.
    fn previous_registration(&self) -> Option<&Registration> {
        let record = self.previous?;
        let registration = record.registration.as_ref()?;
        let ours = record.issuer == self.metadata.issuer
            && registration.origin == RegistrationOrigin::Dynamic;
        ours.then_some(registration)
    }

    /// The callback address of an earlier registration that can be reused, or why it can't. Earlier
    /// versions registered the same path with each issuer.
    fn reusable_address(
        &self,
        registration: &Registration,
    ) -> Result<CallbackAddress, ReregistrationReason> {
        let issuers = self.registration_callback();
        let address = registration
            .redirect_uri
            .as_deref()
            .and_then(CallbackAddress::from_redirect_uri)
            .filter(|address| address.matches(&issuers) || address.matches(self.callback))
            .ok_or(ReregistrationReason::CallbackChanged)?;
        if registration
            .secret_expires_at
            .is_some_and(|end| end <= self.now)
        {
            return Err(ReregistrationReason::SecretExpired);
        }
        if let Some(registered) = &registration.scopes {
            // The server has already decided about the scopes of earlier requests.
            let decided = match self.previous.and_then(|record| record.grant.as_ref()) {
                Some(grant) => registered.union(&grant.requested_scopes),
                None => registered.clone(),
            };
            if !decided.covers(self.scopes) {
                return Err(ReregistrationReason::Scopes);
            }
        }
        if self.lacks_a_grant(registration) {
            return Err(ReregistrationReason::Grants);
        }
        Ok(address)
    }

    /// The callback address of a client that registers itself.
    pub(crate) fn registration_callback(&self) -> CallbackAddress {
        let callback = self.callback.clone();
        callback.for_registration(&self.settings.callback, &self.metadata.issuer)
    }

    /// Whether a registration lacks a grant that the login or its refreshes need, and that the server
    /// was not asked to register it for.
    fn lacks_a_grant(&self, registration: &Registration) -> bool {
        let is_lacking = |grant_type: &str| {
            let declined = &registration.declined_grant_types;
            registration.lacks_grant(grant_type)
                && declined.iter().all(|declined| declined != grant_type)
        };
        // Earlier versions wrote no grants down, and asked for a listed `refresh_token` alone.
        let was_left_out = registration.grant_types.is_none()
            && self.metadata.grant_types_supported.is_some()
            && !self.metadata.supports_grant(REFRESH_TOKEN);
        was_left_out || is_lacking(REFRESH_TOKEN) || self.device_grant && is_lacking(DEVICE_CODE)
    }

    fn no_client(&self) -> LoginError {
        let issuer = &self.metadata.issuer;
        let what =
            format!("{issuer} registers no clients by itself, and no client id is configured");
        let hint = if self.metadata.client_id_metadata_document_supported {
            "register a client there by hand, or set the URL of a client id metadata document, which \
             it supports"
        } else {
            "register a client there by hand (and set its secret, if it has one)"
        };
        let error = LoginError::new(LoginErrorKind::NoClient, what);
        // Named by the user, the endpoints take the place of the whole metadata.
        let endpoints = self.settings.endpoints.as_ref();
        let authorization = endpoints
            .filter(|endpoints| endpoints.authorization.is_none())
            .map(|_| ("endpoints.authorization", None));
        let with = |setting| match authorization {
            Some(authorization) => Hint::settings([(setting, None), authorization]),
            None => Hint::setting(setting, None),
        };
        error
            .with_hints(endpoints.map(|_| with("endpoints.registration")))
            .with_hints([with("client"), hint.into()])
    }
}

/// The error of a configured client.
fn unusable(error: &PreRegisteredClientError) -> LoginError {
    let kind = if error.is_other_issuer() {
        LoginErrorKind::OtherIssuer
    } else {
        LoginErrorKind::Setting
    };
    LoginError::new(kind, error.to_string())
        .with_remedy(error.remedy())
        .with_hints(error.hints())
}

#[cfg(test)]
mod tests;
