//! As much of DER (X.690 §8, §10) as a certificate's own words need.

use hallpass_core::Timestamp;

/// One element.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element and what follows it.
    pub(super) fn read(der: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = der.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x0f))?;
                let length = bytes.iter().try_fold(0_usize, |length, byte| {
                    length.checked_mul(256)?.checked_add(usize::from(*byte))
                })?;
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        Some((Self { tag, content }, rest))
    }

    pub(super) fn sequence(self) -> Option<&'a [u8]> {
        (self.tag == 0x30).then_some(self.content)
    }

    /// A `UTCTime` or `GeneralizedTime` as certificates have them (RFC 5280 §4.1.2.5): in UTC, with
    /// seconds.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let text = std::str::from_utf8(self.content).ok()?.strip_suffix('Z')?;
        let (year, rest) = match self.tag {
            0x17 => {
                let (year, rest) = number(text, 2)?;
                // RFC 5280 §4.1.2.5.1: 50 to 99 are of the last century.
                (year + if year < 50 { 2000 } else { 1900 }, rest)
            }
            0x18 => number(text, 4)?,
            _ => return None,
        };
        let (month, rest) = number(rest, 2)?;
        let (day, rest) = number(rest, 2)?;
        let (hour, rest) = number(rest, 2)?;
        let (minute, rest) = number(rest, 2)?;
        let (second, rest) = number(rest, 2)?;
        if !rest.is_empty() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let days = days_since_1970(year, month, day);
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        Some(Timestamp::from_unix_seconds(seconds))
    }
}

/// Takes the first element of `der` off.
pub(super) fn next<'a>(der: &mut &'a [u8]) -> Option<Element<'a>> {
    let (element, rest) = Element::read(der)?;
    *der = rest;
    Some(element)
}

/// How many bytes the first element takes with its head.
pub(super) fn first_element_length(der: &[u8]) -> Option<usize> {
    let (_, rest) = Element::read(der)?;
    Some(der.len() - rest.len())
}

fn number(text: &str, digits: usize) -> Option<(i64, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    let all_digits = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| all_digits)?, rest))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests;
