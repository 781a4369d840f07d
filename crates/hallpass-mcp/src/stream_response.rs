//! What the answer to the GET of an event stream means for the next GET.

use http::StatusCode;

use crate::{Content, Response};

/// The answer to the GET of an event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamResponse {
    /// It is the stream.
    Open,
    /// Another request may open it: the server or a gateway is busy or fails.
    Retry,
    /// 404: in a session, the session is lost, or the server has no such route.
    NotFound,
    /// The server has no such stream.
    Unavailable,
}

impl StreamResponse {
    /// What `response` means. Whether it is about authorization has been decided before.
    pub fn new(response: &Response) -> Self {
        match response.status() {
            status if status.is_success() && response.content() == Content::Events => Self::Open,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::NOT_IMPLEMENTED => Self::Unavailable,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Self::Retry
            }
            status if status.is_server_error() => Self::Retry,
            _ => Self::Unavailable,
        }
    }
}
