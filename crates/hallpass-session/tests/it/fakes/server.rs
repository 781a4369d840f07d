use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use hallpass_core::{
    AccessToken, BoxFuture, Clock, Grant, HttpClient, HttpError, Issuer, RefreshToken, Resource,
    Scopes, ServerMetadata,
    http::{Body, HttpErrorKind, RequestOptions, RequestTarget},
    record::GrantKind,
};
use hallpass_testkit::{resource_metadata_json, server_metadata_json};
use http::{Request, Response, StatusCode};
use url::{Url, form_urlencoded};

use super::{Gate, TestClock};

pub(crate) const ISSUER: &str = "https://as.example.com";
pub(crate) const OTHER_ISSUER: &str = "https://other-as.example.com";

/// What goes wrong with one refresh request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// There is no connection.
    NotSent(HttpErrorKind),
    /// The connection breaks before the server processes the request.
    LostBefore,
    /// The request times out, and the server does not process it.
    Silent,
    /// The server processes the request, and its answer is lost.
    LostAfter,
    /// The server answers this and does not process the request.
    Says(u16, &'static str),
    /// The server answers this status with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// The server processes the request, and answers this.
    ActsAndSays(u16, &'static str),
    /// The server asks for this nonce in the proof (RFC 9449 §8).
    WantsNonce(&'static str),
    /// The server answers without the optional fields.
    Terse,
}

/// An authorization server that accepts a refresh token once, and the metadata of the server that it
/// protects.
pub(crate) struct Server {
    clock: Arc<TestClock>,
    /// Refresh requests wait here before they are processed.
    pub(crate) gate: Gate,
    state: Mutex<State>,
}

struct State {
    issuer: &'static str,
    /// Whether the metadata names a second authorization server while the first one's can't be read.
    spare: bool,
    lifetime: Option<u64>,
    token_type: &'static str,
    /// The `DPoP` headers of refresh requests.
    proofs: Vec<String>,
    serial: u32,
    live: BTreeSet<String>,
    faults: VecDeque<Fault>,
    /// The refresh tokens that were posted, in order.
    posted: Vec<String>,
    /// Method and URL of every request.
    requests: Vec<String>,
    /// The bodies of all requests that had one.
    bodies: Vec<String>,
    revocation_status: u16,
    reuses: u32,
    replaced: usize,
    one_family_each: bool,
}

impl Server {
    pub(crate) fn new(clock: Arc<TestClock>) -> Self {
        Self {
            clock,
            gate: Gate::default(),
            state: Mutex::new(State {
                issuer: ISSUER,
                spare: false,
                lifetime: Some(3_600),
                token_type: "Bearer",
                proofs: Vec::new(),
                serial: 0,
                live: BTreeSet::new(),
                faults: VecDeque::new(),
                posted: Vec::new(),
                requests: Vec::new(),
                bodies: Vec::new(),
                revocation_status: 200,
                reuses: 0,
                replaced: 0,
                one_family_each: false,
            }),
        }
    }

    /// A grant as a sign-in obtains it.
    pub(crate) fn grant(&self, scopes: &Scopes) -> Grant {
        let mut state = self.state();
        let serial = state.issue();
        let now = self.clock.now();
        let access = AccessToken::new(format!("access-canary-{serial}"));
        let mut grant = Grant::new(GrantKind::AuthorizationCode, access, now);
        grant.refresh_token = Some(RefreshToken::new(format!("refresh-canary-{serial}")));
        grant.expires_at = state
            .lifetime
            .map(|seconds| now.saturating_add(std::time::Duration::from_secs(seconds)));
        grant.requested_scopes = scopes.clone();
        grant.resource = Some(Resource::parse("https://mcp.example.com/mcp").unwrap());
        grant
    }

    pub(crate) fn metadata(&self) -> ServerMetadata {
        let issuer = self.state().issuer;
        let endpoint = |path: &str| Some(Url::parse(&format!("{issuer}{path}")).unwrap());
        let mut metadata = ServerMetadata::new(Issuer::parse(issuer).unwrap());
        metadata.token_endpoint = endpoint("/token");
        metadata.revocation_endpoint = endpoint("/revoke");
        metadata.authorization_endpoint = endpoint("/authorize");
        metadata
    }

    /// Lets another authorization server protect the MCP server from now on.
    pub(crate) fn migrate(&self) {
        self.state().issuer = OTHER_ISSUER;
    }

    /// Names another authorization server after the first, whose metadata can't be read for now.
    pub(crate) fn fall_back_to_a_spare(&self) {
        self.state().spare = true;
    }

    pub(crate) fn lifetime(&self, seconds: Option<u64>) {
        self.state().lifetime = seconds;
    }

    pub(crate) fn token_type(&self, name: &'static str) {
        self.state().token_type = name;
    }

    pub(crate) fn proofs(&self) -> Vec<String> {
        self.state().proofs.clone()
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// From now on every refresh token is its own family, as of many accounts.
    pub(crate) fn one_family_each(&self) {
        self.state().one_family_each = true;
    }

    /// From now on every request succeeds.
    pub(crate) fn no_faults(&self) {
        self.state().faults.clear();
    }

    /// How many refresh tokens were replaced whose answer was lost.
    pub(crate) fn replaced(&self) -> usize {
        self.state().replaced
    }

    pub(crate) fn revocation_answers(&self, status: u16) {
        self.state().revocation_status = status;
    }

    pub(crate) fn posts(&self) -> usize {
        self.state().posted.len()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.state().bodies.clone()
    }

    /// How often a used refresh token was posted.
    pub(crate) fn reuses(&self) -> u32 {
        self.state().reuses
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Body>, HttpError> {
        let url = Url::parse(&request.uri().to_string()).unwrap();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        {
            let mut state = self.state();
            state.requests.push(format!("{} {url}", request.method()));
            if !body.is_empty() {
                state.bodies.push(body.clone());
            }
        }
        match url.path() {
            "/token" => {
                let proof = request.headers().get("dpop");
                let proof = proof.map(|proof| proof.to_str().unwrap().to_owned());
                self.state().proofs.extend(proof);
                self.gate.pass().await;
                self.refresh(&body, &url)
            }
            "/revoke" => Ok(plain(self.state().revocation_status, "")),
            "/.well-known/oauth-protected-resource/mcp" => {
                let state = self.state();
                let issuers = [state.issuer, OTHER_ISSUER];
                let issuers = &issuers[..=usize::from(state.spare)];
                let resource = "https://mcp.example.com/mcp";
                Ok(plain(200, resource_metadata_json(resource, issuers)))
            }
            "/.well-known/oauth-authorization-server" => {
                let issuer = url.origin().ascii_serialization();
                if self.state().spare && issuer == ISSUER {
                    return Ok(plain(503, ""));
                }
                Ok(plain(200, server_metadata_json(&issuer)))
            }
            _ => Ok(plain(404, "")),
        }
    }

    fn refresh(&self, body: &str, url: &Url) -> Result<Response<Body>, HttpError> {
        let pairs: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
        let value = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found
                .map(|(_, value)| value.to_string())
                .unwrap_or_default()
        };
        assert_eq!(value("grant_type"), "refresh_token");
        assert_eq!(value("resource"), "https://mcp.example.com/mcp");
        let token = value("refresh_token");
        let error = |kind| {
            Err(HttpError::new(
                kind,
                RequestTarget::AuthorizationServer,
                url,
            ))
        };

        let mut state = self.state();
        let fault = state.faults.pop_front();
        if let Some(Fault::NotSent(kind)) = fault {
            return error(kind);
        }
        state.posted.push(token.clone());
        match fault {
            Some(Fault::LostBefore) => return error(HttpErrorKind::Interrupted),
            Some(Fault::Silent) => return error(HttpErrorKind::Timeout),
            Some(Fault::Says(status, body)) => return Ok(plain(status, body)),
            Some(Fault::RetryAfter(status, seconds)) => {
                let mut response = plain(status, "");
                response.headers_mut().insert("retry-after", seconds.into());
                return Ok(response);
            }
            Some(Fault::WantsNonce(nonce)) => {
                let mut response = plain(400, r#"{"error":"use_dpop_nonce"}"#);
                response
                    .headers_mut()
                    .insert("dpop-nonce", nonce.parse().unwrap());
                return Ok(response);
            }
            _ => {}
        }
        if !state.live.remove(&token) {
            state.reuses += 1;
            if !state.one_family_each {
                state.live.clear();
            }
            return Ok(plain(400, r#"{"error":"invalid_grant"}"#));
        }
        let serial = state.issue();
        let token_type = state.token_type;
        let expiry = state.lifetime.map_or(String::new(), |seconds| {
            format!(r#","expires_in":{seconds}"#)
        });
        match fault {
            Some(Fault::LostAfter) => {
                state.replaced += 1;
                error(HttpErrorKind::Interrupted)
            }
            Some(Fault::ActsAndSays(status, body)) => Ok(plain(status, body)),
            Some(Fault::Terse) => {
                state.live.insert(token);
                Ok(plain(
                    200,
                    format!(r#"{{"access_token":"access-canary-{serial}"}}"#),
                ))
            }
            _ => Ok(plain(
                200,
                format!(
                    r#"{{"access_token":"access-canary-{serial}","token_type":"{token_type}",
                    "refresh_token":"refresh-canary-{serial}"{expiry}}}"#
                ),
            )),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl State {
    fn issue(&mut self) -> u32 {
        self.serial += 1;
        let serial = self.serial;
        self.live.insert(format!("refresh-canary-{serial}"));
        serial
    }
}

impl HttpClient for Server {
    fn open(
        &self,
        request: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        Box::pin(self.answer(request))
    }
}

fn plain(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    response
}
