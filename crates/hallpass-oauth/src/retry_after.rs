//! When a server wants to be asked again (RFC 9110 §10.2.3).

use std::time::{Duration, SystemTime};

use hallpass_core::Timestamp;
use http::{HeaderMap, header};

/// How often a request is sent again while a user waits.
const MAX_REPEATS: u32 = 2;
/// The longest wait between two requests: codes are short-lived.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// The wait where the server names none.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// A `Retry-After` header, as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// This long after the answer.
    Seconds(Duration),
    /// Not before this moment of wall time.
    Date(Timestamp),
}

impl RetryAfter {
    /// Reads the header: whole seconds or an HTTP-date. `None` when it is absent or neither.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Self::Seconds(Duration::from_secs(seconds)));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        let seconds = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        Some(Self::Date(Timestamp::from_unix_seconds(
            i64::try_from(seconds).ok()?,
        )))
    }

    /// How long to wait before the same request is sent again to a server that has not processed it,
    /// while a user waits. `None` after the second repeat, and where the server wants more time than
    /// a code lives.
    pub(crate) fn delay(after: Option<Self>, repeats: u32, now: Timestamp) -> Option<Duration> {
        let wait = after.map_or(DEFAULT_WAIT, |after| after.wait(now));
        (repeats < MAX_REPEATS && wait <= MAX_WAIT).then_some(wait)
    }

    /// How long to wait at `now`. A date that has passed is no wait. The caller sets the upper limit.
    pub fn wait(self, now: Timestamp) -> Duration {
        match self {
            Self::Seconds(wait) => wait,
            Self::Date(date) => date.saturating_since(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(value: &'static str, expected: Option<RetryAfter>, wait: u64) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(value));
        let got = RetryAfter::from_headers(&headers);
        assert_eq!(got, expected);
        // 1994-11-06 08:49:37 UTC, the moment of RFC 9110's examples, is 784111777.
        let now = Timestamp::from_unix_seconds(784_111_700);
        let got = got.map_or(Duration::ZERO, |after| after.wait(now));
        assert_eq!(got, Duration::from_secs(wait));
    }

    #[test]
    fn seconds_and_http_dates_are_read() {
        let date = RetryAfter::Date(Timestamp::from_unix_seconds(784_111_777));
        check(
            "120",
            Some(RetryAfter::Seconds(Duration::from_secs(120))),
            120,
        );
        check("0", Some(RetryAfter::Seconds(Duration::ZERO)), 0);
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(date), 77);
        check(
            "Sun, 06 Nov 1994 08:00:00 GMT",
            Some(RetryAfter::Date(Timestamp::from_unix_seconds(784_108_800))),
            0,
        );
        check("-1", None, 0);
        check("1.5", None, 0);
        check("soon", None, 0);
        check("99999999999999999999999", None, 0);
        check("Thu, 01 Jan 1903 00:00:00 GMT", None, 0);
    }
}
