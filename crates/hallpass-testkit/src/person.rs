//! A user with a browser: opens an authorization URL, consents, and lands at the callback.

use std::{fmt, io};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::{Url, form_urlencoded};

use crate::{Identity, tls};

/// A user with a browser: opens an authorization URL, follows redirects, says yes where a page asks, and ends at the client's redirect URI.
///
/// A user who [tampers](Tamper) changes what comes back to the client, as an attacker or a broken
/// server would.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The authority, as PEM, that the browser trusts for https; `None` trusts none.
    pub trusts: Option<String>,
    /// The certificate that the browser shows to servers that ask for one.
    pub shows: Option<Identity>,
    /// What the user answers where a page asks.
    pub says: Decision,
    /// What happens to the callback on its way, in this order.
    pub tampers: Vec<Tamper>,
    /// Whether the callback is not opened, as by a user who copies it from the address bar of a
    /// browser on another machine.
    pub copies_callback: bool,
}

/// What a user answers where a page asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Decision {
    /// The client may.
    #[default]
    Allow,
    /// The client may not.
    Deny,
}

/// What happens to a callback on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tamper {
    /// A parameter gets this value, and is added where it is not there.
    Set(String, String),
    /// A parameter is taken out.
    Drop(String),
    /// The code is replaced by `error=access_denied`.
    Deny,
    /// The browser asks the redirect URI's server for `/favicon.ico` before anything else.
    FaviconFirst,
    /// The callback is opened twice, as by a browser that loads pages ahead.
    Twice,
}

impl Tamper {
    /// A `state` that the client never made.
    pub fn wrong_state() -> Self {
        Self::Set("state".to_owned(), "not-the-state-you-sent".to_owned())
    }

    /// No `iss`, as if a server without RFC 9207 had answered.
    pub fn no_iss() -> Self {
        Self::Drop("iss".to_owned())
    }
}

/// What a visit came to.
///
/// `Debug` shows no query: a callback's holds a code.
#[derive(Clone)]
#[non_exhaustive]
pub struct BrowserVisit {
    /// Every URL opened, in order.
    pub opened: Vec<Url>,
    /// The callback as the client got (or would have got) it; `None` where the visit ended before.
    /// It holds a code: don't show it.
    pub callback: Option<Url>,
    /// The status of the last page.
    pub status: u16,
    /// The text of the last page.
    pub page: String,
}

impl Person {
    /// A user who says yes; the browser trusts no authority for https.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with a browser that trusts an authority, given as PEM.
    #[must_use]
    pub fn trusting(mut self, ca_pem: impl Into<String>) -> Self {
        self.trusts = Some(ca_pem.into());
        self
    }

    /// The same, with a browser that shows this certificate to servers that ask for one.
    #[must_use]
    pub fn showing(mut self, certificate: Identity) -> Self {
        self.shows = Some(certificate);
        self
    }

    /// The same, who also does this to the callback.
    #[must_use]
    pub fn tampering(mut self, tamper: Tamper) -> Self {
        self.tampers.push(tamper);
        self
    }

    /// The same, who says no where a page asks.
    #[must_use]
    pub fn denying(mut self) -> Self {
        self.says = Decision::Deny;
        self
    }

    /// The same, who doesn't open the callback.
    #[must_use]
    pub fn copying_callback(mut self) -> Self {
        self.copies_callback = true;
        self
    }

    /// Opens an authorization URL and goes on to the end.
    ///
    /// # Errors
    ///
    /// When a server can't be reached or is not trusted, does not answer with HTTP, or redirects
    /// for ever. A page that says no is an answer, not an error.
    pub async fn visit(&self, url: &Url) -> io::Result<BrowserVisit> {
        let mut opened = Vec::new();
        let mut callback = None;
        let mut answer = self.open(&Method::GET, url, None, &mut opened).await?;
        let mut here = url.clone();
        for _ in 0..MAX_STEPS {
            if let Some(next) = redirect(&here, &answer)? {
                let mut next = next;
                if callback.is_none() && is_callback(&next) {
                    self.tamper(&mut next);
                    callback = Some(next.clone());
                    if self.copies_callback {
                        break;
                    }
                    self.strays(&next, &mut opened).await?;
                }
                answer = self.open(&Method::GET, &next, None, &mut opened).await?;
                here = next;
            } else if let Some((action, form)) = self.consent(&here, &answer) {
                answer = self
                    .open(&Method::POST, &action, Some(form), &mut opened)
                    .await?;
                here = action;
            } else {
                return Ok(visit(opened, callback, &answer));
            }
        }
        if self.copies_callback && callback.is_some() {
            return Ok(visit(opened, callback, &answer));
        }
        Err(io::Error::other("the pages redirect for ever"))
    }

