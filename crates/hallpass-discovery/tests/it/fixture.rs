//! One discovery case: a network that is a table, what was asked, and what came of it.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, Challenge, Clock, HttpClient, HttpError, Issuer, Resource, ResourceSetting,
    ServerSettings, ServerUrl, Timestamp, block_on,
    http::{Body, HttpErrorKind, RequestOptions},
};
use hallpass_discovery::{CacheMode, Discovered, Discovery, DiscoveryError, challenges};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use url::Url;

pub(crate) const MCP: &str = "https://mcp.example/mcp";
pub(crate) const PATH_PRM: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
pub(crate) const ROOT_PRM: &str = "https://mcp.example/.well-known/oauth-protected-resource";
pub(crate) const MCP_AS: &str = "https://mcp.example/.well-known/oauth-authorization-server";
pub(crate) const AS: &str = "https://as.example/.well-known/oauth-authorization-server";
pub(crate) const OIDC: &str = "https://as.example/.well-known/openid-configuration";

/// What a URL answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Response(u16, Vec<(&'static str, String)>, Bytes),
    Failure(HttpErrorKind),
}

/// A network that is a table: what is not in it answers 404. Each request takes 7 ms.
#[derive(Debug, Default)]
pub(crate) struct Network {
    table: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
    milliseconds: AtomicU64,
}

impl Network {
    pub(crate) fn put(&self, url: &str, answer: Answer) {
        self.table.lock().unwrap().insert(url.to_owned(), answer);
    }

    pub(crate) fn remove(&self, url: &str) {
        self.table.lock().unwrap().remove(url);
    }

    /// What was asked since the last call.
    pub(crate) fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub(crate) fn pass(&self, duration: Duration) {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap();
        self.milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl HttpClient for Network {
    fn open(
        &self,
        request: Request<Bytes>,
        policy: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        assert_eq!(request.method(), "GET");
        assert_eq!(request.headers()[header::ACCEPT], "application/json");
        assert!(request.body().is_empty());
        assert_eq!(policy, RequestOptions::metadata(&policy.server));
        let url = request.uri().to_string();
        let answer = self.table.lock().unwrap().get(&url).cloned();
        self.asked.lock().unwrap().push(url.clone());
        self.pass(Duration::from_millis(7));
        Box::pin(async move {
            match answer {
                Some(Answer::Response(status, headers, body)) => {
                    let mut response = Response::new(Body::whole(body));
                    *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    for (name, value) in headers {
                        response
                            .headers_mut()
                            .append(name, HeaderValue::from_str(&value).unwrap());
                    }
                    Ok(response)
                }
                Some(Answer::Failure(kind)) => {
                    let url = Url::parse(&url).unwrap();
                    Err(HttpError::new(kind, policy.target, &url).with_source("the cable is cut"))
                }
                None => {
                    let mut response = Response::new(Body::whole("Not Found"));
                    *response.status_mut() = StatusCode::NOT_FOUND;
                    Ok(response)
                }
            }
        })
    }
}

impl Clock for Network {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.milliseconds.load(Ordering::Relaxed))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        panic!("discovery never sleeps")
    }
}

/// A case under construction, then run.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) server: String,
    pub(crate) challenges: Vec<Challenge>,
    pub(crate) settings: ServerSettings,
    pub(crate) network: Network,
}

/// A case of the server `MCP` that answered with these `WWW-Authenticate` headers.
pub(crate) fn case(headers: &[&str]) -> Fixture {
    let mut map = HeaderMap::new();
    for value in headers {
        map.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_str(value).unwrap(),
        );
    }
    Fixture {
        server: MCP.to_owned(),
        challenges: challenges(&map),
        settings: ServerSettings::default(),
        network: Network::default(),
    }
}

/// A server that answered 401 with a challenge that names no metadata.
pub(crate) fn challenged() -> Fixture {
    case(&["Bearer"])
}

/// A server whose challenge names the path-inserted metadata.
pub(crate) fn pointed() -> Fixture {
    case(&[&format!("Bearer resource_metadata=\"{PATH_PRM}\"")])
}

/// A server whose challenge leads to these authorization servers.
pub(crate) fn naming(issuers: &[&str]) -> Fixture {
    pointed().protected(PATH_PRM, MCP, issuers)
}

