//! Whether an authorization server accepts a client and its redirect URI: a look at what its authorization
//! endpoint would show the browser.

use bytes::Bytes;
use hallpass_core::{
    HttpClient, ServerUrl,
    http::{Body, Redirects, RequestOptions, RequestTarget},
};
use hallpass_oauth::RedirectUriRefusal;
use http::{HeaderMap, Request, Response, StatusCode, header};
use serde_json::Value;
use url::Url;

/// What an authorization endpoint shows in the place of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Something for the user, an error of another kind, or no answer.
    Accepted,
    /// An error page whose words name no reason that is known here, as an empty one or one in another
    /// language.
    Unexplained,
    /// An error that names the client or its redirect URI.
    Refused {
        refusal: Refusal,
        /// Whether no user can go on from there: the error is one for programs, or its page has nothing
        /// to fill in.
        is_certain: bool,
    },
}

/// What an authorization endpoint says is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not know the client, or does not accept it.
    Client,
    /// It does not accept the redirect URI for the client.
    RedirectUri(RedirectUriRefusal),
}

/// Sends the authorization request as the browser does. A server that has forgotten a client, or that
/// does not accept the redirect URI, shows an error page there and does not send the browser back
/// (RFC 6749 §4.1.2.1), so the login would end at its time limit.
pub(crate) async fn verdict(http: &dyn HttpClient, server: &ServerUrl, url: &Url) -> Verdict {
    let Some(answer) = look(http, server, url).await else {
        return Verdict::Accepted;
    };
    let (head, body) = answer.into_parts();
    if !may_refuse(head.status) {
        let refusal = refusal_in_redirect(url, head.status, &head.headers);
        return refusal.map_or(Verdict::Accepted, Verdict::certain);
    }
    let page = read_page(body).await;
    verdict_of_page(head.status, &String::from_utf8_lossy(&page))
}

/// Whether a page with this status may say what is wrong with the request.
pub(crate) fn may_refuse(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED)
}

/// A page, or the beginning of a longer one.
pub(crate) async fn read_page(mut body: Body) -> Vec<u8> {
    let mut page = Vec::new();
    while let Some(Ok(chunk)) = body.chunk().await {
        page.extend_from_slice(&chunk);
        if page.len() > MAX_PAGE {
            break;
        }
    }
    page
}

