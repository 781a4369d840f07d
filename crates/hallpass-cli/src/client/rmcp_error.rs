//! Errors that come through rmcp, told in the words of Hallpass's own transport.

use hallpass::{ClientError, Diagnostic as _};

use crate::exit::CommandError;

/// A failure of rmcp: what the transport behind it says, or the server, or what rmcp means.
pub(crate) fn failed(error: impl Into<ClientError>) -> CommandError {
    let error = error.into();
    let (remedy, hints) = (error.remedy(), error.hints());
    let failed = CommandError::with_remedy(error, remedy);
    hints.into_iter().fold(failed, CommandError::hint)
}
