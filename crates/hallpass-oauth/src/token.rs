//! The token endpoint (RFC 6749 §3.2): one module for each direction.

mod error;
mod request;
mod response;

pub use error::{TokenError, TokenErrorClass, dpop_nonce};
pub use request::TokenRequest;
pub(crate) use request::grant_type;
pub use response::TokenResponse;
