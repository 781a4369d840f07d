//! Why a proxy ends early.

use std::{error::Error, fmt, io};

use hallpass_core::Remedy;

/// The host can't be talked to any more.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// What it says can't be read.
    Read(io::Error),
    /// What it is told can't be written.
    Write(io::Error),
}

impl ProxyError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        Remedy::Report
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "the host's messages can't be read",
            Self::Write(_) => "nothing can be written to the host",
        })
    }
}

impl Error for ProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) | Self::Write(error) => Some(error),
        }
    }
}
