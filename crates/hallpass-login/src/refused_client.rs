//! What to change where a token endpoint refuses a client that was registered by hand.

use hallpass_core::{Hint, Registration, TokenEndpointAuthMethod, record::RegistrationOrigin};

use crate::LoginInputs;

impl LoginInputs<'_> {
    /// What to change where the token endpoint does not accept how a client that was registered by hand
    /// authenticates: its secret or its id is wrong, or it takes the secret in another place (RFC 6749
    /// §2.3.1). The other place comes first where the server lists it. A user who has set the place may
    /// have tried the other one: it is not named alone again, and neither is one that is among `refused`.
    pub fn client_hints(
        &self,
        client: &Registration,
        refused: &[TokenEndpointAuthMethod],
    ) -> Vec<Hint> {
        if client.origin != RegistrationOrigin::PreRegistered {
            return Vec::new();
        }
        let used = &client.auth_method;
        let other = match used {
            TokenEndpointAuthMethod::None if client.client_secret.is_none() => {
                return vec![Hint::setting("client.secret", None)];
            }
            TokenEndpointAuthMethod::ClientSecretBasic => TokenEndpointAuthMethod::ClientSecretPost,
            TokenEndpointAuthMethod::None | TokenEndpointAuthMethod::ClientSecretPost => {
                TokenEndpointAuthMethod::ClientSecretBasic
            }
            _ => return Vec::new(),
        };
        let is_untried = !refused.contains(&other);
        let other_method = Hint::setting("client.auth_method", Some(other.as_str()));
        if *used == TokenEndpointAuthMethod::None && is_untried {
            return vec![other_method];
        }
        let metadata = &self.discovered.server;
        let listed = metadata.token_endpoint_auth_methods_supported.as_deref();
        let lists = |method| listed.is_some_and(|listed| listed.contains(method));
        let configured = self.settings.client.pre_registered.as_ref();
        let is_set = configured.is_some_and(|client| client.auth_method.is_some());
        let secret = if is_set && !lists(used) && lists(&other) {
            let method = ("client.auth_method", Some(other.as_str()));
            Hint::settings([("client.secret", None), method])
        } else {
            Hint::setting("client.secret", None)
        };
        let mut hints = vec![
            secret,
            Hint::text("the client's secret is wrong, or its id"),
            Hint::setting("client", None),
        ];
        if !is_set && is_untried {
            let at = if lists(&other) { 0 } else { hints.len() };
            let condition = "if id and secret are right, and the server takes the secret there";
            drop(hints.splice(at..at, [other_method, Hint::text(condition)]));
        }
        hints
    }
}
