//! Reads one candidate after the other and keeps account of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hallpass_core::{
    Clock, Hint, HttpClient, ServerUrl,
    http::{HttpError, HttpErrorKind, RequestOptions, RequestTarget},
    redacted_url,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    Attempt, CacheMode,
    attempt::{Document, quoted},
    error::{DiscoveryErrorKind, RequestFailure},
};

/// The network and the account of one run, for one server.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    http: &'a dyn HttpClient,
    clock: &'a dyn Clock,
    server: &'a ServerUrl,
    reading: CacheMode<'a>,
    attempts: Vec<Attempt>,
    passing_fault: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        http: &'a dyn HttpClient,
        clock: &'a dyn Clock,
        server: &'a ServerUrl,
        reading: CacheMode<'a>,
    ) -> Self {
        Self {
            http,
            clock,
            server,
            reading,
            attempts: Vec::new(),
            passing_fault: false,
        }
    }

    /// Every try so far.
    pub(crate) fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }

    /// Whether a candidate failed in a way that may be over by the next time.
    pub(crate) fn met_a_passing_fault(&self) -> bool {
        self.passing_fault
    }

    /// Records a candidate that is refused without being asked.
    pub(crate) fn refuse(&mut self, document: Document, text: &str, reason: String) {
        self.attempts.push(Attempt::refused(document, text, reason));
    }

    /// Reads the JSON object at `url`, has `check` make the document of it, and records the try
    /// with what `check` noted or why it refused.
    pub(crate) async fn read<T>(
        &mut self,
        document: Document,
        url: &Url,
        check: impl FnOnce(Map<String, Value>, &mut Vec<String>) -> Result<T, RequestFailure>,
    ) -> Result<T, RequestFailure> {
        let mut attempt = Attempt::new(document, url);
        let mut notes = Vec::new();
        let result = match self.fetch(document, url, &mut attempt).await {
            Ok(object) => check(object, &mut notes),
            Err(fault) => Err(fault),
        };
        attempt.note(notes);
        if let Err(fault) = &result {
            attempt.set_unused(fault.reason());
            self.passing_fault |= fault.is_passing();
        }
        tracing::debug!(
            url = attempt.url(),
            status = attempt.status().map(|status| status.as_u16()),
            from_cache = attempt.from_cache(),
            reason = attempt.reason(),
            "read {document}"
        );
        self.attempts.push(attempt);
        result
    }

    async fn fetch(
        &self,
        document: Document,
        url: &Url,
        attempt: &mut Attempt,
    ) -> Result<Map<String, Value>, RequestFailure> {
        let start = self.clock.monotonic();
        let key = format!("{} {url}", self.server.as_str());
        if let CacheMode::Cached(cache) = self.reading
            && let Some(body) = cache.fresh(&key, start)
        {
            attempt.set_status(StatusCode::OK, true);
            return object(document, url, &HeaderMap::new(), &body);
        }
        let (result, is_shared) = match self.reading {
            CacheMode::Refresh(cache) => cache.flights.run(&key, self.clock, self.get(url)).await,
            CacheMode::Cached(_) | CacheMode::Uncached => {
                (self.get(url).await.map_err(Arc::new), false)
            }
        };
        // A measured time is never zero, which stands for a URL that was not asked.
        let duration = self.clock.monotonic().saturating_sub(start);
        attempt.lasted(duration.max(Duration::from_nanos(1)));
        let response = result.map_err(|error| unanswered(document, url, error))?;
        attempt.set_status(response.status(), is_shared);
        let read = if response.status() == StatusCode::OK {
            object(document, url, response.headers(), response.body())
        } else {
            Err(refused(document, url, response.status()))
        };
        if let CacheMode::Cached(cache) | CacheMode::Refresh(cache) = self.reading
            && !is_shared
        {
            match &read {
                Ok(_) => cache.take(&key, response.headers(), response.body(), start),
                Err(_) => cache.forget(&key),
            }
        }
        read
    }

    async fn get(&self, url: &Url) -> Result<Response<Bytes>, HttpError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .header(header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|error| {
                HttpError::new(HttpErrorKind::InvalidRequest, RequestTarget::Metadata, url)
                    .with_source(error)
            })?;
        let policy = RequestOptions::metadata(self.server);
        self.http.fetch(request, policy).await
    }
}

