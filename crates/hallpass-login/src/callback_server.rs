//! HTTP server for the OAuth callback. It answers every other request and ignores it: another path,
//! method or `Host`, a prefetch, a wrong `state`.
//!
//! The caller of [`CallbackServer::next`] decides whether a query is the callback.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    address::CallbackListener,
    page::{self, Page},
};

/// Open connections on one socket; one more closes the oldest without a request.
const MAX_CONNECTIONS: usize = 128;
/// How long a connection may take to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the delivery of the last pages may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest head of a request: authorization codes of a few kilobytes exist.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A running server. Dropping it closes the port at once; [`close`](Self::close) delivers the last
/// page first.
#[derive(Debug)]
pub(crate) struct CallbackServer {
    callbacks: mpsc::Receiver<CallbackRequest>,
    closing: watch::Sender<bool>,
    sockets: JoinSet<()>,
}

/// A GET of the callback's path: its query, and who waits for a page.
#[derive(Debug)]
pub(crate) struct CallbackRequest {
    pub(crate) query: Query,
    pub(crate) responder: Responder,
}

/// A query that may hold an authorization code.
pub(crate) struct Query(pub(crate) String);

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Query(redacted)")
    }
}

/// A browser that waits for a page.
#[derive(Debug)]
pub(crate) struct Responder(oneshot::Sender<Page>);

impl Responder {
    /// Sends the page, if the browser still waits.
    pub(crate) fn send(self, page: Page) {
        let _ = self.0.send(page);
    }
}

impl CallbackServer {
    /// Starts to answer on a bound address.
    pub(crate) fn start(listener: CallbackListener) -> Self {
        let (sender, callbacks) = mpsc::channel(16);
        let (closing, _) = watch::channel(false);
        let filter = Arc::new(RequestFilter {
            authority: listener.authority,
            path: listener.path,
        });
        let mut sockets = JoinSet::new();
        for socket in listener.sockets {
            let handler = Handler {
                filter: Arc::clone(&filter),
                callbacks: sender.clone(),
            };
            sockets.spawn(accept(socket, handler, closing.subscribe()));
        }
        Self {
            callbacks,
            closing,
            sockets,
        }
    }

    /// The next request to the callback's path. Cancelling this loses none.
    pub(crate) async fn next(&mut self) -> Option<CallbackRequest> {
        self.callbacks.recv().await
    }

    /// Takes no more callbacks: later requests get a page that says so.
    pub(crate) fn stop_listening(&mut self) {
        self.callbacks.close();
    }

    /// Closes the port once the pages on their way are delivered.
    pub(crate) async fn close(mut self) {
        self.stop_listening();
        // Requests in the queue are dropped; `respond` sends them a page.
        while self.callbacks.try_recv().is_ok() {}
        self.closing.send_replace(true);
        while self.sockets.join_next().await.is_some() {}
    }
}

/// Answers the requests of one connection.
#[derive(Debug, Clone)]
struct Handler {
    filter: Arc<RequestFilter>,
    callbacks: mpsc::Sender<CallbackRequest>,
}

/// An open connection, and whether a request has arrived on it.
struct OpenConnection {
    task: AbortHandle,
    has_request: Arc<AtomicBool>,
}

impl OpenConnection {
    fn is_idle(&self) -> bool {
        !self.has_request.load(Ordering::Relaxed)
    }
}

async fn accept(socket: TcpListener, handler: Handler, mut closing: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let mut open: VecDeque<OpenConnection> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            _ = closing.wait_for(|closing| *closing) => break,
            _ = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = socket.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or a peer that left: neither ends a login.
                tracing::debug!(%error, "a connection to the callback port failed");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        open.retain(|connection| !connection.task.is_finished());
        if open.len() >= MAX_CONNECTIONS {
            let oldest = open.iter().position(OpenConnection::is_idle).unwrap_or(0);
            if let Some(connection) = open.remove(oldest) {
                connection.task.abort();
            }
        }
        let has_request = Arc::new(AtomicBool::new(false));
        let task = tasks.spawn(serve(stream, handler.clone(), Arc::clone(&has_request)));
        open.push_back(OpenConnection { task, has_request });
    }
    drop(socket);
    open.iter()
        .filter(|connection| connection.is_idle())
        .for_each(|connection| connection.task.abort());
    let delivered = async { while tasks.join_next().await.is_some() {} };
    if timeout(DELIVERY_TIMEOUT, delivered).await.is_err() {
        tracing::debug!("a browser did not take its page from the callback port");
    }
}

/// One request, one answer, and the connection is closed after it.
async fn serve(stream: TcpStream, handler: Handler, has_request: Arc<AtomicBool>) {
    let service = service_fn(|request: Request<Incoming>| {
        has_request.store(true, Ordering::Relaxed);
        let handler = &handler;
        async move { Ok::<_, Infallible>(handler.respond(&request).await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the callback port ended early");
    }
}

impl Handler {
    async fn respond<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let page =
            match self
                .filter
                .callback_query(request.method(), request.uri(), request.headers())
            {
                Err(refusal) => {
                    tracing::debug!(
                        status = refusal.status().as_u16(),
                        "a stray request on the callback port"
                    );
                    refusal
                }
                Ok(query) => {
                    let (responder, page) = oneshot::channel();
                    let callback = CallbackRequest {
                        query: Query(query.to_owned()),
                        responder: Responder(responder),
                    };
                    match self.callbacks.send(callback).await {
                        // A login that was broken off drops the responder.
                        Ok(()) => page.await.unwrap_or(Page::BrokenOff),
                        Err(_) => Page::Over,
                    }
                }
            };
        page::response(&page, request.method() == Method::HEAD)
    }
}

/// What a request must look like to be a callback.
#[derive(Debug)]
struct RequestFilter {
    authority: String,
    path: String,
}

impl RequestFilter {
    /// The query of a request that may be the callback, or the page for one that can't.
    fn callback_query<'a>(
        &self,
        method: &Method,
        uri: &'a Uri,
        headers: &HeaderMap,
    ) -> Result<&'a str, Page> {
        // Another `Host` is a name that was made to point here (DNS rebinding).
        let mut hosts = headers.get_all(header::HOST).iter();
        let host_fits = match (hosts.next(), hosts.next()) {
            (Some(host), None) => self.is_ours(host.as_bytes()),
            _ => false,
        };
        let target_fits = uri
            .authority()
            .is_none_or(|target| self.is_ours(target.as_str().as_bytes()));
        if !host_fits || !target_fits {
            return Err(Page::Stray(StatusCode::MISDIRECTED_REQUEST));
        }
        if uri.path() != self.path {
            return Err(Page::Stray(StatusCode::NOT_FOUND));
        }
        if method != Method::GET {
            return Err(Page::Stray(StatusCode::METHOD_NOT_ALLOWED));
        }
        if is_prefetch(headers) {
            return Err(Page::Stray(StatusCode::SERVICE_UNAVAILABLE));
        }
        Ok(uri.query().unwrap_or_default())
    }

    fn is_ours(&self, authority: &[u8]) -> bool {
        // A browser leaves the default port out.
        let bare = self.authority.strip_suffix(":80");
        authority.eq_ignore_ascii_case(self.authority.as_bytes())
            || bare.is_some_and(|bare| authority.eq_ignore_ascii_case(bare.as_bytes()))
    }
}

/// Whether a browser fetches this in advance, without the user going there.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz", "x-purpose"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .any(|purpose| {
            let purpose = purpose.to_ascii_lowercase();
            purpose.contains("prefetch") || purpose.contains("preview")
        })
}

#[cfg(test)]
mod tests;
