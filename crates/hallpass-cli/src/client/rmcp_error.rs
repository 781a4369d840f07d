//! Errors that come through rmcp, told in the words of Hallpass's own transport.

use std::{error::Error, fmt};

use hallpass::{Diagnostic, Remedy, SessionError, TransportError};

use crate::{
    exit::{Code, CommandError},
    text,
};

/// A failure of rmcp: what the transport behind it says, else rmcp's own words.
pub(crate) fn failed(error: impl Error + Send + Sync + 'static) -> CommandError {
    let error = ThroughRmcp(Box::new(error));
    let behind = TransportError::find_in_chain(&*error.0);
    let remedy = behind.map_or(Remedy::Report, Diagnostic::remedy);
    let hints = behind.map(Diagnostic::hints).unwrap_or_default();
    let refused = matches!(
        behind,
        Some(
            TransportError::TooManyChallenges(_)
                | TransportError::Session(SessionError::Terminated(_))
        )
    );
    let failed = hints
        .into_iter()
        .fold(CommandError::with_remedy(error, remedy), CommandError::hint);
    if refused {
        failed.code(Code::Refused)
    } else {
        failed
    }
}

/// An error of rmcp whose text is that of the transport error behind it: rmcp's own wrapping names
/// types, and repeats what it wraps.
#[derive(Debug)]
struct ThroughRmcp(Box<dyn Error + Send + Sync>);

impl fmt::Display for ThroughRmcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TransportError::find_in_chain(&*self.0) {
            Some(behind) => fmt::Display::fmt(behind, f),
            // It may hold a message of the server's.
            None => f.write_str(&text::line(&self.0.to_string())),
        }
    }
}

impl Error for ThroughRmcp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match TransportError::find_in_chain(&*self.0) {
            Some(behind) => behind.source(),
            None => self.0.source(),
        }
    }
}