/// The JSON object that a document has to be (RFC 9728 §3.2, RFC 8414 §3.2). The media type is not
/// insisted on: files on a disk are served with any.
fn object(
    document: Document,
    url: &Url,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Map<String, Value>, RequestFailure> {
    let bytes = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let found = match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => return Ok(object),
        Ok(_) => "JSON that is no object",
        Err(_) if bytes.trim_ascii().is_empty() => "an empty body",
        Err(_) if is_html(headers, bytes) => "an HTML page",
        Err(_) => "something that is not JSON",
    };
    let text = format!(
        "{} answered 200 with {found} where {document} is a JSON object ({})",
        redacted_url(url),
        section(document)
    );
    Err(RequestFailure::new(DiscoveryErrorKind::NotJson, text))
}

fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("html"));
    declared || body.trim_ascii().starts_with(b"<")
}

fn unanswered(document: Document, url: &Url, error: Arc<HttpError>) -> RequestFailure {
    let host = url.host_str().unwrap_or_default();
    let hints = match error.kind() {
        HttpErrorKind::Resolve | HttpErrorKind::Connect | HttpErrorKind::ConnectTimeout => {
            vec![Hint::text(format!(
                "check that {host} is up and reachable from here, and the proxy's settings"
            ))]
        }
        HttpErrorKind::Timeout | HttpErrorKind::Interrupted => vec![Hint::Retry { after: None }],
        HttpErrorKind::Tls => vec![Hint::text(format!(
            "check the certificate of {host} and the certificate authorities to trust"
        ))],
        HttpErrorKind::Redirect => {
            let setting = match document {
                Document::ProtectedResource => "resource_metadata_url",
                Document::AuthorizationServer => "server_metadata_url",
            };
            vec![Hint::setting(setting, None)]
        }
        HttpErrorKind::AddressRefused => vec![Hint::text(
            "only addresses of the server's own class, or ones that were configured, are asked",
        )],
        HttpErrorKind::BodyTooLarge => vec![
            Hint::contact_operator(host),
            Hint::text(format!(
                "metadata may have at most {} bytes",
                RequestOptions::METADATA_CAP
            )),
        ],
        HttpErrorKind::ProxyAuthentication => vec![
            Hint::setting("proxy", None),
            Hint::text("check the proxy's user name and password"),
        ],
        HttpErrorKind::InvalidRequest => {
            vec![Hint::text("check the URL and the proxy's settings")]
        }
        HttpErrorKind::Malformed | _ => vec![Hint::contact_operator(host)],
    };
    let text = match error.kind() {
        HttpErrorKind::BodyTooLarge => {
            format!("the {document} of {host} is larger than such a document may be")
        }
        _ => format!("the {document} of {host} can't be read"),
    };
    hints
        .into_iter()
        .fold(RequestFailure::http(text, error), RequestFailure::with_hint)
}

/// The fault of a status that is not 200.
fn refused(document: Document, url: &Url, status: StatusCode) -> RequestFailure {
    let text = format!("{} answered {}", redacted_url(url), status.as_u16());
    match status {
        StatusCode::NOT_FOUND => RequestFailure::new(not_found(document), text).not_found(),
        status if status.is_redirection() => RequestFailure::new(
            not_found(document),
            format!("{text}, a redirect that is not followed"),
        ),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            unavailable(text)
        }
        status if status.is_server_error() => unavailable(text),
        _ => RequestFailure::new(not_found(document), text),
    }
}

fn unavailable(text: String) -> RequestFailure {
    RequestFailure::new(DiscoveryErrorKind::Unavailable, text)
        .with_hint(Hint::Retry { after: None })
}

/// The kind of fault when the document is not where it was looked for.
pub(crate) fn not_found(document: Document) -> DiscoveryErrorKind {
    match document {
        Document::ProtectedResource => DiscoveryErrorKind::ResourceMetadataNotFound,
        Document::AuthorizationServer => DiscoveryErrorKind::ServerMetadataNotFound,
    }
}

fn section(document: Document) -> &'static str {
    match document {
        Document::ProtectedResource => "RFC 9728 §3.2",
        Document::AuthorizationServer => "RFC 8414 §3.2",
    }
}

/// Something that the user or a server wrote, for a text.
pub(crate) fn value(text: &str) -> String {
    format!("`{}`", quoted(text))
}