impl Verdict {
    fn certain(refusal: Refusal) -> Self {
        Self::Refused {
            refusal,
            is_certain: true,
        }
    }
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
pub(crate) async fn look(
    http: &dyn HttpClient,
    server: &ServerUrl,
    url: &Url,
) -> Option<Response<Body>> {
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
pub(crate) const MAX_PAGE: usize = 64 * 1024;

/// What a page, or the JSON in its place, means. A 401 may be the beginning of a sign-in (RFC 4559), and a
/// page with a form is one for the user, whatever its words are.
pub(crate) fn verdict_of_page(status: StatusCode, page: &str) -> Verdict {
    let page = page.trim_start_matches('\u{feff}').trim().to_lowercase();
    let is_error_page = status == StatusCode::BAD_REQUEST
        && !["<form", "<input"].iter().any(|part| page.contains(part));
    let json = serde_json::from_str::<Value>(&page).ok();
    let code = json.as_ref().and_then(|json| json.get("error")?.as_str());
    if let Some(refusal) = code.and_then(refusal_of_code) {
        return Verdict::certain(refusal);
    }
    let words = match &json {
        Some(json) => {
            let mut words = String::new();
            add_words(json, &mut words);
            words
        }
        None => visible_text(&page),
    };
    match refusal_in_words(&words) {
        Some(refusal) => Verdict::Refused {
            refusal,
            is_certain: is_error_page,
        },
        None if is_error_page && matches!(code, None | Some("invalid_request")) => {
            Verdict::Unexplained
        }
        None => Verdict::Accepted,
    }
}

/// The members of JSON that say what went wrong.
const MESSAGE_MEMBERS: [&str; 8] = [
    "error",
    "error_description",
    "message",
    "detail",
    "msg",
    "errors",
    "title",
    "reason",
];

/// Adds the texts in JSON that say what went wrong.
fn add_words(json: &Value, words: &mut String) {
    match json {
        Value::String(text) => words.extend([text, "\n"]),
        Value::Array(values) => values.iter().for_each(|value| add_words(value, words)),
        Value::Object(members) => {
            for member in MESSAGE_MEMBERS.iter().filter_map(|name| members.get(*name)) {
                add_words(member, words);
            }
        }
        _ => {}
    }
}

/// The words of a page in lower case that a user sees, its title among them.
fn visible_text(page: &str) -> String {
    /// What is hidden, from behind the bracket to before the end of the last tag.
    const HIDDEN: [(&str, &str); 3] = [("!--", "--"), ("script", "</script"), ("style", "</style")];
    let mut text = String::new();
    let mut rest = page;
    while page.starts_with('<')
        && let Some((before, tag)) = rest.split_once('<')
    {
        text.extend([before, " "]);
        let mut hidden = HIDDEN
            .iter()
            .filter_map(|(begin, end)| Some((tag.strip_prefix(begin)?, *end)));
        let tag = match hidden.next() {
            Some((content, end)) => content.split_once(end).unwrap_or_default().1,
            None => tag,
        };
        rest = tag.split_once('>').unwrap_or_default().1;
    }
    text + rest
}

/// What an error's words say is wrong: the first that they name counts, for what is said about a redirect
/// URI may name the client as well.
fn refusal_in_words(words: &str) -> Option<Refusal> {
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
        (_, Some(_)) => Some(Refusal::RedirectUri(RedirectUriRefusal::read(words))),
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
pub(crate) fn refusal_in_redirect(
    endpoint: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Refusal> {
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
    const CLIENT: Option<Refusal> = Some(Refusal::Client);

    /// Whether a page refuses, and whether that is certain.
    #[track_caller]
    fn check(status: u16, page: &str, refusal: Option<Refusal>, is_certain: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let expected = match refusal {
            Some(refusal) => Verdict::Refused {
                refusal,
                is_certain,
            },
            None if is_certain => Verdict::Unexplained,
            None => Verdict::Accepted,
        };
        assert_eq!(verdict_of_page(status, page), expected, "{page}");
    }

    #[test]
    fn client_or_redirect_uri_is_refused_where_the_page_says_so() {
        check(400, r#"{"error":"invalid_client"}"#, CLIENT, true);
        let words = r#"{"error":"invalid_request","error_description":"Client ID 'c' not found"}"#;
        check(400, words, CLIENT, true);
        let words = r#"{"errors":[{"message":"Unknown client"}]}"#;
        check(400, words, CLIENT, true);
        check(400, "<h1>Unknown client</h1>", CLIENT, true);
        check(400, "<TITLE>Invalid redirect_uri</TITLE>", URI, true);
        check(400, "Invalid redirect_uri <http://127.0.0.1/>", URI, true);
        check(400, r#"{"error":"invalid_redirect_uri"}"#, URI, true);
        let page = "<p>The redirect URI is not registered for the client</p>";
        check(400, page, URI, true);
        let localhost = Refusal::RedirectUri(RedirectUriRefusal::Localhost);
        let page = "redirect_uri must be on localhost";
        check(400, page, Some(localhost), true);
        check(
            400,
            r#"{"error":"invalid_scope","for":"client"}"#,
            None,
            false,
        );
    }

    #[test]
    fn page_that_a_user_can_go_on_from_is_no_certain_refusal() {
        let sign_in = r#"<form><input type="hidden" name="redirect_uri" value="x"></form>"#;
        check(401, sign_in, None, false);
        check(400, sign_in, None, false);
        let form = "<h1>Unknown client</h1><form><input name=\"other\"></form>";
        check(400, form, CLIENT, false);
        check(401, "<h1>Unknown client</h1>", CLIENT, false);
        // For programs.
        check(401, r#"{"error":"unauthorized_client"}"#, CLIENT, true);
    }

    #[test]
    fn words_that_no_user_sees_are_no_refusal() {
        for hidden in [
            "<script>if (e === 'unknown client') redirect_uri = 1;</script >",
            "<style>.redirect_uri {}</style>",
            "<!-- the redirect_uri > here -->",
            r#"<a href="?redirect_uri=x">"#,
        ] {
            let page = format!("<html>{hidden}<h1>Bad request</h1>");
            check(400, &page, None, true);
            let page = format!("<html>{hidden}<h1>Unknown client</h1>");
            check(400, &page, CLIENT, true);
        }
    }

    #[test]
    fn error_page_without_a_known_reason_is_unexplained() {
        for page in [
            "",
            "<h1>Client inconnu</h1>",
            "{\"error\":\"invalid_request\"}",
        ] {
            check(400, page, None, true);
            check(401, page, None, false);
        }
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
