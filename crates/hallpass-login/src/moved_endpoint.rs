//! Endpoints that redirect: a request that carries credentials follows no redirect (RFC 9700 §4.12), so the
//! user has to name the final URLs.

use bytes::Bytes;
use hallpass_core::{Hint, Remedy, ServerMetadata, redacted_url};
use http::{Request, header};
use url::Url;

use crate::{LoginError, LoginErrorKind, login::Login, token_endpoint};

/// What helps where `endpoint` redirects to `target`: the endpoints of `moved`, and what to know of another
/// server.
pub fn moved_endpoint_hints(moved: &ServerMetadata, endpoint: &Url, target: &Url) -> Vec<Hint> {
    let mut hints = vec![moved.endpoint_settings()];
    if endpoint.origin() != target.origin() {
        hints.push(Hint::text(format!(
            "{} is another server than {}: set it only if both belong to the same operator",
            target.origin().ascii_serialization(),
            endpoint.origin().ascii_serialization()
        )));
    }
    hints
}

impl Login<'_> {
    /// The registration or the token endpoint leads to `target`.
    pub(crate) async fn endpoint_moved(
        &self,
        kind: LoginErrorKind,
        endpoint: &Url,
        target: &Url,
    ) -> LoginError {
        let what = format!(
            "{} leads to {}, and requests there follow no redirect",
            redacted_url(endpoint),
            redacted_url(target)
        );
        let error = LoginError::new(kind, what).with_remedy(Remedy::Configure);
        let metadata = self.discovered.server.clone();
        let token = metadata.token_endpoint.clone();
        let mut moved = metadata.with_moved_endpoint(endpoint, target);
        if let Some(token) = token.filter(|token| token != endpoint)
            && let Some(target) = self.redirect_target(&token).await
        {
            moved = moved.and_then(|metadata| metadata.with_moved_endpoint(&token, &target));
        }
        error
            .with_hints(moved.map_or_else(Vec::new, |moved| {
                moved_endpoint_hints(&moved, endpoint, target)
            }))
            .with_hint("the metadata has to name the final URLs: contact the server's operator")
    }

    /// Where an endpoint leads a request that asks for nothing; without a query.
    async fn redirect_target(&self, endpoint: &Url) -> Option<Url> {
        let request = Request::post(endpoint.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::new())
            .ok()?;
        let answer = self.token_client().fetch(request).await.ok()?;
        token_endpoint::redirect_target(&answer, endpoint)
    }
}
