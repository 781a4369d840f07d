//! Errors that come through rmcp, told in the words of Hallpass's own transport.

use hallpass::{ClientError, Diagnostic as _, SessionError, TransportError};

use crate::exit::{Code, CommandError};

/// A failure of rmcp: what the transport behind it says, or the server, or what rmcp means.
pub(crate) fn failed(error: impl Into<ClientError>) -> CommandError {
    let error = error.into();
    let refused = matches!(
        error.transport_error(),
        Some(
            TransportError::TooManyChallenges(_)
                | TransportError::Session(SessionError::Terminated(_))
        )
    );
    let (remedy, hints) = (error.remedy(), error.hints());
    let failed = CommandError::with_remedy(error, remedy);
    let failed = hints.into_iter().fold(failed, CommandError::hint);
    if refused {
        failed.code(Code::Refused)
    } else {
        failed
    }
}
