//! Whether an authorization server accepts a client and its redirect URI, asked before the browser opens.

use bytes::Bytes;
use hallpass_core::{
    HttpClient, ServerUrl,
    http::{Body, Redirects, RequestOptions, RequestTarget},
};
use hallpass_oauth::RedirectUriRefusal;
use http::{HeaderMap, Request, Response, StatusCode, header};
use url::Url;

/// What an authorization endpoint says is wrong with a request, in the place of a page for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not know the client, or does not accept it.
    Client,
    /// It does not accept the redirect URI for the client.
    RedirectUri(RedirectUriRefusal),
}

/// Sends the authorization request as the browser will. A server that has forgotten a client, or that
/// does not accept the redirect URI, shows an error page there and does not send the browser back
/// (RFC 6749 §4.1.2.1), so the login would end at its time limit. Anything but a plain refusal that
/// names one of the two counts as a yes.
pub(crate) async fn refusal(
    http: &dyn HttpClient,
    server: &ServerUrl,
    url: &Url,
) -> Option<Refusal> {
    let (head, mut body) = look(http, server, url).await?.into_parts();
    if !matches!(
        head.status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
    ) {
        return refusal_in_redirect(url, head.status, &head.headers);
    }
    let mut page = Vec::new();
    while let Some(Ok(chunk)) = body.chunk().await {
        page.extend_from_slice(&chunk);
        if page.len() > MAX_PAGE {
            break;
        }
    }
    refusal_in_words(&String::from_utf8_lossy(&page))
}

/// What a guessed endpoint answers: `None` where it may be an authorization endpoint.
/// Its page is for the user, so only an absence tells.
pub(crate) async fn absence(
    http: &dyn HttpClient,
    server: &ServerUrl,
    url: &Url,
) -> Option<StatusCode> {
    let status = look(http, server, url).await?.status();
    let is_absent = matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::METHOD_NOT_ALLOWED
    );
    is_absent.then_some(status)
}

/// The answer to a browser's request.
async fn look(http: &dyn HttpClient, server: &ServerUrl, url: &Url) -> Option<Response<Body>> {
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
        Ok(answer) => Some(answer),
        Err(error) => {
            tracing::debug!(%error, "no answer from the authorization endpoint to a look at it");
            None
        }
    }
}

/// How much of a page is read.
const MAX_PAGE: usize = 64 * 1024;

/// What a page, or the JSON in its place, says is wrong: the first that it names counts, for what is said
/// about a redirect URI may name the client as well.
fn refusal_in_words(page: &str) -> Option<Refusal> {
    let words = page.to_lowercase();
    let first = |any: &[&str]| any.iter().filter_map(|it| words.find(it)).min();
    let is_known = first(NOT_KNOWN).is_none();
    let client = first(&["client"]).filter(|_| !is_known);
    let uri = first(&[
        "redirect uri",
        "redirect_uri",
        "redirect url",
        "redirecturi",
    ]);
    match (client, uri) {
        (Some(client), Some(uri)) if client < uri => Some(Refusal::Client),
        (_, Some(_)) => Some(Refusal::RedirectUri(RedirectUriRefusal::read(&words))),
        (Some(_), None) => Some(Refusal::Client),
        (None, None) => None,
    }
}

/// How a server says that it does not know a client.
const NOT_KNOWN: &[&str] = &[
    "unknown",
    "not known",
    "not found",
    "no such",
    "not exist",
    "invalid client",
    "invalid_client",
    "invalid value for 'client_id'",
    "client is invalid",
    "client id is invalid",
    "client_id is invalid",
    "unregistered",
    "not registered",
    "unauthorized_client",
    "unrecognized",
    "not recognized",
    "expired",
    "deleted",
    "disabled",
];

fn refusal_of_code(code: &str) -> Option<Refusal> {
    match code {
        "invalid_client" | "unauthorized_client" => Some(Refusal::Client),
        "invalid_redirect_uri" => Some(Refusal::RedirectUri(RedirectUriRefusal::Unknown)),
        _ => None,
    }
}

/// What a redirect to a page of errors says is wrong.
fn refusal_in_redirect(endpoint: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Refusal> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let location = endpoint.join(location).ok()?;
    let mut pairs = location
        .query_pairs()
        .filter(|_| status.is_redirection())
        .filter(|(name, _)| name == "error");
    pairs.find_map(|(_, value)| refusal_of_code(&value))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const URI: Option<Refusal> = Some(Refusal::RedirectUri(RedirectUriRefusal::Unknown));

    #[test]
    fn client_or_redirect_uri_is_refused_where_the_page_says_so() {
        let check = |page: &str, expected| assert_eq!(refusal_in_words(page), expected, "{page}");
        check(r#"{"error":"invalid_client"}"#, Some(Refusal::Client));
        let words = r#"{"error":"invalid_request","error_description":"Client ID 'c' not found"}"#;
        check(words, Some(Refusal::Client));
        check("<h1>Unknown client</h1>", Some(Refusal::Client));
        check(r#"{"error":"invalid_redirect_uri"}"#, URI);
        check(
            "<p>The redirect URI is not registered for the client</p>",
            URI,
        );
        let localhost = Refusal::RedirectUri(RedirectUriRefusal::Localhost);
        check("redirect_uri must be on localhost", Some(localhost));
        check("", None);
        check(r#"{"error":"invalid_scope","for":"client"}"#, None);
        check("<h1>Bad request</h1>", None);
    }

    #[test]
    fn client_is_refused_by_error_in_a_redirect() {
        let endpoint = Url::parse("https://as.example/authorize?client_id=c").unwrap();
        let check = |status: u16, location: &'static str, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
            let status = StatusCode::from_u16(status).unwrap();
            let found = refusal_in_redirect(&endpoint, status, &headers);
            assert_eq!(found, expected, "{status} {location}");
        };
        check(302, "https://as.example/login?next=x", None);
        check(302, "http://127.0.0.1:1/callback?code=c&state=s", None);
        check(302, "/error?error=invalid_client", Some(Refusal::Client));
        check(
            303,
            "https://as.example/oops?error=invalid_redirect_uri",
            URI,
        );
        check(
            302,
            "http://127.0.0.1:1/callback?error=login_required",
            None,
        );
        check(200, "/error?error=invalid_client", None);
    }
}
