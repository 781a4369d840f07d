//! How large a message of the server may be.

use std::fmt;

use hallpass_core::Hint;

/// The largest message of a server that is read where nothing else is set: 32 MiB. A JSON body is one
/// message, and so is each event of a stream.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

const MIB: usize = 1024 * 1024;

/// The setting that says how large a message may be.
pub(crate) fn hint() -> Hint {
    Hint::setting("max_message_size", None)
}

/// A size in words: whole MiB where it is that, else bytes.
pub(crate) struct Size(pub(crate) usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0 && self.0.is_multiple_of(MIB) {
            write!(f, "{} MiB", self.0 / MIB)
        } else {
            write!(f, "{} bytes", self.0)
        }
    }
}
