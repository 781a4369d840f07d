//! The metadata document (RFC 8414, OpenID Connect Discovery 1.0).

use hallpass_core::TokenEndpointAuthMethod;
use http::StatusCode;
use serde_json::{Value, json};

use super::{AUTHORIZE, Behaviour, MetadataPath, REGISTER, REVOKE, State, TOKEN};
use crate::{exchange::Received, reply::Reply};

impl State {
    /// Every path where metadata could stand.
    pub(super) fn metadata_paths(&self) -> [(MetadataPath, String); 3] {
        let path = &self.issuer_path;
        [
            (
                MetadataPath::Rfc8414,
                format!("/.well-known/oauth-authorization-server{path}"),
            ),
            (
                MetadataPath::OpenIdInserted,
                format!("/.well-known/openid-configuration{path}"),
            ),
            (
                MetadataPath::OpenIdAppended,
                format!("{path}/.well-known/openid-configuration"),
            ),
        ]
    }

    pub(super) fn metadata(&self, behaviour: &Behaviour, request: &Received) -> Reply {
        let stands_here = self
            .metadata_paths()
            .iter()
            .any(|(at, path)| *path == request.path && behaviour.metadata_at.contains(at));
        if stands_here {
            Reply::json(StatusCode::OK, &self.document(behaviour))
        } else {
            Reply::text(StatusCode::NOT_FOUND, "nothing here")
        }
    }

    fn document(&self, behaviour: &Behaviour) -> Value {
        let mut authorization = self.url(AUTHORIZE);
        if let Some(query) = &behaviour.authorization_query {
            authorization = format!("{authorization}?{query}");
        }
        let methods: Vec<_> = behaviour
            .auth_methods
            .iter()
            .map(TokenEndpointAuthMethod::as_str)
            .collect();
        let grants = match behaviour.refresh_tokens {
            super::RefreshTokens::None => vec!["authorization_code"],
            _ => vec!["authorization_code", "refresh_token"],
        };
        let mut document = json!({
            "issuer": self.issuer,
            "authorization_endpoint": authorization,
            "token_endpoint": self.url(TOKEN),
            "revocation_endpoint": self.url(REVOKE),
            "response_types_supported": ["code"],
            "grant_types_supported": grants,
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
        });
        let mut set = |name: &str, value: Value| {
            if let Value::Object(members) = &mut document {
                if value.is_null() {
                    members.remove(name);
                } else {
                    members.insert(name.to_owned(), value);
                }
            }
        };
        if behaviour.registration {
            set("registration_endpoint", json!(self.url(REGISTER)));
        }
        if behaviour.pkce_advertised {
            set("code_challenge_methods_supported", json!(["S256"]));
        }
        if behaviour.iss_advertised {
            set(
                "authorization_response_iss_parameter_supported",
                json!(true),
            );
        }
        if let Some(scopes) = &behaviour.scopes_supported {
            set("scopes_supported", json!(scopes));
        }
        for (name, value) in &behaviour.metadata_overrides {
            set(name, value.clone());
        }
        document
    }
}
