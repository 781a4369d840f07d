//! What the login's requests to the authorization server have in common.

use hallpass_core::{AuthScheme, DpopSetting, Registration};
use hallpass_session::{DpopSigner, Endpoint, OAuthClient, Retry, TokenClient};
use url::Url;

use crate::{LoginError, LoginErrorKind, login::Login};

impl Login<'_> {
    /// Sends requests to the authorization server.
    pub(crate) fn token_client(&self) -> TokenClient<'_> {
        TokenClient {
            http: &*self.host.http,
            clock: &*self.host.clock,
            entropy: &*self.host.entropy,
            server: &self.ask.key.server,
        }
    }

    /// An endpoint that the client authenticates at, for a user who waits.
    pub(crate) fn endpoint<'e>(
        &'e self,
        url: &'e Url,
        registration: &'e Registration,
        dpop: Option<&'e DpopSigner>,
    ) -> Endpoint<'e> {
        let issuer = &self.discovered.server.issuer;
        Endpoint {
            url,
            client: OAuthClient::new(registration).with_key(self.key.as_ref(), issuer),
            dpop,
            retry: Retry::WhileUserWaits,
        }
    }

    /// A fresh key, where the resource takes nothing but bound tokens: on a `DPoP` challenge without
    /// a bearer one beside it (RFC 9449 §7.1), where the resource's metadata or a setting says so,
    /// and where the grant before was bound.
    pub(crate) fn dpop_signer(&self) -> Result<Option<DpopSigner>, LoginError> {
        let demanded = self.ask.settings.dpop == DpopSetting::Always
            || self.discovered.demands_bound_tokens(self.ask.challenges)
            || self
                .record_before()
                .and_then(|record| record.grant.as_ref())
                .is_some_and(|grant| grant.scheme == AuthScheme::Dpop);
        if !demanded {
            return Ok(None);
        }
        let signer = DpopSigner::for_new_grant(&self.discovered.server, None);
        signer.map(Some).map_err(|error| {
            let what = "the tokens can't be bound to a key";
            LoginError::new(LoginErrorKind::Request, error.remedy(), what).with_source(error)
        })
    }
}
