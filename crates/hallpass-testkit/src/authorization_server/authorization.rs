//! The authorization endpoint (RFC 6749 §4.1.1, RFC 7636, RFC 8707 §2.1, RFC 9207).

use http::{StatusCode, header};
use url::{Url, form_urlencoded};

use super::{
    Behaviour, Callback, IssParameter, ParameterRule, RegisteredClient, Repeated, State,
    is_resource, locked, page, single,
};
use crate::{Endpoint, exchange::Received, reply::Reply, token_registry::Grant};

/// An authorization request that was found good.
pub(super) struct PendingConsent {
    grant: Grant,
    redirect_uri: Url,
    state: Option<String>,
}

/// An `error` that goes back to the client through the browser (RFC 6749 §4.1.2.1).
struct Refusal(&'static str, &'static str);

impl From<Repeated> for Refusal {
    fn from(_: Repeated) -> Self {
        Self("invalid_request", "a parameter is repeated")
    }
}

impl State {
    pub(super) fn authorization(&self, behaviour: &Behaviour, request: &Received) -> Reply {
        let query = request.query.as_slice();
        if let Some(kept) = &behaviour.authorization_query {
            let mut own = form_urlencoded::parse(kept.as_bytes()).into_owned();
            if !own.all(|pair| query.contains(&pair)) {
                return page::broken("the authorization endpoint's own query was not kept");
            }
        }
        // RFC 6749 §4.1.2.1: nothing is sent to a redirect URI before it is known to be the
        // client's own.
        let (client, redirect_uri, state) = match self.return_address(behaviour, query) {
            Ok(found) => found,
            Err(why) => return page::broken(why),
        };
        let about_uri = |rule: &&ParameterRule| {
            rule.endpoint == Endpoint::Authorization && rule.name == "redirect_uri"
        };
        for rule in behaviour.parameter_rules.iter().filter(about_uri) {
            if let Err((_, why)) = rule.check([redirect_uri.as_str()]) {
                return page::broken(why);
            }
        }
        let Ok(target) = Url::parse(&redirect_uri) else {
            return page::broken("the redirect URI is not a URL");
        };
        let rules = &behaviour.parameter_rules;
        let ruled = ParameterRule::check_all(rules, Endpoint::Authorization, query)
            .map_err(|(code, why)| Refusal(code, why));
        let granted = ruled.and_then(|()| grant(behaviour, query, &client, redirect_uri));
        match granted {
            Err(Refusal(code, why)) => self.back(
                behaviour,
                target,
                state.as_deref(),
                &[("error", code), ("error_description", why)],
            ),
            Ok(grant) => {
                let asked = PendingConsent {
                    grant,
                    redirect_uri: target,
                    state,
                };
                if behaviour.interactive {
                    self.ask(asked, &client)
                } else {
                    self.allow(behaviour, &asked)
                }
            }
        }
    }

    /// The answer to the consent page.
    pub(super) fn consent(&self, behaviour: &Behaviour, request: &Received) -> Reply {
        let form = request.form.as_deref().unwrap_or_default();
        let ticket = single(form, "ticket").ok().flatten().unwrap_or_default();
        let Some(asked) = locked(&self.asked).remove(ticket) else {
            return page::broken("this page was answered before");
        };
        match single(form, "decision") {
            Ok(Some("allow")) => self.allow(behaviour, &asked),
            _ => self.back(
                behaviour,
                asked.redirect_uri,
                asked.state.as_deref(),
                &[
                    ("error", "access_denied"),
                    ("error_description", "the user said no"),
                ],
            ),
        }
    }

    fn ask(&self, asked: PendingConsent, client: &RegisteredClient) -> Reply {
        let ticket = self.entropy.token("ticket-");
        let page = page::consent(&page::Consent {
            action: &self.path(super::CONSENT),
            ticket: &ticket,
            client: client.name.as_deref().unwrap_or(&client.id),
            resource: asked.grant.resource.as_deref(),
            scope: &asked.grant.scope,
        });
        locked(&self.asked).insert(ticket, asked);
        Reply::html(StatusCode::OK, page)
    }

