//! A token endpoint in memory: it renews whatever comes, and counts.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Response, header};

#[derive(Debug, Default)]
pub(crate) struct TokenEndpoint(AtomicUsize);

impl TokenEndpoint {
    pub(crate) fn answer(&self) -> Response<Bytes> {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        let body = serde_json::json!({
            "access_token": format!("access-{number}"),
            "refresh_token": format!("refresh-{number}"),
            "token_type": "Bearer",
            "expires_in": 3600,
        });
        Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
