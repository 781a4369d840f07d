//! Many callers that read the same metadata again at the same moment.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, HttpClient, HttpError, ServerUrl,
    http::{Body, HttpErrorKind, RequestOptions},
};
use hallpass_discovery::{CacheMode, MetadataCache};
use hallpass_discovery::{Discovered, Discovery, DiscoveryError, DiscoveryErrorKind};
use http::{Request, Response};
use tokio::{sync::Semaphore, task::JoinHandle, task::yield_now};

use crate::fixture::{AS, Answer, Fixture, MCP, PATH_PRM, pointed, protected, server_metadata};

const MANY: usize = 50;

/// A network that gives each answer when it is let.
#[derive(Debug)]
struct Held {
    case: Fixture,
    answers: Semaphore,
}

impl HttpClient for Held {
    fn open(
        &self,
        request: Request<Bytes>,
        policy: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let answer = self.case.network.open(request, policy);
        Box::pin(async move {
            self.answers.acquire().await.unwrap().forget();
            answer.await
        })
    }
}

impl Held {
    fn new() -> Arc<Self> {
        let case = pointed()
            .protected(PATH_PRM, MCP, &["https://as.example"])
            .issuer(AS, "https://as.example");
        Arc::new(Self {
            case,
            answers: Semaphore::new(0),
        })
    }

    fn caller(
        self: &Arc<Self>,
        cache: &Arc<MetadataCache>,
    ) -> JoinHandle<Result<Discovered, DiscoveryError>> {
        let (held, cache) = (Arc::clone(self), Arc::clone(cache));
        tokio::spawn(async move {
            let discovery = Discovery {
                http: &*held,
                clock: &held.case.network,
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
    held.answers.add_permits(2);
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
    let failure = Answer::Failure(HttpErrorKind::Connect);
    held.case.network.put(PATH_PRM, failure);
    let callers = held.callers(&cache).await;
    held.answers.add_permits(1);
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
    held.answers.add_permits(10);
    let issuer = async || {
        let found = held.caller(&cache).await.unwrap().unwrap();
        found.server.issuer.as_str().to_owned()
    };
    assert_eq!(issuer().await, "https://as.example");
    held.case.network.take_asked();
    let new = "https://new.example/.well-known/oauth-authorization-server";
    let document = |json: String| Answer::Response(200, Vec::new(), Bytes::from(json));
    let moved = protected(MCP, &["https://new.example"]);
    held.case.network.put(PATH_PRM, document(moved));
    let moved = server_metadata("https://new.example");
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
    held.answers.add_permits(2);
    second.await.unwrap().unwrap();
    assert_eq!(held.case.network.take_asked(), [PATH_PRM, AS]);
}
