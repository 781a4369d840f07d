//! An HTTP proxy that tunnels, as in a corporate network.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A CONNECT proxy that wants a password (RFC 9110 §9.3.6, §11.7). It tunnels to each target that it
/// is asked for, and keeps the head of each request. It ends, with all its tunnels, when this is
/// dropped.
pub struct ConnectProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

/// `clerk:s3cret%` in base64, in lower case as the whole head.
const CREDENTIALS: &str = "proxy-authorization: basic y2xlcms6cznjcmv0jq==";

impl ConnectProxy {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (stop, heads) = (CancellationToken::new(), Arc::default());
        let proxy = Self {
            address: listener.local_addr()?,
            heads: Arc::clone(&heads),
            _stop: stop.clone().drop_guard(),
        };
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                tunnels.spawn(tunnel(stream, Arc::clone(&heads)));
            }
        }));
        Ok(proxy)
    }

    /// Its URL with the right credentials.
    pub fn url(&self) -> String {
        format!("http://clerk:s3cret%25@{}", self.address)
    }

    /// Its URL without any.
    pub fn url_without_credentials(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of all requests, in lower case.
    pub fn heads(&self) -> Vec<String> {
        locked(&self.heads).clone()
    }
}

impl fmt::Debug for ConnectProxy {
    /// The heads hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectProxy")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn locked(heads: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    heads.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leads a client to the target that it asks for. Ends when either side does.
async fn tunnel(mut client: TcpStream, heads: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let target = head.strip_prefix("connect ");
    let target = target.and_then(|rest| Some(rest.split_once(' ')?.0.to_owned()));
    let is_allowed = head.lines().any(|line| line == CREDENTIALS);
    locked(&heads).push(head);
    let refusal = match target {
        _ if !is_allowed => "407 Proxy Authentication Required",
        None => "405 Method Not Allowed",
        Some(target) => match TcpStream::connect(target).await {
            Ok(mut server) => {
                let established = b"HTTP/1.1 200 Connection Established\r\n\r\n";
                client.write_all(established).await?;
                copy_bidirectional(&mut client, &mut server).await?;
                return Ok(());
            }
            Err(_) => "502 Bad Gateway",
        },
    };
    let refusal = format!("HTTP/1.1 {refusal}\r\n\r\n");
    client.write_all(refusal.as_bytes()).await
}
