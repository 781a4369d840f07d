//! Whether a record's grant is usable with the present settings.

use hallpass_core::{
    CredentialKey, Grant, Issuer, Record, Registration, ServerSettings, SettingsFingerprint, State,
    Timestamp,
    record::{RegistrationOrigin, SignInCause},
};

use crate::error::SignInNeed;

/// The grant of `record`, if a session of this credential may use it with these settings.
///
/// A record is used for its own credential, under settings with the same fingerprint, and at the
/// authorization server that the settings name, if they name one. Any other grant is never sent.
pub(crate) fn usable<'a>(
    record: Option<&'a Record>,
    key: &CredentialKey,
    settings: &ServerSettings,
    fingerprint: &SettingsFingerprint,
) -> Result<(&'a Record, &'a Grant), SignInNeed> {
    let Some(record) = record else {
        return Err(SignInNeed::First);
    };
    if record.key != *key || record.issuer != record.metadata.issuer {
        return Err(SignInNeed::First);
    }
    match &record.state {
        State::SignInRequired(SignInCause::SignedOut) => {
            return Err(SignInNeed::Ended(SignInCause::SignedOut));
        }
        State::SignInRequired(cause) if record.settings == *fingerprint => {
            return Err(SignInNeed::Ended(cause.clone()));
        }
        State::SignInRequired(_) | State::SignedIn | State::OutcomeUnknown => {}
        // Registered, or a state that this version does not know.
        _ => return Err(SignInNeed::First),
    }
    if let Some(setting) = changed_setting(record, settings, fingerprint) {
        return Err(SignInNeed::SettingChanged(setting));
    }
    match &record.grant {
        Some(grant) => Ok((record, grant)),
        None => Err(SignInNeed::First),
    }
}

/// The setting that makes `record` unusable.
fn changed_setting(
    record: &Record,
    settings: &ServerSettings,
    fingerprint: &SettingsFingerprint,
) -> Option<String> {
    if let Some(name) = record.settings.difference(fingerprint) {
        return Some(name.to_owned());
    }
    let is_meant = |issuer: &Issuer| {
        // As in discovery: a trailing slash is ignored, and trusted issuers are accepted.
        issuer.eq_ignoring_trailing_slash(&record.issuer)
            || settings.trusted_issuers.contains(&record.issuer)
    };
    if settings
        .issuer
        .as_ref()
        .is_some_and(|issuer| !is_meant(issuer))
    {
        return Some("issuer".to_owned());
    }
    // Identifier and secret belong to one authorization server, which the fingerprint does not hold.
    let by_hand = record
        .registration
        .as_ref()
        .is_some_and(|registration| registration.origin == RegistrationOrigin::PreRegistered);
    let bound = settings
        .client
        .pre_registered
        .as_ref()
        .and_then(|client| client.issuer.as_ref());
    if by_hand && bound.is_some_and(|issuer| !issuer.eq_ignoring_trailing_slash(&record.issuer)) {
        return Some("client".to_owned());
    }
    None
}

/// The client to refresh as: the record's, with the present secret of the settings, which the user may
/// have replaced.
pub(crate) fn registration(record: &Record, settings: &ServerSettings) -> Option<Registration> {
    let mut registration = record.registration.clone()?;
    if registration.origin == RegistrationOrigin::PreRegistered
        && let Some(client) = &settings.client.pre_registered
        && client.id == registration.client_id
        && let Some(secret) = &client.secret
    {
        registration.client_secret = Some(secret.clone());
        registration.secret_expires_at = None;
    }
    Some(registration)
}

/// Whether the client's secret has expired (RFC 7591 §3.2.1).
pub(crate) fn secret_has_expired(registration: &Registration, now: Timestamp) -> bool {
    registration.client_secret.is_some()
        && registration.auth_method.needs_secret()
        && registration.secret_expires_at.is_some_and(|end| end <= now)
}

/// The record that a sign-in can reuse, without an expired registration.
pub(crate) fn reusable(
    mut record: Record,
    settings: &ServerSettings,
    fingerprint: &SettingsFingerprint,
    now: Timestamp,
) -> Option<Record> {
    if let Some("dpop" | "resource" | "scopes") | None =
        changed_setting(&record, settings, fingerprint).as_deref()
    {
        if record
            .registration
            .as_ref()
            .is_some_and(|registration| secret_has_expired(registration, now))
        {
            record.registration = None;
        }
        Some(record)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
