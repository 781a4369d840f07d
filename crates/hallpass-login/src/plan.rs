//! What a login would do about its client, said before anybody signs in: for a diagnosis.
//!
//! The decision is the login's own; nothing is registered, kept or bound here.

use hallpass_core::{
    Challenge, Entropy, HttpClient, Record, Registration, Remedy, Scopes, ServerSettings,
    ServerUrl, SignInReason, Timestamp,
};
use hallpass_discovery::Discovered;
use hallpass_oauth::AuthorizationRequest;

use crate::{
    LoginError, LoginErrorKind, ReregistrationReason,
    address::CallbackAddress,
    client::{Candidates, Choice},
    registration, scopes,
};

/// A login that nobody has begun yet.
#[derive(Debug, Clone, Copy)]
pub struct LoginPlan<'a> {
    /// The MCP server.
    pub server: &'a ServerUrl,
    /// What a person set for the server.
    pub settings: &'a ServerSettings,
    /// The authorization server.
    pub discovered: &'a Discovered,
    /// What the server answered to a request without a token.
    pub challenges: &'a [Challenge],
    /// What is kept of earlier logins.
    pub previous: Option<&'a Record>,
    /// The time.
    pub now: Timestamp,
}

/// The client that a login would use.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PlannedClient {
    /// The configured one, or one whose identifier is the URL of its metadata document.
    Known(Registration),
    /// The dynamic registration of an earlier login, at its redirect URI.
    Again(Registration),
    /// A new dynamic registration (RFC 7591); why the earlier one does not serve, if there is one.
    Register(Option<ReregistrationReason>),
}

impl LoginPlan<'_> {
    /// The scopes that the login would ask for.
    pub fn scopes(&self) -> Scopes {
        scopes::to_ask_for(
            &self.discovered.scopes(self.challenges, self.settings),
            &Scopes::none(),
            self.settings,
            &self.discovered.server,
        )
    }

    /// The client that the login would use.
    ///
    /// # Errors
    ///
    /// When it would end for want of one, as the login itself says it.
    pub fn client(&self) -> Result<PlannedClient, LoginError> {
        let wanted = CallbackAddress::from_setting(&self.settings.callback)
            .map_err(|what| LoginError::new(LoginErrorKind::Setting, Remedy::Configure, what))?;
        let scopes = self.scopes();
        let candidates = Candidates {
            settings: self.settings,
            metadata: &self.discovered.server,
            previous: self.previous,
            scopes: &scopes,
            wanted: &wanted,
            reason: SignInReason::Requested,
            now: self.now,
        };
        Ok(match candidates.choose(None)? {
            Choice::Known(registration) => PlannedClient::Known(registration),
            Choice::Again(registration, _) => PlannedClient::Again(registration),
            Choice::Register(why) => PlannedClient::Register(why),
        })
    }

    /// Asks the authorization endpoint, in the way the browser will, whether it still takes a
    /// registration and its redirect URI. It begins no grant: whoever would have to sign in is not
    /// there. `None` where it can't be asked so: without an endpoint, a redirect URI or S256, and
    /// where requests have to be pushed.
    pub async fn still_known(
        &self,
        registration: &Registration,
        http: &dyn HttpClient,
        entropy: &dyn Entropy,
    ) -> Option<bool> {
        let metadata = &self.discovered.server;
        if metadata.require_pushed_authorization_requests {
            return None;
        }
        let request = AuthorizationRequest {
            metadata,
            client_id: &registration.client_id,
            redirect_uri: registration.redirect_uri.as_deref()?,
            resource: self.discovered.resource.as_ref(),
            scopes: &self.scopes(),
            pkce_waived: self.discovered.pkce_waived(self.settings),
            extra: &[],
        };
        let pending = request.begin(entropy).ok()?;
        Some(registration::still_known(http, self.server, pending.url()).await)
    }
}
