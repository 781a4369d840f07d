//! The certificates that a server presented, and the authority that accepted them.

use hallpass_core::Timestamp;
use hallpass_http::{Certificate, Handshake};
use url::Url;

use crate::{Code, Finding, ResponsibleParty, Step, clock};

/// A certificate that expires within this many seconds gets a warning.
const EXPIRES_SOON: i64 = 14 * 86_400;
/// How many of a chain are shown.
const MAX_SHOWN: usize = 4;

/// Adds to `step` what the host of `url` presented.
pub(crate) fn describe(
    step: &mut Step,
    handshakes: &[Handshake],
    url: &Url,
    side: ResponsibleParty,
    now: Timestamp,
) {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let Some(handshake) = handshakes.iter().rfind(|it| it.host == host) else {
        return;
    };
    for certificate in handshake.presented.iter().take(MAX_SHOWN) {
        step.push_fact("certificate", describe_certificate(certificate));
    }
    if let Some(anchor) = &handshake.anchor {
        step.push_fact(
            "accepted by",
            format!(
                "`{}` of {}, sha256 {}",
                anchor.certificate.subject(),
                anchor.origin,
                anchor.certificate.sha256()
            ),
        );
        if anchor.is_added {
            let what = format!(
                "the certificate of `{host}` was accepted by `{}` of {}, an authority that was \
                 added by hand: this network may inspect TLS, or the authority is a private one",
                anchor.certificate.subject(),
                anchor.origin
            );
            step.push_finding(Finding::new(Code::PrivateAuthority, what));
        }
    } else if handshake.is_accepted {
        step.push_fact("accepted by", "the operating system's verifier");
    }
    let own = handshake
        .presented
        .first()
        .filter(|_| handshake.is_accepted);
    if let Some(end) = own.and_then(Certificate::not_after) {
        let left = end.as_unix_seconds() - now.as_unix_seconds();
        if (0..EXPIRES_SOON).contains(&left) {
            let what = format!(
                "the certificate of `{host}` ends in {}",
                clock::format_seconds(left)
            );
            step.push_finding(
                Finding::new(Code::CertificateEndsSoon, what)
                    .with_party(side)
                    .text(format!("ask the operator of {host} to renew it")),
            );
        }
    }
}

fn describe_certificate(certificate: &Certificate) -> String {
    let day = |time: Option<Timestamp>| time.map_or_else(|| "?".to_owned(), day);
    let mut text = format!(
        "{certificate}, good from {} to {}",
        day(certificate.not_before()),
        day(certificate.not_after())
    );
    if !certificate.names().is_empty() {
        text = format!("{text}, for {}", certificate.names().join(", "));
    }
    format!("{text}, sha256 {}", certificate.sha256())
}

/// The day of a moment in UTC, as `2026-01-31`.
pub(crate) fn day(time: Timestamp) -> String {
    // Counted in years that begin in March, so that the leap day is their last.
    let days = time.as_unix_seconds().div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year_of_era + era * 400 + carry;
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_600, "2026-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(day(Timestamp::from_unix_seconds(seconds)), expected);
        }
    }
}
