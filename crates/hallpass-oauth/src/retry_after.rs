//! When a server wants to be asked again (RFC 9110 §10.2.3).

use std::time::{Duration, SystemTime};

use hallpass_core::Timestamp;
use http::{HeaderMap, HeaderName, header};

/// How often a request is sent again while a user waits.
const MAX_REPEATS: u32 = 2;
/// The longest wait between two requests: codes are short-lived.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// The longest wait that is shown to a user.
const MAX_SHOWN: Duration = Duration::from_secs(24 * 60 * 60);
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
        http_date(headers, &header::RETRY_AFTER).map(Self::Date)
    }

    /// How long after the answer that has these headers the server wants the next request, to be shown to a
    /// user: a date counts by the answer's own `Date`. `None` where the server does not say, or says more than
    /// a day, which is a mistake more often than not.
    pub fn for_user(headers: &HeaderMap) -> Option<Duration> {
        let wait = match Self::from_headers(headers)? {
            Self::Seconds(wait) => wait,
            Self::Date(date) => date.saturating_since(http_date(headers, &header::DATE)?),
        };
        (!wait.is_zero() && wait <= MAX_SHOWN).then_some(wait)
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

fn http_date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    let date = httpdate::parse_http_date(text).ok()?;
    let seconds = date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(Timestamp::from_unix_seconds(i64::try_from(seconds).ok()?))
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
    fn wait_for_a_user_goes_by_the_date_of_the_answer_and_is_bounded() {
        let wait = |after: &'static str, date: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(after));
            if let Some(date) = date {
                headers.insert(header::DATE, HeaderValue::from_static(date));
            }
            RetryAfter::for_user(&headers).map(|wait| wait.as_secs())
        };
        let (date, later) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:50:07 GMT",
        );
        assert_eq!(wait("30", None), Some(30));
        assert_eq!(wait(later, Some(date)), Some(30));
        assert_eq!(wait(later, None), None, "the clock here may be wrong");
        for said in ["0", "soon", "86401", "99999999999999999999", date] {
            assert_eq!(wait(said, Some(later)), None, "{said}");
        }
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
