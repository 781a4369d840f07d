//! Whether the clock here agrees with the servers' (RFC 9110 §6.6.1).

use crate::{Code, Finding, recording_client::ClockReading};

/// A difference that tokens and proofs tolerate, in seconds. A larger one is a warning: lifetimes are
/// relative, so that most servers work all the same.
const MAX_SKEW: i64 = 60;

/// What the readings say. The least difference counts: a server of several may be the wrong one.
pub(crate) fn skew(readings: &[ClockReading]) -> Option<Finding> {
    let least = readings
        .iter()
        .min_by_key(|reading| reading.ahead.abs().saturating_sub(reading.doubt))?;
    let seconds = least.ahead.abs().saturating_sub(least.doubt);
    if seconds <= MAX_SKEW {
        return None;
    }
    let direction = if least.ahead > 0 {
        "ahead of"
    } else {
        "behind"
    };
    let what = format!(
        "the clock of this machine is {} {direction} the server's: tokens seem to end too {}",
        format_seconds(seconds),
        if least.ahead > 0 { "early" } else { "late" }
    );
    Some(
        Finding::new(Code::ClockSkew, what).text(
            "set this machine's clock, as by NTP; if it is right, contact the server's operator",
        ),
    )
}

/// Seconds, in the unit that fits.
pub(crate) fn format_seconds(seconds: i64) -> String {
    let (number, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7199 => (seconds / 60, "minute"),
        7200..=172_799 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Severity;

    #[track_caller]
    fn check(readings: &[(i64, i64)], expected: Option<&str>) {
        let readings: Vec<_> = readings
            .iter()
            .map(|&(ahead, doubt)| ClockReading { ahead, doubt })
            .collect();
        let found = skew(&readings);
        assert_eq!(found.is_some(), expected.is_some(), "{readings:?}");
        if let (Some(found), Some(words)) = (found, expected) {
            assert_eq!(found.severity, Severity::Warning);
            assert!(found.message.contains(words), "{}", found.message);
        }
    }

    #[test]
    fn clock_skew_is_the_least_difference_beyond_a_minute() {
        check(&[], None);
        check(&[(60, 0)], None);
        check(&[(-70, 10)], None);
        check(&[(61, 0)], Some("61 seconds ahead of"));
        check(&[(-400, 0)], Some("6 minutes behind"));
        check(&[(-400, 0), (2, 0)], None);
        check(&[(200_000, 0)], Some("2 days ahead of"));
    }
}
