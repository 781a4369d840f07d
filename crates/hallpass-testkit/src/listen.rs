//! The loop below both servers: accept, read a request whole, record it, let the planned fault or
//! the server answer.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use hallpass_core::BoxFuture;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    Endpoint, Fault, RecordedRequest, Recorder, ServerTls,
    fault::FaultPlan,
    recorder::{RecordedBody, header_pairs, is_form, pairs},
    reply::{Reply, ReplyBody},
    tls,
};

/// By which of its names a server on this machine is reached. It stands in every URL the server
/// publishes, and so decides what is the same origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoopbackHost {
    /// `127.0.0.1`.
    #[default]
    Ipv4,
    /// `[::1]`.
    Ipv6,
    /// `localhost`, listening on 127.0.0.1.
    Localhost,
}

/// Where a server listens, and under which name it is recorded.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// The server's name in the record.
    pub name: String,
    /// The host in its URLs.
    pub host: LoopbackHost,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// `Some` for https.
    pub tls: Option<ServerTls>,
    /// A header field that every request has to carry, as behind a corporate gateway: without it
    /// the answer is 403 and nothing else happens.
    pub required_header: Option<(String, String)>,
}

impl ListenOptions {
    /// Plain http on 127.0.0.1 and a free port.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            host: LoopbackHost::default(),
            port: 0,
            tls: None,
            required_header: None,
        }
    }

    /// The same, over https.
    #[must_use]
    pub fn over_tls(mut self, tls: impl Into<ServerTls>) -> Self {
        self.tls = Some(tls.into());
        self
    }
}

/// A request, read whole.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// The pairs of a form body; `None` where the body is something else.
    pub(crate) form: Option<Vec<(String, String)>>,
    pub(crate) uri: http::Uri,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A server, as the loop sees it.
pub(crate) trait Answering: Send + Sync + 'static {
    /// What a request is for.
    fn endpoints(&self, request: &Received) -> Vec<Endpoint>;

    /// Answers it.
    fn answer(&self, request: Received) -> BoxFuture<'_, Reply>;
}

/// A bound socket that nobody answers on yet, so that a server can know its own URL first.
pub(crate) struct Bound {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    origin: String,
    options: ListenOptions,
}

/// A server at work. It stops, with all its connections, when this is dropped.
pub(crate) struct Listening {
    origin: String,
    port: u16,
    stop: CancellationToken,
}

/// What every connection of a server needs.
struct Shared<S> {
    server: Arc<S>,
    recorder: Recorder,
    faults: Arc<FaultPlan>,
    origin: String,
    name: String,
    required_header: Option<(String, String)>,
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed without an answer, as planned")
    }
}

impl std::error::Error for Dropped {}

impl Bound {
    pub(crate) async fn new(options: ListenOptions) -> io::Result<Self> {
        let address = match options.host {
            LoopbackHost::Ipv4 | LoopbackHost::Localhost => IpAddr::from(Ipv4Addr::LOCALHOST),
            LoopbackHost::Ipv6 => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        let socket = TcpListener::bind(SocketAddr::new(address, options.port)).await?;
        let port = socket.local_addr()?.port();
        let host = match options.host {
            LoopbackHost::Ipv4 => "127.0.0.1",
            LoopbackHost::Ipv6 => "[::1]",
            LoopbackHost::Localhost => "localhost",
        };
        let (scheme, tls) = match &options.tls {
            None => ("http", None),
            Some(tls) => ("https", Some(TlsAcceptor::from(tls::server_config(tls)?))),
        };
        Ok(Self {
            socket,
            tls,
            origin: format!("{scheme}://{host}:{port}"),
            options,
        })
    }

    /// Scheme, host and port, without a slash.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Begins to answer.
    pub(crate) fn serve<S: Answering>(
        self,
        server: Arc<S>,
        recorder: Recorder,
        faults: Arc<FaultPlan>,
    ) -> io::Result<Listening> {
        let stop = CancellationToken::new();
        let listening = Listening {
            origin: self.origin.clone(),
            port: self.socket.local_addr()?.port(),
            stop: stop.clone(),
        };
        let shared = Arc::new(Shared {
            server,
            recorder,
            faults,
            origin: self.origin,
            name: self.options.name,
            required_header: self.options.required_header,
        });
        tokio::spawn(accept(self.socket, self.tls, shared, stop));
        Ok(listening)
    }
}

impl Listening {
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops listening and breaks off every connection.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept<S: Answering>(
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared<S>>,
    stop: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        let (tls, shared, stop) = (tls.clone(), shared.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                outcome = connection(stream, tls, shared) => if let Err(error) = outcome {
                    tracing::debug!(%error, "connection ended");
                },
            }
        });
    }
}

