//! The documents that servers usually answer with, as JSON texts for a
//! [`ScriptedClient`](crate::ScriptedClient).

use serde_json::json;

/// The metadata of a protected resource (RFC 9728).
pub fn resource_metadata_json(resource: &str, authorization_servers: &[&str]) -> String {
    json!({ "resource": resource, "authorization_servers": authorization_servers }).to_string()
}

/// The metadata of an authorization server (RFC 8414) with its endpoints below the issuer, and PKCE.
pub fn server_metadata_json(issuer: &str) -> String {
    let base = issuer.trim_end_matches('/');
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "code_challenge_methods_supported": ["S256"],
    })
    .to_string()
}

/// A token response (RFC 6749 §5.1) that is good for five minutes, without a refresh token.
pub fn token_response_json(access_token: &str, token_type: &str) -> String {
    json!({ "access_token": access_token, "token_type": token_type, "expires_in": 300 }).to_string()
}
