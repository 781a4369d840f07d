//! The token endpoint (RFC 6749 §4.1.3 and §6, RFC 7636 §4.6, RFC 8707 §2.2) and revocation (RFC
//! 7009).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    Behaviour, ExpiresIn, ParameterRule, RefreshTokens, RegisteredClient, Repeated, State,
    is_resource, single,
};
use crate::{
    Endpoint,
    exchange::Received,
    reply::Reply,
    token_registry::{Grant, Issued, NotHonoured, RefreshPolicy, TokenPolicy},
};

/// An error of RFC 6749 §5.2 or RFC 8707 §2.
struct Refusal(&'static str, &'static str);

impl From<Repeated> for Refusal {
    fn from(_: Repeated) -> Self {
        Self("invalid_request", "a parameter is repeated")
    }
}

impl From<NotHonoured> for Refusal {
    fn from(NotHonoured(why): NotHonoured) -> Self {
        Self("invalid_grant", why)
    }
}

impl State {
    pub(super) fn token(&self, behaviour: &Behaviour, request: &Received) -> Reply {
        let Some(form) = &request.form else {
            let why = "the body is not application/x-www-form-urlencoded";
            return Reply::error(StatusCode::BAD_REQUEST, "invalid_request", why);
        };
        let client = match self.authenticated(request) {
            Ok(client) => client,
            Err(refused) => return refused.reply(),
        };
        let ruled = |endpoint| {
            ParameterRule::check_all(&behaviour.parameter_rules, endpoint, form)
                .map_err(|(code, why)| Refusal(code, why))
        };
        let answer = match single(form, "grant_type") {
            Ok(Some("authorization_code")) => {
                ruled(Endpoint::CodeExchange).and_then(|()| self.redeem(behaviour, &client, form))
            }
            Ok(Some("refresh_token")) => {
                ruled(Endpoint::Refresh).and_then(|()| self.refresh(behaviour, &client, form))
            }
            Ok(Some(_)) => Err(Refusal("unsupported_grant_type", "no such grant here")),
            Ok(None) => Err(Refusal("invalid_request", "grant_type is missing")),
            Err(repeated) => Err(repeated.into()),
        };
        match answer {
            Ok(issued) => Reply::json(StatusCode::OK, &response(behaviour, issued)),
            Err(Refusal(code, why)) => {
                let status = match code {
                    "invalid_grant" => StatusCode::from_u16(behaviour.invalid_grant_status),
                    _ => Ok(StatusCode::BAD_REQUEST),
                };
                Reply::error(status.unwrap_or(StatusCode::BAD_REQUEST), code, why)
            }
        }
    }

    pub(super) fn revocation(&self, request: &Received) -> Reply {
        let client = match self.authenticated(request) {
            Ok(client) => client,
            Err(refused) => return refused.reply(),
        };
        let form = request.form.as_deref().unwrap_or_default();
        match single(form, "token") {
            Ok(Some(token)) => {
                self.registry.revoke(token, &client.id);
                Reply::empty(StatusCode::OK)
            }
            _ => Reply::error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "exactly one token",
            ),
        }
    }

    fn redeem(
        &self,
        behaviour: &Behaviour,
        client: &RegisteredClient,
        form: &[(String, String)],
    ) -> Result<Issued, Refusal> {
        let missing = |why| Refusal("invalid_request", why);
        let code = single(form, "code")?.ok_or(missing("code is missing"))?;
        let verifier = single(form, "code_verifier")?.ok_or(missing("code_verifier is missing"))?;
        let redirect_uri =
            single(form, "redirect_uri")?.ok_or(missing("redirect_uri is missing"))?;
        let (family, grant) = self.registry.take_code(code, &client.id)?;
        if redirect_uri != grant.redirect_uri {
            return Err(NotHonoured("another redirect URI than in the request").into());
        }
        // RFC 7636 §4.1 and §4.6.
        let right_length = (43..=128).contains(&verifier.len());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        if !right_length || challenge != grant.code_challenge {
            return Err(NotHonoured("the code verifier does not belong to the code").into());
        }
        let audience = audience(behaviour, form, &grant)?;
        let asked = client.grant_types.iter().any(|it| it == "refresh_token");
        let mut policy = policy(behaviour);
        if !asked && !behaviour.refresh_unasked {
            policy.refresh = RefreshPolicy::None;
        }
        Ok(self.registry.begin(family, audience, policy))
    }

    fn refresh(
        &self,
        behaviour: &Behaviour,
        client: &RegisteredClient,
        form: &[(String, String)],
    ) -> Result<Issued, Refusal> {
        let token = single(form, "refresh_token")?
            .ok_or(Refusal("invalid_request", "refresh_token is missing"))?;
        self.registry
            .refresh(token, &client.id, policy(behaviour), |grant| {
                let audience = audience(behaviour, form, grant)?;
                // RFC 6749 §6: no scope that was not granted; absent is all of them.
                let scope = match single(form, "scope")? {
                    None => grant.scope.clone(),
                    Some(asked) => {
                        let granted = |scope| grant.scope.split(' ').any(|it| it == scope);
                        if !asked.split(' ').all(granted) {
                            let why = "a scope was not granted";
                            return Err(Refusal("invalid_scope", why));
                        }
                        asked.to_owned()
                    }
                };
                Ok((audience, scope))
            })
    }
}

/// The audience of a new access token (RFC 8707 §2.2): the resource that the request names and the
/// person consented to. Without one the token is good for nothing, as with the servers that answer
/// 401 at the resource afterwards; by option that is refused.
fn audience(
    behaviour: &Behaviour,
    form: &[(String, String)],
    grant: &Grant,
) -> Result<Option<String>, Refusal> {
    let invalid = |why| Refusal("invalid_target", why);
    let named = single(form, "resource").map_err(|_| invalid("resource is repeated"))?;
    match named {
        None if behaviour.resource_demanded => Err(invalid("resource is missing")),
        None => Ok(None),
        Some(named) if !is_resource(named) => Err(invalid("resource is no absolute URI")),
        Some(named) if grant.resource.as_deref() != Some(named) => {
            Err(invalid("not the resource of the authorization request"))
        }
        Some(named) => Ok(Some(named.to_owned())),
    }
}

fn policy(behaviour: &Behaviour) -> TokenPolicy {
    let lifetime = behaviour.refresh_token_lifetime;
    TokenPolicy {
        access_lifetime: behaviour.access_token_lifetime,
        refresh: match behaviour.refresh_tokens {
            RefreshTokens::Rotated => RefreshPolicy::Rotated {
                lifetime,
                grace: behaviour.reuse_grace,
            },
            RefreshTokens::Kept => RefreshPolicy::Kept { lifetime },
            RefreshTokens::None => RefreshPolicy::None,
        },
    }
}

fn response(behaviour: &Behaviour, issued: Issued) -> Value {
    let seconds = behaviour.access_token_lifetime.as_secs();
    let mut members = Map::new();
    members.insert("access_token".to_owned(), json!(issued.access_token));
    members.insert("token_type".to_owned(), json!(behaviour.token_type));
    match behaviour.expires_in {
        ExpiresIn::Number => members.insert("expires_in".to_owned(), json!(seconds)),
        ExpiresIn::Text => members.insert("expires_in".to_owned(), json!(seconds.to_string())),
        ExpiresIn::Absent => None,
    };
    if let Some(token) = issued.refresh_token {
        members.insert("refresh_token".to_owned(), json!(token));
    }
    if !issued.scope.is_empty() {
        members.insert("scope".to_owned(), json!(issued.scope));
    }
    Value::Object(members)
}
