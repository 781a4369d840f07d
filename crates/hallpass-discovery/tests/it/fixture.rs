//! One discovery case: a network that is a table, what was asked, and what came of it.

use std::time::Duration;

use hallpass_core::{
    Challenge, Diagnostic as _, Hint, Issuer, Resource, ResourceSetting, ServerSettings, ServerUrl,
    Timestamp, block_on,
    http::{HttpErrorKind, RequestOptions},
};
use hallpass_discovery::{CacheMode, Discovered, Discovery, DiscoveryError, challenges};
use hallpass_testkit::{
    FakeClock, Gate, ScriptedClient, ScriptedResponse, SentRequest, resource_metadata_json,
    server_metadata_json,
};
use http::{HeaderMap, HeaderValue, header};
use url::Url;

pub(crate) const MCP: &str = "https://mcp.example/mcp";
pub(crate) const PATH_PRM: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
pub(crate) const ROOT_PRM: &str = "https://mcp.example/.well-known/oauth-protected-resource";
pub(crate) const MCP_AS: &str = "https://mcp.example/.well-known/oauth-authorization-server";
pub(crate) const AS: &str = "https://as.example/.well-known/oauth-authorization-server";
pub(crate) const OIDC: &str = "https://as.example/.well-known/openid-configuration";

/// A network that is a table: what is not in it answers 404. Each request takes 7 ms.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) http: ScriptedClient,
    pub(crate) clock: FakeClock,
}

impl Network {
    /// A network whose responses come once the gate is open.
    pub(crate) fn with_gate(gate: &Gate) -> Self {
        let clock = FakeClock::new(Timestamp::from_unix_seconds(0));
        let not_found = ScriptedResponse::new(404).with_chunk("Not Found");
        let http = ScriptedClient::new()
            .with_fallback(not_found)
            .with_gate(gate)
            .with_time(clock.clone(), Duration::from_millis(7));
        Self { http, clock }
    }

    pub(crate) fn put(&self, url: &str, answer: ScriptedResponse) {
        self.http.replace(url, [answer]);
    }

    pub(crate) fn remove(&self, url: &str) {
        self.http.replace(url, []);
    }

    /// What was asked since the last call, each as discovery asks.
    pub(crate) fn take_asked(&self) -> Vec<String> {
        let requests = self.http.take_requests().into_iter();
        let asked = requests.map(
            |SentRequest {
                 request, options, ..
             }| {
                assert_eq!(request.method(), "GET");
                assert_eq!(request.headers()[header::ACCEPT], "application/json");
                assert!(request.body().is_empty());
                assert_eq!(options, RequestOptions::metadata(&options.server));
                request.uri().to_string()
            },
        );
        asked.collect()
    }

    pub(crate) fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }
}

impl Default for Network {
    fn default() -> Self {
        let gate = Gate::new();
        gate.open();
        Self::with_gate(&gate)
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
        let response = ScriptedResponse::new(status)
            .with_header("content-type", media_type)
            .with_chunk(body.to_owned());
        self.network.put(url, response);
        self
    }

    pub(crate) fn status(self, url: &str, status: u16) -> Self {
        self.answer(url, status, "text/plain", "no")
    }

    pub(crate) fn fail(self, url: &str, kind: HttpErrorKind) -> Self {
        self.network.put(url, ScriptedResponse::error(kind));
        self
    }

    /// The usual resource metadata at `url`, naming these authorization servers.
    pub(crate) fn protected(self, url: &str, resource: &str, issuers: &[&str]) -> Self {
        self.serve(url, &resource_metadata_json(resource, issuers))
    }

    /// The usual server metadata at `url`.
    pub(crate) fn issuer(self, url: &str, issuer: &str) -> Self {
        self.serve(url, &server_metadata_json(issuer))
    }

    pub(crate) fn run_with(&self, reading: CacheMode<'_>) -> Result<Discovered, DiscoveryError> {
        let discovery = Discovery {
            http: &self.network.http,
            clock: &self.network.clock,
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
        let given = hints(&error);
        assert!(given.contains(hint), "the hint is: {given}");
        assert_eq!(self.network.take_asked(), asked);
        error
    }
}

/// The hints of an error, as a host without commands of its own shows them.
pub(crate) fn hints(error: &DiscoveryError) -> String {
    let hints = error.hints();
    for hint in &hints {
        if let Hint::Setting { setting, .. } = hint {
            assert!(Hint::SETTINGS.contains(setting), "{setting}");
        }
    }
    let hints: Vec<String> = hints.iter().map(ToString::to_string).collect();
    hints.join("; ")
}

/// Hosts box the future and send it between threads.
fn sendable<T: Send>(future: T) -> T {
    future
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
