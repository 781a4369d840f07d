//! Sockets on the loopback interface, and the connections that come in through them.

use std::{
    error::Error as _,
    fmt,
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    ServerTls,
    exchange::{Dropped, Exchange},
    tls::{Accept, MakeAccept},
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
#[derive(Clone)]
pub struct ListenOptions {
    /// The server's name in the record.
    pub name: String,
    /// The host in its URLs.
    pub host: LoopbackHost,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Makes what accepts https connections; `None` for plain http.
    tls: Option<MakeAccept>,
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
        self.tls = Some(tls.into().make_accept());
        self
    }
}

impl fmt::Debug for ListenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.required_header.as_ref().map(|(name, _)| name);
        f.debug_struct("ListenOptions")
            .field("name", &self.name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("is_tls", &self.tls.is_some())
            .field("required_header", &header)
            .finish()
    }
}

/// A bound socket that accepts no connection yet, so that a server knows its own URL first.
pub(crate) struct Bound {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Accept>,
    origin: String,
}

/// A server's socket. It closes, with all its connections, when this is dropped.
pub(crate) struct Listening {
    address: SocketAddr,
    tls: Option<Accept>,
    origin: String,
    exchange: Arc<Exchange>,
    running: Mutex<Running>,
}

struct Running {
    stop: CancellationToken,
    /// Cancelled once the socket is closed.
    closed: CancellationToken,
}

impl Bound {
    pub(crate) async fn new(options: &ListenOptions) -> io::Result<Self> {
        let ip = match options.host {
            LoopbackHost::Ipv4 | LoopbackHost::Localhost => IpAddr::from(Ipv4Addr::LOCALHOST),
            LoopbackHost::Ipv6 => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        let socket = TcpListener::bind(SocketAddr::new(ip, options.port)).await?;
        let address = socket.local_addr()?;
        let host = match options.host {
            LoopbackHost::Ipv4 => "127.0.0.1",
            LoopbackHost::Ipv6 => "[::1]",
            LoopbackHost::Localhost => "localhost",
        };
        let (scheme, tls) = match &options.tls {
            None => ("http", None),
            Some(make) => ("https", Some(make()?)),
        };
        Ok(Self {
            socket,
            address,
            tls,
            origin: format!("{scheme}://{host}:{}", address.port()),
        })
    }

    /// Scheme, host and port, without a slash.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Begins to answer.
    pub(crate) fn serve(self, exchange: Exchange) -> Listening {
        let exchange = Arc::new(exchange);
        let running = Running::begin(self.socket, self.tls.clone(), exchange.clone());
        Listening {
            address: self.address,
            tls: self.tls,
            origin: self.origin,
            exchange,
            running: Mutex::new(running),
        }
    }
}

impl Listening {
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Closes the socket and breaks off every connection. Ends when no connection is accepted any more.
    pub(crate) async fn stop(&self) {
        let closed = {
            let running = self.running();
            running.stop.cancel();
            running.closed.clone()
        };
        closed.cancelled().await;
    }

    /// Listens on the same port again.
    pub(crate) async fn resume(&self) -> io::Result<()> {
        self.stop().await;
        let socket = TcpListener::bind(self.address).await?;
        *self.running() = Running::begin(socket, self.tls.clone(), self.exchange.clone());
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.running().stop.cancel();
    }
}

impl Running {
    fn begin(socket: TcpListener, tls: Option<Accept>, exchange: Arc<Exchange>) -> Self {
        let stop = CancellationToken::new();
        let closed = CancellationToken::new();
        let (stopped, closing) = (stop.clone(), closed.clone().drop_guard());
        tokio::spawn(accept(socket, tls, exchange, stopped, closing));
        Self { stop, closed }
    }
}

async fn accept(
    socket: TcpListener,
    tls: Option<Accept>,
    exchange: Arc<Exchange>,
    stop: CancellationToken,
    closing: DropGuard,
) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    // Out of file descriptors, mostly: others have to close some first.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        let (tls, exchange, stop) = (tls.clone(), exchange.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                outcome = connection(stream, tls, exchange) => if let Err(error) = outcome {
                    tracing::debug!(%error, "connection ended");
                },
            }
        });
    }
    drop(socket);
    drop(closing);
}

async fn connection(
    stream: TcpStream,
    tls: Option<Accept>,
    exchange: Arc<Exchange>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let service = service_fn(move |request| {
        let exchange = exchange.clone();
        Box::pin(async move { exchange.respond(request).await })
    });
    // A response in several pieces would wait for the other side's delayed acknowledgement.
    stream.set_nodelay(true)?;
    let http = http1::Builder::new();
    match tls {
        None => {
            let mut connection = http.serve_connection(TokioIo::new(stream), service);
            let outcome = poll_fn(|context| connection.poll_without_shutdown(context)).await;
            let stream = connection.into_parts().io.into_inner();
            match &outcome {
                Err(error) if is_reset(error) => stream.set_zero_linger()?,
                _ => drop(stream),
            }
            outcome?;
        }
        Some(tls) => {
            let stream = tls(stream).await?;
            http.serve_connection(TokioIo::new(stream), service).await?;
        }
    }
    Ok(())
}

/// Whether a connection ended because it is to be reset.
fn is_reset(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(Dropped::Reset))
}
