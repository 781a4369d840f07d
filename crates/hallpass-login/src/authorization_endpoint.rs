//! What an authorization endpoint answers to the request of a login, before a user sees it.

use hallpass_core::{HttpClient, ServerUrl, ServerWords};
use hallpass_oauth::{CallbackError, PendingAuthorization, RedirectUriRefusal};
use http::{HeaderMap, StatusCode, header};
use url::Url;

use crate::client_check::{self, Refusal, Verdict};

/// What the answer of an authorization endpoint tells about a login.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizationEndpointVerdict {
    /// The login goes on from there, or there is no answer.
    Ready,
    /// It does not know the client, or does not accept it.
    RefusesClient,
    /// It does not accept the redirect URI for the client.
    RefusesRedirectUri(RedirectUriRefusal),
    /// It sends the browser back with an error, such as `invalid_request` (RFC 6749 §4.1.2.1).
    RefusesRequest(CallbackError),
    /// It shows a static page, with nothing to fill in or to follow; the words of its title.
    StaticPage(Option<ServerWords>),
}

/// Sends the authorization request as the browser does.
pub(crate) async fn ask(
    http: &dyn HttpClient,
    server: &ServerUrl,
    pending: &PendingAuthorization,
) -> AuthorizationEndpointVerdict {
    let Some(answer) = client_check::look(http, server, pending.url()).await else {
        return AuthorizationEndpointVerdict::Ready;
    };
    let (head, body) = answer.into_parts();
    if head.status.is_redirection() {
        return in_redirect(pending, head.status, &head.headers);
    }
    let page = client_check::read_page(body).await;
    if head.status.is_success() {
        return if is_static_page(&head.headers, &page) {
            AuthorizationEndpointVerdict::StaticPage(ServerWords::in_body(&page, None))
        } else {
            AuthorizationEndpointVerdict::Ready
        };
    }
    if !client_check::may_refuse(head.status) {
        return AuthorizationEndpointVerdict::Ready;
    }
    match client_check::verdict_of_page(head.status, &String::from_utf8_lossy(&page)) {
        Verdict::Refused { refusal, .. } => refusal.into(),
        Verdict::Accepted | Verdict::Unexplained => AuthorizationEndpointVerdict::Ready,
    }
}

impl From<Refusal> for AuthorizationEndpointVerdict {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Client => Self::RefusesClient,
            Refusal::RedirectUri(refusal) => Self::RefusesRedirectUri(refusal),
        }
    }
}

/// What a redirect means: back to the client with an error, or to a page of errors.
fn in_redirect(
    pending: &PendingAuthorization,
    status: StatusCode,
    headers: &HeaderMap,
) -> AuthorizationEndpointVerdict {
    if let Some(refusal) = client_check::refusal_in_redirect(pending.url(), status, headers) {
        return refusal.into();
    }
    let location = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| pending.url().join(location).ok());
    let query = location
        .as_ref()
        .filter(|location| leads_back(location, pending.redirect_uri()))
        .and_then(Url::query);
    match query.map(|query| pending.receive(query)) {
        Some(Err(error)) if error.is_fatal() => AuthorizationEndpointVerdict::RefusesRequest(error),
        _ => AuthorizationEndpointVerdict::Ready,
    }
}

fn leads_back(location: &Url, redirect_uri: &str) -> bool {
    let mut bare = location.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    Url::parse(redirect_uri).is_ok_and(|redirect_uri| redirect_uri == bare)
}

/// Whether a page has nothing that a user, or a script, goes on with.
fn is_static_page(headers: &HeaderMap, page: &[u8]) -> bool {
    const INTERACTIVE_ELEMENTS: [&str; 9] = [
        "<a ",
        "<button",
        "<embed",
        "<form",
        "<iframe",
        "<input",
        "<meta http",
        "<object",
        "<script",
    ];
    let kind = headers.get(header::CONTENT_TYPE);
    let is_html = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
    let page = String::from_utf8_lossy(page).to_lowercase();
    is_html
        && page.len() < client_check::MAX_PAGE
        && !page.trim().is_empty()
        && !INTERACTIVE_ELEMENTS.iter().any(|part| page.contains(part))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn page_without_interactive_elements_is_static() {
        let check = |kind: &'static str, page: &str, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(
                is_static_page(&headers, page.as_bytes()),
                expected,
                "{page}"
            );
        };
        let html = "text/html; charset=utf-8";
        check(html, "<title>Approval required</title>", true);
        check(html, "", false);
        check("text/plain", "Approval required", false);
        check(html, &"x".repeat(client_check::MAX_PAGE), false);
        for element in [
            "<FORM method=post>",
            "<input name=user>",
            "<script src=app.js>",
            "<a href=/login>",
            "<meta http-equiv=refresh>",
        ] {
            check(html, &format!("<title>Sign in</title>{element}"), false);
        }
    }
}
