//! OAuth 2.1 grants as pure values: request out, response in.

mod answer;
mod authorization;
mod callback;
mod client_auth;
mod form;
mod hint;
mod registration;
mod retry_after;
mod revocation;
mod token;
mod wording;

pub use authorization::{AuthorizationRequest, AuthorizationRequestError};
pub use callback::{AuthorizationCode, CallbackError, CallbackErrorKind, PendingAuthorization};
pub use client_auth::{ClientAuthentication, Means, negotiate};
pub use registration::{RegistrationError, RegistrationRequest, registration_from_http};
pub use retry_after::RetryAfter;
pub use revocation::{RevocationRequest, revocation_from_http};
pub use token::{TokenError, TokenErrorClass, TokenRequest, TokenResponse};
