//! What a certificate says of itself, as an error message and a diagnosis show it.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use hallpass_core::{Timestamp, sanitize_line};
use sha2::{Digest, Sha256};

use super::der::{self, Element};

/// A certificate in the words of its own fields (RFC 5280 §4.1). Nothing of it is checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    subject: String,
    issuer: String,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    names: Vec<String>,
    sha256: String,
}

impl Certificate {
    /// Reads the fields; `None` for what is no certificate.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let fields = Fields::read(der)?;
        let (not_before, not_after) = validity(fields.validity);
        let (_, rest) = Element::read(der)?;
        let whole = &der[..der.len() - rest.len()];
        Some(Self {
            subject: name(fields.subject),
            issuer: name(fields.issuer),
            not_before,
            not_after,
            names: fields.alternative_names(),
            sha256: Sha256::digest(whole)
                .iter()
                .fold(String::new(), |digits, byte| format!("{digits}{byte:02x}")),
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

    /// From when on it is good; `None` where that can't be read.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// Until when it is good; `None` where that can't be read.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }

    /// The hosts and addresses that it is for (RFC 5280 §4.2.1.6).
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The SHA-256 digest of the whole certificate, as 64 hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` signed by ", self.subject)?;
        if self.subject == self.issuer {
            f.write_str("itself")
        } else {
            write!(f, "`{}`", self.issuer)
        }
    }
}

/// The fields of a certificate that are shown, still in DER.
pub(super) struct Fields<'a> {
    /// The content of the issuer's name.
    pub(super) issuer: &'a [u8],
    /// The content of the subject's name.
    pub(super) subject: &'a [u8],
    validity: &'a [u8],
    after_subject: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let certificate = Element::read(der)?.0.sequence()?;
        let mut fields = Element::read(certificate)?.0.sequence()?;
        let mut next = || der::next(&mut fields);
        // version [0] OPTIONAL, serialNumber, signature, issuer, validity, subject
        let mut element = next()?;
        if element.tag == 0xa0 {
            element = next()?;
        }
        if element.tag != 0x02 {
            return None;
        }
        next()?;
        let issuer = next()?.sequence()?;
        let validity = next()?;
        let subject = next()?.sequence()?;
        Some(Self {
            issuer,
            subject,
            validity: validity.content,
            after_subject: fields,
        })
    }

    /// The DNS names and addresses of the extension `subjectAltName`; others are left out.
    fn alternative_names(&self) -> Vec<String> {
        let Some(names) = self.extension(&[0x55, 0x1d, 0x11]) else {
            return Vec::new();
        };
        let Some(mut rest) = Element::read(names).and_then(|(names, _)| names.sequence()) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        while let Some(name) = der::next(&mut rest) {
            all.extend(general_name(&name));
            // The other side wrote this, and may have written thousands.
            if all.len() >= MAX_NAMES {
                break;
            }
        }
        all
    }

    /// The value of the extension with this object identifier.
    fn extension(&self, identifier: &[u8]) -> Option<&'a [u8]> {
        let mut fields = self.after_subject;
        let list = loop {
            let element = der::next(&mut fields)?;
            if element.tag == 0xa3 {
                break element.content;
            }
        };
        let mut extensions = Element::read(list)?.0.sequence()?;
        while let Some(extension) = der::next(&mut extensions) {
            let mut parts = extension.sequence()?;
            if der::next(&mut parts)?.content != identifier {
                continue;
            }
            // extnID, critical DEFAULT FALSE, extnValue
            while let Some(part) = der::next(&mut parts) {
                if part.tag == 0x04 {
                    return Some(part.content);
                }
            }
        }
        None
    }
}

/// RFC 5280 §4.2.1.6: `dNSName [2]` and `iPAddress [7]`.
fn general_name(name: &Element<'_>) -> Option<String> {
    match name.tag {
        0x82 => {
            let text = String::from_utf8_lossy(name.content);
            Some(printable(&text))
        }
        0x87 => {
            let v4 = <[u8; 4]>::try_from(name.content).map(Ipv4Addr::from);
            let v6 = <[u8; 16]>::try_from(name.content).map(Ipv6Addr::from);
            let v4 = v4.map(|address| address.to_string());
            v4.or_else(|_| v6.map(|address| address.to_string())).ok()
        }
        _ => None,
    }
}

/// RFC 5280 §4.1.2.5: the two times of the field `validity`.
fn validity(mut content: &[u8]) -> (Option<Timestamp>, Option<Timestamp>) {
    let not_before = der::next(&mut content);
    let not_after = der::next(&mut content);
    let time = |element: Option<Element<'_>>| element.as_ref().and_then(Element::time);
    (time(not_before), time(not_after))
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
        if parts.len() >= MAX_ATTRIBUTES {
            parts.truncate(MAX_ATTRIBUTES);
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
    Some(format!("{kind}={}", printable(&text)))
}

/// The other side wrote this: nothing of it may move a cursor or fill a screen.
fn printable(text: &str) -> String {
    sanitize_line(text).chars().take(100).collect()
}

const MAX_ATTRIBUTES: usize = 8;
const MAX_NAMES: usize = 32;

#[cfg(test)]
mod tests;
