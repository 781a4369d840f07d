//! The client of a diagnosis: records each request, and limits how long each answer may take.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use hallpass_core::{
    AddressRefused, BoxFuture, Clock, HttpClient, HttpError, ServerUrl, Timestamp,
    http::{Body, HttpErrorKind, RequestOptions},
    redacted_url,
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use url::Url;

use crate::Exchange;

/// How long the answers of a diagnosis may take together.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(180);

/// How long an answer may take after that.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Records what a client is asked, and what it answers.
#[derive(Debug, Clone)]
pub(crate) struct RecordingClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    below: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    /// How long each answer may take.
    limit: Duration,
    seen: Mutex<Recording>,
}

#[derive(Debug, Default)]
struct Recording {
    /// When the diagnosis began.
    began: Duration,
    exchanges: Vec<Exchange>,
    clocks: Vec<ClockReading>,
    origins: Vec<String>,
}

/// What a server's clock showed when ours showed something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// How many seconds ours is before the server's.
    pub(crate) ahead: i64,
    /// How many seconds the answer took, by which the reading may be wrong.
    pub(crate) doubt: i64,
}

impl RecordingClient {
    pub(crate) fn new(below: Arc<dyn HttpClient>, clock: Arc<dyn Clock>, limit: Duration) -> Self {
        Self(Arc::new(Inner {
            below,
            clock,
            limit,
            seen: Mutex::default(),
        }))
    }

    /// Begins a diagnosis, whose time is limited.
    pub(crate) fn start(&self) {
        self.seen().began = self.0.clock.monotonic();
    }

    /// The requests since the last call.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        mem::take(&mut self.seen().exchanges)
    }

    /// What the servers' clocks showed.
    pub(crate) fn clocks(&self) -> Vec<ClockReading> {
        self.seen().clocks.clone()
    }

    /// Whether the URL's origin has answered already.
    pub(crate) fn has_answered(&self, url: &Url) -> bool {
        let origin = url.origin().ascii_serialization();
        self.seen().origins.contains(&origin)
    }

    fn seen(&self) -> MutexGuard<'_, Recording> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn within_the_limit(&self, options: RequestOptions) -> RequestOptions {
        let spent = self.0.clock.monotonic().saturating_sub(self.seen().began);
        let left = TOTAL_TIMEOUT.saturating_sub(spent).max(LAST_TIMEOUT);
        let limit = self.0.limit.min(left);
        let shorter = |other: Option<Duration>| Some(other.map_or(limit, |other| other.min(limit)));
        RequestOptions {
            response_timeout: shorter(options.response_timeout),
            idle_timeout: shorter(options.idle_timeout),
            timeout: options.timeout.map(|total| total.min(limit)),
            ..options
        }
    }

    fn note(&self, request: String, began: Duration, answer: &Result<Response<Body>, HttpError>) {
        let took = self.0.clock.monotonic().saturating_sub(began);
        let outcome = match answer {
            Ok(answer) => status_text(answer.status(), took),
            Err(error) => format!(
                "no answer in {} ms: {}",
                took.as_millis(),
                reason(error.kind())
            ),
        };
        let mut seen = self.seen();
        seen.exchanges.push(Exchange { request, outcome });
        if let Ok(answer) = answer
            && let Some(theirs) = date(answer.headers())
        {
            let ours = self.0.clock.now();
            seen.clocks.push(ClockReading {
                ahead: ours.as_unix_seconds() - theirs.as_unix_seconds(),
                doubt: i64::try_from(took.as_secs()).unwrap_or(i64::MAX),
            });
        }
    }
}

/// Why there is no answer, in words.
fn reason(kind: HttpErrorKind) -> &'static str {
    match kind {
        HttpErrorKind::InvalidRequest => "the request can't be sent",
        HttpErrorKind::AddressRefused => "the address is not allowed",
        HttpErrorKind::Resolve => "the name is not known",
        HttpErrorKind::Connect => "no connection",
        HttpErrorKind::ProxyAuthentication => "the proxy wants credentials",
        HttpErrorKind::Tls => "no TLS connection",
        HttpErrorKind::ConnectTimeout => "no connection in time",
        HttpErrorKind::Timeout => "the time limit is over",
        HttpErrorKind::Interrupted => "the connection broke",
        HttpErrorKind::Redirect => "a redirect that is not followed",
        HttpErrorKind::BodyTooLarge => "the body is too large",
        HttpErrorKind::Malformed => "the response is not HTTP",
        _ => "the request failed",
    }
}

/// A status and how long it took.
pub(crate) fn status_text(status: StatusCode, took: Duration) -> String {
    format!("{} in {} ms", status.as_u16(), took.as_millis())
}

impl HttpClient for RecordingClient {
    fn open(
        &self,
        request: Request<Bytes>,
        options: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let options = self.within_the_limit(options);
        let url = Url::parse(&request.uri().to_string()).ok();
        let shown = url
            .as_ref()
            .map_or_else(|| "no URL".to_owned(), redacted_url);
        let described = format!("{} {shown}", request.method());
        Box::pin(async move {
            let began = self.0.clock.monotonic();
            let answer = self.0.below.open(request, options).await;
            self.note(described, began, &answer);
            if answer.is_ok()
                && let Some(url) = url
            {
                let origin = url.origin().ascii_serialization();
                self.seen().origins.push(origin);
            }
            answer
        })
    }

    fn attaches_secrets(&self) -> bool {
        self.0.below.attaches_secrets()
    }

    fn check_navigation(&self, url: &Url, server: &ServerUrl) -> Result<(), AddressRefused> {
        self.0.below.check_navigation(url, server)
    }
}

/// The moment at which an answer was made (RFC 9110 §6.6.1).
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    let seconds = i64::try_from(since.as_secs()).ok()?;
    Some(Timestamp::from_unix_seconds(seconds))
}

#[cfg(test)]
mod tests {
    use hallpass_testkit::{FakeClock, ScriptedClient};

    use super::*;

    #[test]
    fn slow_answers_together_are_limited() {
        let clock = Arc::new(FakeClock::default());
        let below = Arc::new(ScriptedClient::new());
        let limit = Duration::from_secs(20);
        let client = RecordingClient::new(below, clock.clone(), limit);
        let allowed = || {
            let server = hallpass_core::ServerUrl::parse("https://mcp.example").unwrap();
            let options = client.within_the_limit(RequestOptions::metadata(&server));
            assert_eq!(options.response_timeout, options.idle_timeout);
            options.response_timeout.unwrap()
        };
        clock.advance(Duration::from_secs(1000));
        client.start();
        assert_eq!(allowed(), limit);
        clock.advance(Duration::from_secs(170));
        assert_eq!(allowed(), Duration::from_secs(10));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(allowed(), LAST_TIMEOUT);
    }
}
