//! Whether an authorization server still accepts a client that was registered earlier.

use bytes::Bytes;
use hallpass_core::{
    HttpClient, ServerUrl,
    http::{Redirects, RequestOptions, RequestTarget},
};
use http::{HeaderMap, Request, StatusCode, header};
use url::Url;

/// Sends the authorization request as the browser will. A server that has forgotten a client shows an
/// error page there and does not send the browser back (RFC 6749 §4.1.2.1), so the login would end at
/// its time limit. Anything except a plain refusal counts as a yes.
pub(crate) async fn is_accepted(http: &dyn HttpClient, server: &ServerUrl, url: &Url) -> bool {
    match look(http, server, url).await {
        Some((status, headers)) => !refuses_client(url, status, &headers),
        None => true,
    }
}

/// What a guessed endpoint answers: `None` where it may be an authorization endpoint.
/// Its page is for the user, so only an absence tells.
pub(crate) async fn absence(
    http: &dyn HttpClient,
    server: &ServerUrl,
    url: &Url,
) -> Option<StatusCode> {
    let (status, _) = look(http, server, url).await?;
    let is_absent = matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::METHOD_NOT_ALLOWED
    );
    is_absent.then_some(status)
}

/// The head of the answer to a browser's request.
async fn look(
    http: &dyn HttpClient,
    server: &ServerUrl,
    url: &Url,
) -> Option<(StatusCode, HeaderMap)> {
    let request = Request::get(url.as_str())
        // What a navigation sends: some servers answer a script in another way.
        .header(header::ACCEPT, "text/html,*/*;q=0.8")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .body(Bytes::new());
    let request = request.ok()?;
    let options = RequestOptions {
        target: RequestTarget::AuthorizationServer,
        redirects: Redirects::None,
        ..RequestOptions::metadata(server)
    };
    match http.open(request, options).await {
        Ok(answer) => Some((answer.status(), answer.headers().clone())),
        Err(error) => {
            tracing::debug!(%error, "no answer from the authorization endpoint to a look at it");
            None
        }
    }
}

/// Whether an authorization endpoint says that it does not accept the client: by its status, or by a
/// redirect with the reason.
fn refuses_client(endpoint: &Url, status: StatusCode, headers: &HeaderMap) -> bool {
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
        return true;
    }
    let location = headers
        .get(header::LOCATION)
        .and_then(|location| endpoint.join(location.to_str().ok()?).ok());
    status.is_redirection()
        && location.is_some_and(|location| {
            location.query_pairs().any(|(name, value)| {
                name == "error"
                    && matches!(
                        &*value,
                        "invalid_client" | "invalid_redirect_uri" | "unauthorized_client"
                    )
            })
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn client_is_refused_by_status_or_error_in_a_redirect() {
        let endpoint = Url::parse("https://as.example/authorize?client_id=c").unwrap();
        let check = |status: u16, location: Option<&'static str>, expected: bool| {
            let mut headers = HeaderMap::new();
            if let Some(location) = location {
                headers.insert(header::LOCATION, HeaderValue::from_static(location));
            }
            let status = StatusCode::from_u16(status).unwrap();
            let found = refuses_client(&endpoint, status, &headers);
            assert_eq!(found, expected, "{status} {location:?}");
        };
        check(400, None, true);
        check(401, None, true);
        for status in [200, 403, 404, 405, 429, 500, 503] {
            check(status, None, false);
        }
        check(302, Some("https://as.example/login?next=x"), false);
        check(
            302,
            Some("http://127.0.0.1:1/callback?code=c&state=s"),
            false,
        );
        check(302, Some("/error?error=invalid_client"), true);
        check(
            303,
            Some("https://as.example/oops?error=invalid_redirect_uri"),
            true,
        );
        check(
            302,
            Some("http://127.0.0.1:1/callback?error=login_required"),
            false,
        );
        check(200, Some("/error?error=invalid_client"), false);
    }
}