impl Fixture {
    pub(crate) fn server(mut self, server: &str) -> Self {
        server.clone_into(&mut self.server);
        self
    }

    pub(crate) fn set(mut self, set: impl FnOnce(&mut ServerSettings)) -> Self {
        set(&mut self.settings);
        self
    }

    /// `url` answers 200 with this JSON.
    pub(crate) fn serve(self, url: &str, json: &str) -> Self {
        self.answer(url, 200, "application/json", json)
    }

    pub(crate) fn answer(self, url: &str, status: u16, media_type: &str, body: &str) -> Self {
        let headers = vec![("content-type", media_type.to_owned())];
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.network
            .put(url, Answer::Response(status, headers, body));
        self
    }

    pub(crate) fn status(self, url: &str, status: u16) -> Self {
        self.answer(url, status, "text/plain", "no")
    }

    pub(crate) fn fail(self, url: &str, kind: HttpErrorKind) -> Self {
        self.network.put(url, Answer::Failure(kind));
        self
    }

    /// The usual resource metadata at `url`, naming these authorization servers.
    pub(crate) fn protected(self, url: &str, resource: &str, issuers: &[&str]) -> Self {
        self.serve(url, &protected(resource, issuers))
    }

    /// The usual server metadata at `url`.
    pub(crate) fn issuer(self, url: &str, issuer: &str) -> Self {
        self.serve(url, &server_metadata(issuer))
    }

    pub(crate) fn run_with(&self, reading: CacheMode<'_>) -> Result<Discovered, DiscoveryError> {
        let discovery = Discovery {
            http: &self.network,
            clock: &self.network,
            settings: &self.settings,
        };
        let server = ServerUrl::parse(&self.server).unwrap();
        let run = discovery.run_with(&server, &self.challenges, reading);
        block_on(sendable(run))
    }

    pub(crate) fn run(&self) -> Result<Discovered, DiscoveryError> {
        self.run_with(CacheMode::Uncached)
    }

    /// Expects `outcome`, which is `issuer (source) resource`, after exactly these requests.
    #[track_caller]
    pub(crate) fn finds(self, outcome: &str, asked: &[&str]) -> Discovered {
        let found = match self.run() {
            Ok(found) => found,
            Err(error) => panic!("{error}\n{error:#?}"),
        };
        let resource = found.resource.as_ref().map_or("none", Resource::as_str);
        let got = format!("{} ({:?}) {resource}", found.server.issuer, found.source);
        assert_eq!(got, outcome);
        assert_eq!(self.network.take_asked(), asked);
        assert_eq!(
            found
                .attempts
                .iter()
                .filter(|one| one.status().is_some())
                .count(),
            asked.len()
        );
        found
    }

    /// Expects a failure with this text and a hint that holds `hint`, after exactly these requests.
    #[track_caller]
    pub(crate) fn fails(self, text: &str, hint: &str, asked: &[&str]) -> DiscoveryError {
        let error = match self.run() {
            Ok(found) => panic!("found {found:#?}"),
            Err(error) => error,
        };
        assert_eq!(error.to_string(), text);
        let given = error.hint().unwrap_or_default();
        assert!(given.contains(hint), "the hint is: {given}");
        assert_eq!(self.network.take_asked(), asked);
        error
    }
}

/// Hosts box the future and send it between threads.
fn sendable<T: Send>(future: T) -> T {
    future
}

pub(crate) fn protected(resource: &str, issuers: &[&str]) -> String {
    let issuers: Vec<String> = issuers.iter().map(|issuer| format!("{issuer:?}")).collect();
    format!(
        r#"{{"resource": {resource:?}, "authorization_servers": [{}]}}"#,
        issuers.join(",")
    )
}

pub(crate) fn server_metadata(issuer: &str) -> String {
    let base = issuer.trim_end_matches('/');
    format!(
        r#"{{"issuer": {issuer:?}, "authorization_endpoint": "{base}/authorize",
            "token_endpoint": "{base}/token", "code_challenge_methods_supported": ["S256"]}}"#
    )
}

pub(crate) fn exactly(resource: &str, allow_mismatch: bool) -> ResourceSetting {
    ResourceSetting::Exactly {
        resource: Resource::parse(resource).unwrap(),
        allow_mismatch,
    }
}

pub(crate) fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

pub(crate) fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}