    fn allow(&self, behaviour: &Behaviour, asked: &PendingConsent) -> Reply {
        let state = asked.state.as_deref();
        let code = || {
            self.registry
                .new_code(asked.grant.clone(), behaviour.code_lifetime)
        };
        let target = asked.redirect_uri.clone();
        match &behaviour.callback {
            Callback::Right => self.back(behaviour, target, state, &[("code", &code())]),
            Callback::NoState => self.back(behaviour, target, None, &[("code", &code())]),
            Callback::WrongState => {
                let wrong = self.entropy.token("state-");
                self.back(behaviour, target, Some(&wrong), &[("code", &code())])
            }
            Callback::Error(error) => self.back(behaviour, target, state, &[("error", error)]),
        }
    }

    /// Sends the browser back to the client.
    fn back(
        &self,
        behaviour: &Behaviour,
        mut target: Url,
        state: Option<&str>,
        parameters: &[(&str, &str)],
    ) -> Reply {
        {
            let mut query = target.query_pairs_mut();
            query.extend_pairs(parameters);
            if let Some(state) = state {
                query.append_pair("state", state);
            }
            match &behaviour.iss {
                IssParameter::Right => query.append_pair("iss", &self.issuer),
                IssParameter::Missing => &mut query,
                IssParameter::Exactly(iss) => query.append_pair("iss", iss),
            };
        }
        Reply::empty(StatusCode::FOUND)
            .with(header::LOCATION, target)
            .with(header::CACHE_CONTROL, "no-store")
    }

    /// The client, its redirect URI, and the state to go back with.
    fn return_address(
        &self,
        behaviour: &Behaviour,
        query: &[(String, String)],
    ) -> Result<(RegisteredClient, String, Option<String>), &'static str> {
        let one = |name| single(query, name).map_err(|_| "a parameter is repeated");
        let id = one("client_id")?.ok_or("the request names no client")?;
        let uri = one("redirect_uri")?.ok_or("the request names no redirect URI")?;
        let state = one("state")?.map(str::to_owned);
        let clients = locked(&self.clients);
        let client = clients.get(id).ok_or("no such client")?;
        let same = |registered: &String| {
            registered == uri || (behaviour.any_loopback_port && same_but_for_port(registered, uri))
        };
        if !client.redirect_uris.iter().any(same) {
            return Err("the redirect URI is not one of the client's");
        }
        Ok((client.clone(), uri.to_owned(), state))
    }
}

/// What a request asks for, if it may.
fn grant(
    behaviour: &Behaviour,
    query: &[(String, String)],
    client: &RegisteredClient,
    redirect_uri: String,
) -> Result<Grant, Refusal> {
    match single(query, "response_type")? {
        Some("code") => {}
        Some(_) => return Err(Refusal("unsupported_response_type", "only code")),
        None => return Err(Refusal("invalid_request", "response_type is missing")),
    }
    if single(query, "code_challenge_method")? != Some("S256") {
        return Err(Refusal("invalid_request", "PKCE with S256 is required"));
    }
    // RFC 7636 §4.2: the challenge is SHA-256 in base64url, which is always this long.
    let code_challenge = single(query, "code_challenge")?
        .filter(|challenge| challenge.len() == 43)
        .ok_or(Refusal("invalid_request", "code_challenge is missing"))?;
    let scope = single(query, "scope")?.unwrap_or_default();
    if let Some(known) = &behaviour.scopes_supported {
        let mut asked = scope.split_ascii_whitespace();
        if !asked.all(|scope| known.iter().any(|it| it == scope)) {
            return Err(Refusal("invalid_scope", "a scope is not known here"));
        }
    }
    let resource =
        single(query, "resource").map_err(|_| Refusal("invalid_target", "resource is repeated"))?;
    if let Some(resource) = resource {
        let known = behaviour.resources.as_ref();
        if !is_resource(resource) || known.is_some_and(|it| !it.iter().any(|it| it == resource)) {
            return Err(Refusal("invalid_target", "no tokens for that resource"));
        }
    }
    Ok(Grant {
        client_id: client.id.clone(),
        redirect_uri,
        code_challenge: code_challenge.to_owned(),
        resource: resource.map(str::to_owned),
        scope: scope.to_owned(),
    })
}

/// RFC 8252 §7.3: the port of a loopback redirect URI is chosen when it is used. That holds for IP
/// literals, which §8.3 tells clients to use instead of `localhost`.
fn same_but_for_port(registered: &str, asked: &str) -> bool {
    let portless = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let literal = !matches!(url.host()?, url::Host::Domain(_));
        if url.scheme() != "http" || !literal || !hallpass_core::is_loopback(&url) {
            return None;
        }
        url.set_port(None).ok()?;
        Some(url)
    };
    portless(registered).is_some_and(|url| Some(url) == portless(asked))
}
