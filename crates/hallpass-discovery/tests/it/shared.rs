//! Many callers that read the same metadata again at the same moment.

use std::{sync::Arc, time::Duration};

use hallpass_core::{HttpError, ServerUrl, http::HttpErrorKind};
use hallpass_discovery::{
    CacheMode, Discovered, Discovery, DiscoveryError, DiscoveryErrorKind, MetadataCache,
};
use hallpass_testkit::{Gate, ScriptedResponse, resource_metadata_json, server_metadata_json};
use tokio::{task::JoinHandle, task::yield_now};

use crate::fixture::{AS, Fixture, MCP, Network, PATH_PRM, pointed};

const MANY: usize = 50;

/// A case whose network answers once the gate is open.
#[derive(Debug)]
struct Held {
    case: Fixture,
    answers: Gate,
}

impl Held {
    fn new() -> Arc<Self> {
        let answers = Gate::new();
        let mut case = pointed();
        case.network = Network::with_gate(&answers);
        let case = case
            .protected(PATH_PRM, MCP, &["https://as.example"])
            .issuer(AS, "https://as.example");
        Arc::new(Self { case, answers })
    }

    fn caller(
        self: &Arc<Self>,
        cache: &Arc<MetadataCache>,
    ) -> JoinHandle<Result<Discovered, DiscoveryError>> {
        let (held, cache) = (Arc::clone(self), Arc::clone(cache));
        tokio::spawn(async move {
            let discovery = Discovery {
                http: &held.case.network.http,
                clock: &held.case.network.clock,
                settings: &held.case.settings,
            };
            let server = ServerUrl::parse(&held.case.server).unwrap();
            let reading = CacheMode::Refresh(&cache);
            discovery
                .run_with(&server, &held.case.challenges, reading)
                .await
        })
    }

    async fn callers(
        self: &Arc<Self>,
        cache: &Arc<MetadataCache>,
    ) -> Vec<JoinHandle<Result<Discovered, DiscoveryError>>> {
        let callers = (0..MANY).map(|_| self.caller(cache)).collect();
        // One thread: each has come as far as it can.
        yield_now().await;
        callers
    }
}

#[tokio::test]
async fn callers_at_the_same_moment_share_one_request() {
    let (held, cache) = (Held::new(), Arc::default());
    let callers = held.callers(&cache).await;
    assert_eq!(held.case.network.take_asked(), [PATH_PRM]);
    held.answers.open();
    let mut own = 0;
    for caller in callers {
        let found = caller.await.unwrap().unwrap();
        assert_eq!(found.server.issuer.as_str(), "https://as.example");
        own += usize::from(!found.attempts[0].from_cache());
    }
    assert_eq!(own, 1);
    assert_eq!(held.case.network.take_asked(), [AS]);
}

#[tokio::test]
async fn failure_is_shared_like_an_answer() {
    let (held, cache) = (Held::new(), Arc::default());
    let failure = ScriptedResponse::error(HttpErrorKind::Connect);
    held.case.network.put(PATH_PRM, failure);
    let callers = held.callers(&cache).await;
    held.answers.open();
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), DiscoveryErrorKind::Unreachable);
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.downcast_ref::<HttpError>().is_some());
    }
    assert_eq!(held.case.network.take_asked(), [PATH_PRM]);
}

#[tokio::test]
async fn answer_is_shared_for_five_seconds() {
    let (held, cache) = (Held::new(), Arc::default());
    held.answers.open();
    let issuer = async || {
        let found = held.caller(&cache).await.unwrap().unwrap();
        found.server.issuer.as_str().to_owned()
    };
    assert_eq!(issuer().await, "https://as.example");
    held.case.network.take_asked();
    let new = "https://new.example/.well-known/oauth-authorization-server";
    let document = |json: String| ScriptedResponse::new(200).with_chunk(json);
    let moved = resource_metadata_json(MCP, &["https://new.example"]);
    held.case.network.put(PATH_PRM, document(moved));
    let moved = server_metadata_json("https://new.example");
    held.case.network.put(new, document(moved));
    held.case.network.pass(Duration::from_millis(4_900));
    assert_eq!(issuer().await, "https://as.example");
    assert_eq!(held.case.network.take_asked(), [""; 0]);
    held.case.network.pass(Duration::from_millis(100));
    assert_eq!(issuer().await, "https://new.example");
    assert_eq!(held.case.network.take_asked(), [PATH_PRM, new]);
}

#[tokio::test]
async fn caller_that_goes_away_leaves_the_request_to_the_next() {
    let (held, cache) = (Held::new(), Arc::default());
    let first = held.caller(&cache);
    yield_now().await;
    let second = held.caller(&cache);
    yield_now().await;
    assert_eq!(held.case.network.take_asked(), [PATH_PRM]);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    held.answers.open();
    second.await.unwrap().unwrap();
    assert_eq!(held.case.network.take_asked(), [PATH_PRM, AS]);
}