async fn connection<S: Answering>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared<S>>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { shared.respond(request).await }
    });
    let http = http1::Builder::new();
    match tls {
        None => http.serve_connection(TokioIo::new(stream), service).await?,
        Some(tls) => {
            let stream = tls.accept(stream).await?;
            http.serve_connection(TokioIo::new(stream), service).await?;
        }
    }
    Ok(())
}

impl<S: Answering> Shared<S> {
    async fn respond(&self, request: Request<Incoming>) -> Result<Response<ReplyBody>, Dropped> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MOST_BYTES).collect().await else {
            return Ok(Reply::empty(StatusCode::PAYLOAD_TOO_LARGE).into_response());
        };
        let body = body.to_bytes();
        let received = Received {
            path: head.uri.path().to_owned(),
            query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
            form: is_form(&head.headers).then(|| pairs(&body)),
            method: head.method,
            headers: head.headers,
            uri: head.uri,
            body,
        };
        let endpoints = self.server.endpoints(&received);
        let sequence = self.recorder.begin(RecordedRequest {
            sequence: 0,
            server: self.name.clone(),
            origin: self.origin.clone(),
            endpoints: endpoints.clone(),
            method: received.method.to_string(),
            path: received.path.clone(),
            query: received.query.clone(),
            headers: header_pairs(&received.headers),
            body: RecordedBody::read(&received.headers, &received.body),
            answer: None,
        });
        let fault = self.faults.take(&endpoints);
        let reply = self.outcome(received, fault).await?;
        self.recorder.answered(sequence, reply.record());
        Ok(reply.into_response())
    }

    async fn outcome(&self, received: Received, fault: Option<Fault>) -> Result<Reply, Dropped> {
        if !self.carries_required_header(&received) {
            return Ok(Reply::text(
                StatusCode::FORBIDDEN,
                "the gateway lets nobody through without its header",
            ));
        }
        let reply = match fault {
            None => self.server.answer(received).await,
            Some(Fault::DropRequest) => return Err(Dropped),
            Some(Fault::DropAnswer) => {
                self.server.answer(received).await;
                return Err(Dropped);
            }
            Some(Fault::HoldRequest(gate)) => {
                gate.pass().await;
                self.server.answer(received).await
            }
            Some(Fault::HoldAnswer(gate)) => {
                let reply = self.server.answer(received).await;
                gate.pass().await;
                reply
            }
            Some(Fault::Html) => Reply::html(
                StatusCode::OK,
                "<!doctype html><title>Welcome</title><p>Please enable JavaScript.".to_owned(),
            ),
            Some(Fault::Endless) => Reply::endless(),
            Some(Fault::Status {
                status,
                retry_after,
            }) => {
                let reply = Reply::text(code(status), "out of order");
                match retry_after {
                    Some(when) => reply.with(header::RETRY_AFTER, when),
                    None => reply,
                }
            }
            Some(Fault::Answer {
                status,
                headers,
                body,
            }) => Reply::exactly(code(status), &headers, body),
        };
        Ok(reply)
    }

    fn carries_required_header(&self, received: &Received) -> bool {
        let Some((name, value)) = &self.required_header else {
            return true;
        };
        let sent = received.headers.get(name.as_str());
        sent.is_some_and(|sent| sent.as_bytes() == value.as_bytes())
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The largest request body: more than any test sends.
const MOST_BYTES: usize = 8 << 20;
