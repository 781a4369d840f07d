//! Dynamic registration of clients (RFC 7591), and its end (RFC 7592 §2.3).

use hallpass_core::{ClientSecret, Timestamp, TokenEndpointAuthMethod};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Behaviour, REGISTER, RegisteredClient, State, locked};
use crate::{Endpoint, exchange::Received, reply::Reply};

impl State {
    pub(super) fn registration(&self, behaviour: &Behaviour, request: &Received) -> Reply {
        match self.register(behaviour, &request.body) {
            Ok(document) => Reply::json(StatusCode::CREATED, &Value::Object(document)),
            Err((code, why)) => Reply::error(StatusCode::BAD_REQUEST, code, why),
        }
    }

    /// Forgets the named client, at a request with its registration access token (RFC 7592).
    pub(super) fn unregistration(&self, client: Option<&str>, request: &Received) -> Reply {
        let given = request.header(&header::AUTHORIZATION);
        let given = given.and_then(|field| field.strip_prefix("Bearer "));
        let known = client.and_then(|id| locked(&self.managed).get(id).cloned());
        match (client, given, known) {
            (Some(id), Some(given), Some(known)) if given == known => {
                locked(&self.clients).remove(id);
                locked(&self.managed).remove(id);
                Reply::empty(StatusCode::NO_CONTENT)
            }
            // RFC 7592 §2.3: also where the client is not, or no longer, known.
            _ => Reply::empty(StatusCode::UNAUTHORIZED).with(header::WWW_AUTHENTICATE, "Bearer"),
        }
    }

    fn register(
        &self,
        behaviour: &Behaviour,
        body: &[u8],
    ) -> Result<Map<String, Value>, (&'static str, &'static str)> {
        let refuse = |why| ("invalid_client_metadata", why);
        let Ok(Value::Object(mut document)) = serde_json::from_slice(body) else {
            return Err(refuse("the body is not a JSON object"));
        };
        let redirect_uris = texts(&document, "redirect_uris").unwrap_or_default();
        if redirect_uris.is_empty() || !redirect_uris.iter().all(|uri| is_redirect_uri(uri)) {
            let why = "each redirect URI is https, or http to a loopback host, without a fragment";
            return Err(("invalid_redirect_uri", why));
        }
        for rule in &behaviour.parameter_rules {
            if rule.endpoint == Endpoint::Registration && rule.name == "redirect_uri" {
                rule.check(redirect_uris.iter().map(String::as_str))?;
            }
        }
        // RFC 7591 §2 gives these two members their defaults.
        let grant_types = texts(&document, "grant_types")
            .unwrap_or_else(|| vec!["authorization_code".to_owned()]);
        let asked = match document.get("token_endpoint_auth_method") {
            None => TokenEndpointAuthMethod::ClientSecretBasic,
            Some(Value::String(name)) => TokenEndpointAuthMethod::from(name.clone()),
            Some(_) => return Err(refuse("token_endpoint_auth_method is not a text")),
        };
        let auth_method = match &behaviour.auth_method_given {
            Some(given) => given.clone(),
            None if behaviour.auth_methods.contains(&asked) => asked,
            None => return Err(refuse("the method of authentication is not supported")),
        };
        let id = self.entropy.token("client-");
        let issued_at = self.clock.now();
        let secret = auth_method
            .needs_secret()
            .then(|| self.entropy.token("secret-"));
        let secret_expires_at = behaviour
            .client_secret_lifetime
            .map(|lifetime| issued_at.saturating_add(lifetime));

        document.insert("client_id".to_owned(), json!(id));
        document.insert(
            "client_id_issued_at".to_owned(),
            json!(issued_at.as_unix_seconds()),
        );
        document.insert("grant_types".to_owned(), json!(grant_types));
        document.insert(
            "token_endpoint_auth_method".to_owned(),
            json!(auth_method.as_str()),
        );
        if let Some(secret) = &secret {
            document.insert("client_secret".to_owned(), json!(secret));
            // RFC 7591 §3.2.1: 0 is never.
            let end = secret_expires_at.map_or(0, Timestamp::as_unix_seconds);
            document.insert("client_secret_expires_at".to_owned(), json!(end));
        }
        if behaviour.registration_management {
            let token = self.entropy.token("registration-");
            let uri = self.url(&format!("{REGISTER}/{id}"));
            document.insert("registration_client_uri".to_owned(), json!(uri));
            document.insert("registration_access_token".to_owned(), json!(token));
            locked(&self.managed).insert(id.clone(), token);
        }
        let client = RegisteredClient {
            id: id.clone(),
            secret: secret.map(ClientSecret::new),
            secret_expires_at,
            auth_method,
            redirect_uris,
            grant_types,
            name: document
                .get("client_name")
                .and_then(Value::as_str)
                .map(str::to_owned),
        };
        locked(&self.clients).insert(id, client);
        Ok(document)
    }
}

/// The client whose registration is managed at a path below the issuer.
pub(super) fn client_in(path: &str) -> Option<&str> {
    let id = path.strip_prefix(REGISTER)?.strip_prefix('/')?;
    (!id.is_empty()).then_some(id)
}

/// A member that is an array of texts; `None` where it is absent or anything else.
fn texts(document: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let values = document.get(name)?.as_array()?;
    values
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

fn is_redirect_uri(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let safe = url.scheme() == "https"
            || (url.scheme() == "http" && hallpass_core::is_loopback(&url))
            // RFC 8252 §7.1: a private scheme holds a dot.
            || url.scheme().contains('.');
        safe && url.fragment().is_none()
    })
}