    /// What a browser asks for beside the callback itself.
    async fn strays(&self, callback: &Url, opened: &mut Vec<Url>) -> io::Result<()> {
        for tamper in &self.tampers {
            let stray = match tamper {
                Tamper::FaviconFirst => {
                    let mut url = callback.clone();
                    url.set_path("/favicon.ico");
                    url.set_query(None);
                    url
                }
                Tamper::Twice => callback.clone(),
                _ => continue,
            };
            self.open(&Method::GET, &stray, None, opened).await?;
        }
        Ok(())
    }

    fn tamper(&self, callback: &mut Url) {
        for tamper in &self.tampers {
            let mut pairs: Vec<(String, String)> = callback.query_pairs().into_owned().collect();
            match tamper {
                Tamper::Set(name, value) => {
                    pairs.retain(|(key, _)| key != name);
                    pairs.push((name.clone(), value.clone()));
                }
                Tamper::Drop(name) => pairs.retain(|(key, _)| key != name),
                Tamper::Deny => {
                    pairs.retain(|(key, _)| key != "code");
                    pairs.push(("error".to_owned(), "access_denied".to_owned()));
                }
                Tamper::FaviconFirst | Tamper::Twice => continue,
            }
            callback.query_pairs_mut().clear().extend_pairs(pairs);
        }
    }

    /// The form of a consent page, filled in.
    fn consent(&self, here: &Url, answer: &Response<Bytes>) -> Option<(Url, String)> {
        let page = String::from_utf8_lossy(answer.body());
        let action = attribute(&page, "<form method=\"post\" action=\"")?;
        let ticket = attribute(&page, "name=\"ticket\" value=\"")?;
        let decision = match self.says {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
        };
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("ticket", ticket)
            .append_pair("decision", decision)
            .finish();
        Some((here.join(action).ok()?, form))
    }

    async fn open(
        &self,
        method: &Method,
        url: &Url,
        form: Option<String>,
        opened: &mut Vec<Url>,
    ) -> io::Result<Response<Bytes>> {
        opened.push(url.clone());
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port)).await?;
        let request = request(method, url, form)?;
        match url.scheme() {
            "http" => exchange(stream, request).await,
            "https" => {
                let trusted = self.trusts.as_deref().ok_or_else(|| {
                    io::Error::other("the user's browser trusts no authority for https")
                })?;
                let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
                let tls = TlsConnector::from(tls::client_config(trusted, self.shows.as_ref())?);
                exchange(tls.connect(name, stream).await?, request).await
            }
            scheme => Err(io::Error::other(format!("no browser opens {scheme} URLs"))),
        }
    }
}

impl fmt::Debug for BrowserVisit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |url: &Url| url[..url::Position::AfterPath].to_owned();
        let opened: Vec<_> = self.opened.iter().map(bare).collect();
        f.debug_struct("BrowserVisit")
            .field("opened", &opened)
            .field("callback", &self.callback.as_ref().map(bare))
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

fn visit(opened: Vec<Url>, callback: Option<Url>, answer: &Response<Bytes>) -> BrowserVisit {
    BrowserVisit {
        opened,
        callback,
        status: answer.status().as_u16(),
        page: String::from_utf8_lossy(answer.body()).into_owned(),
    }
}

fn request(method: &Method, url: &Url, form: Option<String>) -> io::Result<Request<Full<Bytes>>> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "text/html")
        .header(header::USER_AGENT, "hallpass-testkit person");
    if form.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    builder
        .body(Full::new(Bytes::from(form.unwrap_or_default())))
        .map_err(io::Error::other)
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> io::Result<Response<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_BYTES).collect().await?.to_bytes();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Response::from_parts(head, body))
    };
    tokio::pin!(connection, answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer.map_err(io::Error::other),
        // Without a connection the answer ends at once, with what there is.
        _ = &mut connection => answer.await.map_err(io::Error::other),
    }
}

/// Where an answer sends the browser; always with a GET.
fn redirect(here: &Url, answer: &Response<Bytes>) -> io::Result<Option<Url>> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = answer.headers().get(header::LOCATION);
    let Some(location) = location.and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    here.join(location).map(Some).map_err(io::Error::other)
}

/// Whether a URL brings an authorization response (RFC 6749 §4.1.2).
fn is_callback(url: &Url) -> bool {
    url.query_pairs()
        .any(|(name, _)| name == "code" || name == "error")
}

/// What stands between `before` and the next quote, HTML's escapes of our own pages undone.
fn attribute<'a>(page: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(before)?;
    rest.split_once('"').map(|(value, _)| value)
}

const MAX_STEPS: usize = 12;
const MAX_BYTES: usize = 1 << 20;
