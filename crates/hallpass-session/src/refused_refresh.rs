//! A refresh request that the authorization server refuses without ending the grant.
//!
//! Servers refuse a dead refresh token with other errors than `invalid_grant` too: `invalid_request`,
//! `unauthorized_client`, a web page, an empty 401. The grant is kept, since the server may accept the
//! next request. Without a living access token the user has to sign in meanwhile.

use std::sync::Arc;

use hallpass_core::{
    Diagnostic as _, Hint, Record, Remedy, ServerSettings, Timestamp, record::RegistrationOrigin,
};
use hallpass_oauth::TokenError;
use http::StatusCode;

use crate::error::SignInNeed;

/// The refusal of a refresh, as a record remembers it.
#[derive(Debug, Clone)]
pub struct RefusedRefresh {
    since: Timestamp,
    error: Arc<TokenError>,
    need: Option<SignInNeed>,
    settings: String,
}

impl RefusedRefresh {
    /// The refusal of the last refresh; `None` if the last one was not refused.
    pub fn from_record(record: &Record) -> Option<Self> {
        let pending = record.pending_refresh.as_ref()?;
        let (refusal, since) = (pending.refused()?, pending.refused_since()?);
        let status = StatusCode::from_u16(refusal.status).ok()?;
        let (code, description) = (refusal.code.as_deref(), refusal.description.as_deref());
        let error = TokenError::remembered(status, code, description);
        let grant = record.grant.as_ref()?;
        let is_bound = grant.dpop_key.is_some();
        let error = if is_bound { error.after_proof() } else { error };
        Some(Self {
            need: sign_in_need(&error, record),
            since,
            error: Arc::new(error),
            settings: refusal.settings.clone(),
        })
    }

    /// Whether the refused request was made with these settings. With others the next call refreshes, six
    /// seconds after the request where the server may have replaced the refresh token.
    pub fn is_with(&self, settings: &ServerSettings) -> bool {
        self.settings == settings.refresh_digest()
    }

    /// Since when the server refuses the refresh.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The server's answer.
    pub fn error(&self) -> &TokenError {
        &self.error
    }

    pub(crate) fn shared_error(&self) -> &Arc<TokenError> {
        &self.error
    }

    /// Why a sign-in is needed once the access token has ended. `None` where a setting has to change
    /// instead, and a sign-in with the present ones would be refused too.
    pub fn need(&self) -> Option<&SignInNeed> {
        self.need.as_ref()
    }
}

/// Why a sign-in is needed after this answer to the refresh of `record`, if one is.
pub(crate) fn sign_in_need(error: &TokenError, record: &Record) -> Option<SignInNeed> {
    let is_dynamic = record
        .registration
        .as_ref()
        .is_some_and(|registration| registration.origin == RegistrationOrigin::Dynamic);
    if error.status().is_server_error() {
        return None;
    }
    match error.code() {
        Some("invalid_client") => is_dynamic.then_some(SignInNeed::ClientForgotten),
        // The client's proof is wrong, as its clock may be.
        _ if error.demands_proof() => None,
        Some(_) if error.remedy() == Remedy::Retry => None,
        _ if has_refresh_setting(error) => None,
        _ => Some(SignInNeed::RefreshRequestRefused),
    }
}

/// Whether the error names the setting that a refresh request of another form needs, and may be accepted.
fn has_refresh_setting(error: &TokenError) -> bool {
    let hints = error.hints();
    hints.iter().any(|hint| {
        matches!(
            hint,
            Hint::Setting {
                setting: "refresh_scope",
                ..
            }
        )
    })
}
