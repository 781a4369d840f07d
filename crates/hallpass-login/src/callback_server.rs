//! The door that a callback comes through: an HTTP server for one request that matters and any
//! number that don't.
//!
//! Whoever is not the callback gets an answer and changes nothing: another path, method or `Host`,
//! a prefetch, a wrong `state`. Whether a query is the callback is not decided here but by whoever
//! takes it from [`CallbackServer::knock`].

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

/// Connections held at once on one socket; one more ends the oldest that has sent no request yet.
const MAX_CONNECTIONS: usize = 128;
/// How long a connection may take to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last pages may take to be delivered.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest head of a request: authorization codes of a few kilobytes exist.
const HEAD_BYTES: usize = 64 * 1024;

/// An open door. Dropping it closes the port at once; [`close`](Self::close) lets the last page out.
#[derive(Debug)]
pub(crate) struct CallbackServer {
    callbacks: mpsc::Receiver<CallbackRequest>,
    closing: watch::Sender<bool>,
    sockets: JoinSet<()>,
}

/// The query of a GET of the callback's path, and the one who waits for a page.
#[derive(Debug)]
pub(crate) struct CallbackRequest {
    pub(crate) query: Query,
    pub(crate) visitor: Responder,
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
    /// Gives the visitor its page. One who has gone away is not waited for.
    pub(crate) fn show(self, page: Page) {
        let _ = self.0.send(page);
    }
}

impl CallbackServer {
    /// Starts to answer on a bound address.
    pub(crate) fn open(listener: CallbackListener) -> Self {
        let (knocks, callbacks) = mpsc::channel(16);
        let (closing, _) = watch::channel(false);
        let rules = Arc::new(Rules {
            authority: listener.authority,
            path: listener.path,
        });
        let mut sockets = JoinSet::new();
        for socket in listener.sockets {
            let visit = Connection {
                rules: Arc::clone(&rules),
                knocks: knocks.clone(),
            };
            sockets.spawn(accept(socket, visit, closing.subscribe()));
        }
        Self {
            callbacks,
            closing,
            sockets,
        }
    }

    /// The next query that came to the callback's path. Cancelling this loses none.
    pub(crate) async fn knock(&mut self) -> Option<CallbackRequest> {
        self.callbacks.recv().await
    }

    /// Takes no more callbacks: those who still come are told that it is over.
    pub(crate) fn stop_listening(&mut self) {
        self.callbacks.close();
    }

    /// Closes the port once the pages on their way are delivered.
    pub(crate) async fn close(mut self) {
        self.stop_listening();
        // Whoever still stands in the queue is dropped, and told so by `answer`.
        while self.callbacks.try_recv().is_ok() {}
        self.closing.send_replace(true);
        while self.sockets.join_next().await.is_some() {}
    }
}

/// What one connection needs.
#[derive(Debug, Clone)]
struct Connection {
    rules: Arc<Rules>,
    knocks: mpsc::Sender<CallbackRequest>,
}

/// A connection and whether a request has arrived on it.
struct Held {
    task: AbortHandle,
    busy: Arc<AtomicBool>,
}

impl Held {
    fn is_idle(&self) -> bool {
        !self.busy.load(Ordering::Relaxed)
    }
}

async fn accept(socket: TcpListener, visit: Connection, mut closing: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let mut held: VecDeque<Held> = VecDeque::new();
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
        held.retain(|connection| !connection.task.is_finished());
        if held.len() >= MAX_CONNECTIONS {
            let oldest = held.iter().position(Held::is_idle).unwrap_or(0);
            if let Some(connection) = held.remove(oldest) {
                connection.task.abort();
            }
        }
        let busy = Arc::new(AtomicBool::new(false));
        let task = tasks.spawn(serve(stream, visit.clone(), Arc::clone(&busy)));
        held.push_back(Held { task, busy });
    }
    drop(socket);
    held.iter()
        .filter(|held| held.is_idle())
        .for_each(|held| held.task.abort());
    let delivered = async { while tasks.join_next().await.is_some() {} };
    if timeout(DELIVERY_TIMEOUT, delivered).await.is_err() {
        tracing::debug!("a visitor of the callback port did not take its page");
    }
}

/// One request, one answer, and the connection is closed after it.
async fn serve(stream: TcpStream, visit: Connection, busy: Arc<AtomicBool>) {
    let service = service_fn(|request: Request<Incoming>| {
        busy.store(true, Ordering::Relaxed);
        let visit = &visit;
        async move { Ok::<_, Infallible>(visit.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a visitor of the callback port left early");
    }
}

impl Connection {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let page = match self
            .rules
            .judge(request.method(), request.uri(), request.headers())
        {
            Err(refusal) => {
                tracing::debug!(
                    status = refusal.status().as_u16(),
                    "a stray request on the callback port"
                );
                refusal
            }
            Ok(query) => {
                let (visitor, page) = oneshot::channel();
                let knock = CallbackRequest {
                    query: Query(query.to_owned()),
                    visitor: Responder(visitor),
                };
                match self.knocks.send(knock).await {
                    // A sign-in that was broken off drops its visitors.
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
struct Rules {
    authority: String,
    path: String,
}

impl Rules {
    /// The query of a request that may be the callback, or the page for one that can't.
    fn judge<'a>(
        &self,
        method: &Method,
        uri: &'a Uri,
        headers: &HeaderMap,
    ) -> Result<&'a str, Page> {
        // Another `Host` is a name that somebody made to point here (DNS rebinding).
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

/// Whether a browser fetches this ahead of anybody going there.
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
