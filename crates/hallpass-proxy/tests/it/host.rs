//! A host that speaks stdio, and the proxy between it and a server.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, Clock, CredentialKey, HttpClient, HttpError, ServerSettings, ServerUrl, Timestamp,
    http::{Body, Chunks, RequestOptions},
};
use hallpass_http::{Client, HttpConfig};
use hallpass_mcp::AuthorizedEndpoint;
use hallpass_proxy::{CapabilityCache, NoCache, Proxy, ProxyError};
use hallpass_session::{Session, SessionBuilder, SystemClock};
use hallpass_store::MemoryStore;
use hallpass_testkit::FakeClock;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex},
    task::JoinHandle,
    time::timeout,
};

/// How long a test waits for what has to come.
const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Host {
    says: Option<DuplexStream>,
    hears: Lines<BufReader<DuplexStream>>,
    proxy: JoinHandle<Result<(), ProxyError>>,
    bodies: Arc<AtomicUsize>,
}

/// A client that counts the bytes of bodies that are read.
#[derive(Debug)]
struct Counting(Client, Arc<AtomicUsize>);

impl HttpClient for Counting {
    fn open(
        &self,
        request: http::Request<Bytes>,
        options: RequestOptions,
    ) -> BoxFuture<'_, Result<http::Response<Body>, HttpError>> {
        Box::pin(async {
            let response = self.0.open(request, options).await?;
            Ok(response.map(|body| Body::new(Counted(body, Arc::clone(&self.1)))))
        })
    }

    fn attaches_secrets(&self) -> bool {
        self.0.attaches_secrets()
    }
}

struct Counted(Body, Arc<AtomicUsize>);

impl Chunks for Counted {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        let chunk = ready!(Pin::new(&mut self.0).poll_chunk(context));
        let len = chunk.as_ref().and_then(|chunk| chunk.as_ref().ok());
        self.1
            .fetch_add(len.map_or(0, Bytes::len), Ordering::Relaxed);
        Poll::Ready(chunk)
    }
}

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"host","version":"1"}}}"#;
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The computer's clocks, but for the short time that the proxy waits for the server's first answer:
/// on a busy computer a double needs longer.
#[derive(Debug)]
struct Unhurried;

/// That short time.
pub(crate) const FIRST_ANSWER: Duration = Duration::from_millis(120);

impl Clock for Unhurried {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let is_hurried = duration == FIRST_ANSWER;
        SystemClock.sleep(if is_hurried { SOON } else { duration })
    }
}

impl Host {
    /// A host whose server is given time for its first answer.
    pub(crate) fn before(url: &str) -> Self {
        Self::at(url, Arc::new(NoCache), Arc::new(Unhurried))
    }

    pub(crate) fn with_cache(url: &str, memory: Arc<dyn CapabilityCache>) -> Self {
        Self::at(url, memory, Arc::new(SystemClock))
    }

    pub(crate) fn at(url: &str, memory: Arc<dyn CapabilityCache>, clock: Arc<dyn Clock>) -> Self {
        Self::whose_session(url, memory, clock, |session| session)
    }

    /// A host whose proxy's session is one of these.
    pub(crate) fn whose_session(
        url: &str,
        memory: Arc<dyn CapabilityCache>,
        clock: Arc<dyn Clock>,
        settle: impl FnOnce(SessionBuilder) -> SessionBuilder,
    ) -> Self {
        let bodies = Arc::new(AtomicUsize::new(0));
        let http = Client::new(HttpConfig::default()).unwrap();
        let http = Arc::new(Counting(http, Arc::clone(&bodies)));
        let key = CredentialKey::new(ServerUrl::parse(url).unwrap());
        let store = Arc::new(MemoryStore::new());
        let session = Session::builder(key, ServerSettings::default(), store, http.clone());
        let session = settle(session).build().unwrap();
        let server = Arc::new(AuthorizedEndpoint::new(session, http));
        let proxy = Proxy::new(server, clock)
            .sign_in_hint("run `hallpass login`")
            .with_cache(memory);
        let (says, input) = duplex(64 * 1024);
        let (output, hears) = duplex(64 * 1024);
        Self {
            says: Some(says),
            hears: BufReader::new(hears).lines(),
            proxy: tokio::spawn(proxy.serve(input, output)),
            bodies,
        }
    }

    /// How many bytes of the server's answers the proxy has read.
    pub(crate) fn bytes_read(&self) -> usize {
        self.bodies.load(Ordering::Relaxed)
    }

    /// A host that has been through the handshake with `url`.
    pub(crate) async fn ready(url: &str) -> Self {
        Self::before(url).after_the_handshake().await
    }

    pub(crate) async fn after_the_handshake(mut self) -> Self {
        self.say(INITIALIZE).await;
        let answer = self.hear().await;
        assert!(answer.contains("\"double\""), "{answer}");
        self.say(INITIALIZED).await;
        self
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.say_bytes(line.as_bytes()).await;
    }

    pub(crate) async fn say_bytes(&mut self, line: &[u8]) {
        let says = self.says.as_mut().unwrap();
        says.write_all(&[line, b"\n"].concat()).await.unwrap();
    }

    #[track_caller]
    pub(crate) fn hear(&mut self) -> impl Future<Output = String> {
        let place = std::panic::Location::caller();
        async move {
            match timeout(SOON, self.hears.next_line()).await {
                Ok(line) => line
                    .unwrap()
                    .unwrap_or_else(|| panic!("the proxy has ended: {place}")),
                Err(late) => panic!("nothing comes: {late}: {place}"),
            }
        }
    }

    /// What comes next, however long it takes by this clock.
    pub(crate) async fn hear_in_time(&mut self, clock: &FakeClock) -> String {
        Self::in_time(clock, self.hear()).await
    }

    /// The output of `future`, however long it takes by this clock.
    pub(crate) async fn in_time<T>(clock: &FakeClock, future: impl Future<Output = T>) -> T {
        let passing = async {
            loop {
                clock.advance(Duration::from_millis(100));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            output = future => output,
            () = passing => unreachable!("time does not end"),
        }
    }

    /// Lets this much time pass on the clock, little by little, so that what is due happens in between.
    pub(crate) async fn wait(clock: &FakeClock, duration: Duration) {
        let end = clock.monotonic() + duration;
        while clock.monotonic() < end {
            clock.advance(Duration::from_millis(500));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Says a call with this id and method.
    pub(crate) async fn call(&mut self, id: u32, method: &str) {
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"name":"t"}}}}"#
        ))
        .await;
    }

    /// Ends its side, and gives back what came until the proxy ended.
    pub(crate) async fn leave(mut self) -> Vec<String> {
        self.says = None;
        let mut rest = Vec::new();
        while let Some(line) = timeout(SOON, self.hears.next_line())
            .await
            .unwrap()
            .unwrap()
        {
            rest.push(line);
        }
        timeout(SOON, self.proxy).await.unwrap().unwrap().unwrap();
        rest
    }
}
