//! The assertion of a client that proves itself with a signature (RFC 7523 §2.2, §3).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

use super::{State, locked};

/// The longest that an assertion may still be good for, in seconds.
const MAX_LIFETIME: i64 = 300;

impl State {
    /// Checks an assertion of the client `id`: its signature, whom it is of and for, its time, and
    /// that it comes once.
    pub(super) fn check_assertion(&self, id: &str, assertion: &str) -> Result<(), &'static str> {
        let keys = locked(&self.behaviour).client_keys.clone();
        let key = keys.get(id).ok_or("the client's key is not known")?;
        let (signed, signature) = assertion.rsplit_once('.').ok_or("it is no assertion")?;
        let (header, claims) = signed.split_once('.').ok_or("it is no assertion")?;
        if json(header)?["alg"] != "ES256" {
            return Err("it is not signed with ES256");
        }
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| "its signature is not base64url")?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| "its signature is wrong")?;
        let claims = json(claims)?;
        if claims["iss"] != id || claims["sub"] != id {
            return Err("it is another client's");
        }
        if claims["aud"] != self.issuer.as_str() {
            return Err("it is for another server");
        }
        let now = self.clock.now().as_unix_seconds();
        let end = claims["exp"].as_i64().ok_or("it never ends")?;
        if end <= now || end > now + MAX_LIFETIME {
            return Err("it has ended, or is good for too long");
        }
        let jti = claims["jti"].as_str().ok_or("it has no jti")?;
        if !locked(&self.seen).insert(format!("{id} {jti}")) {
            return Err("it came before");
        }
        Ok(())
    }
}

fn json(part: &str) -> Result<Value, &'static str> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| "it is not base64url")?;
    serde_json::from_slice(&bytes).map_err(|_| "it is not JSON")
}
