//! The few fields of a certificate that an error message shows.

use std::fmt;

/// Whom a certificate is for and who signed it, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateNames {
    subject: String,
    issuer: String,
}

impl CertificateNames {
    /// Reads the two names (RFC 5280 §4.1); `None` for what is no certificate.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let certificate = Element::read(der)?.0.sequence()?;
        let mut fields = Element::read(certificate)?.0.sequence()?;
        let mut next = || {
            let (element, rest) = Element::read(fields)?;
            fields = rest;
            Some(element)
        };
        // version [0] OPTIONAL, serialNumber, signature, issuer, validity, subject
        let mut element = next()?;
        if element.tag == 0xa0 {
            element = next()?;
        }
        if element.tag != 0x02 {
            return None;
        }
        next()?;
        let issuer = next()?;
        next()?;
        let subject = next()?;
        Some(Self {
            subject: name(subject.sequence()?),
            issuer: name(issuer.sequence()?),
        })
    }

    /// Whom it is for.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who signed it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl fmt::Display for CertificateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` signed by ", self.subject)?;
        if self.subject == self.issuer {
            f.write_str("itself")
        } else {
            write!(f, "`{}`", self.issuer)
        }
    }
}

/// How many bytes the first DER element takes with its head.
pub(super) fn first_element_length(der: &[u8]) -> Option<usize> {
    let (_, rest) = Element::read(der)?;
    Some(der.len() - rest.len())
}

/// One DER element.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element and what follows it.
    fn read(der: &'a [u8]) -> Option<(Self, &'a [u8])> {
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

    fn sequence(self) -> Option<&'a [u8]> {
        (self.tag == 0x30).then_some(self.content)
    }
}

/// A distinguished name as `CN=…, O=…`, in the order of the certificate. Attributes of other types
/// are left out, and so are those after the first eight; a name without any of these is
/// `(no name)`.
fn name(mut sets: &[u8]) -> String {
    let mut parts = Vec::new();
    while let Some((set, rest)) = Element::read(sets) {
        sets = rest;
        let mut attributes = set.content;
        while let Some((attribute, rest)) = Element::read(attributes) {
            attributes = rest;
            parts.extend(attribute.sequence().and_then(read_attribute));
        }
        // The other side wrote this, and may have written thousands.
        if parts.len() >= MOST_ATTRIBUTES {
            parts.truncate(MOST_ATTRIBUTES);
            break;
        }
    }
    if parts.is_empty() {
        return "(no name)".to_owned();
    }
    parts.join(", ")
}

fn read_attribute(content: &[u8]) -> Option<String> {
    let (kind, rest) = Element::read(content)?;
    let (value, _) = Element::read(rest)?;
    // The attribute types of X.520 below 2.5.4.
    let kind = match kind.content {
        [0x55, 0x04, 3] => "CN",
        [0x55, 0x04, 6] => "C",
        [0x55, 0x04, 7] => "L",
        [0x55, 0x04, 8] => "ST",
        [0x55, 0x04, 10] => "O",
        [0x55, 0x04, 11] => "OU",
        _ => return None,
    };
    let text = match value.tag {
        // BMPString: UTF-16 in network order.
        0x1e => {
            let units = value.content.chunks_exact(2);
            let units: Vec<u16> = units
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(value.content).into_owned(),
    };
    // The other side wrote this: nothing of it may move a cursor or fill a screen.
    let text: String = text
        .chars()
        .filter(|character| !character.is_control())
        .take(100)
        .collect();
    Some(format!("{kind}={text}"))
}

const MOST_ATTRIBUTES: usize = 8;

#[cfg(test)]
mod tests;
