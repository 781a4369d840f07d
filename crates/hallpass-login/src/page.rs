//! The pages of the callback server: self-contained, without requests of their own, and with each text
//! from a server escaped.

use std::fmt::Write;

use bytes::Bytes;
use hallpass_core::sanitize_line;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// The most characters of a server's own words that a page shows.
const MAX_WORDS: usize = 300;

/// What the browser shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    /// The user is signed in.
    SignedIn {
        /// The server's URL.
        server: String,
        /// The program to go back to.
        client: String,
    },
    /// The sign-in ended without a grant.
    Failed {
        /// The server's URL.
        server: String,
        /// What happened. May hold a server's words.
        why: String,
    },
    /// Not the callback of this sign-in, which goes on.
    Stray(StatusCode),
    /// The callback was received before.
    Over,
    /// The program no longer waits.
    BrokenOff,
}

impl Page {
    /// The HTTP status the page comes with.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::SignedIn { .. } => StatusCode::OK,
            Self::Failed { .. } => StatusCode::BAD_REQUEST,
            Self::Stray(status) => *status,
            Self::Over | Self::BrokenOff => StatusCode::GONE,
        }
    }

    fn parts(&self) -> (&'static str, &'static str, String, String) {
        match self {
            Self::SignedIn { server, client } => (
                "ok",
                "You are signed in",
                format!("<p class=\"what\">{}</p>", escaped(server)),
                format!(
                    "You can close this page and go back to {}.",
                    escaped(client)
                ),
            ),
            Self::Failed { server, why } => (
                "no",
                "You are not signed in",
                format!(
                    "<p class=\"what\">{}</p><p class=\"why\">{}</p>",
                    escaped(server),
                    escaped(&cut(why))
                ),
                "Close this page; the program you came from says what to do.".to_owned(),
            ),
            Self::Stray(_) => (
                "no",
                "Nothing to see here",
                String::new(),
                "A sign-in waits on this port, and this was not its answer.".to_owned(),
            ),
            Self::Over => (
                "ok",
                "This sign-in has its answer",
                String::new(),
                "You can close this page.".to_owned(),
            ),
            Self::BrokenOff => (
                "no",
                "This sign-in has ended already",
                String::new(),
                "Close this page and start the sign-in again.".to_owned(),
            ),
        }
    }

    /// The document.
    pub(crate) fn html(&self) -> String {
        let (class, title, body, foot) = self.parts();
        let mark = if class == "ok" { "&#10003;" } else { "&#33;" };
        let mut html = String::with_capacity(2048);
        // Writing to a string does not fail.
        let _ = write!(
            html,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<script>{SCRIPT}</script>\n</head>\n\
             <body><main class=\"{class}\"><div class=\"mark\" aria-hidden=\"true\">{mark}</div>\
             <h1>{title}</h1>{body}<p class=\"foot\">{foot}</p></main></body>\n</html>\n"
        );
        html
    }
}

/// The page with the headers that keep it and its URL to itself.
pub(crate) fn response(page: &Page, head_only: bool) -> Response<Full<Bytes>> {
    let html = if head_only {
        Bytes::new()
    } else {
        Bytes::from(page.html())
    };
    let mut response = Response::new(Full::new(html));
    *response.status_mut() = page.status();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if page.status() == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
    }
    response
}

/// `no-store` and `no-referrer`, because the page's URL holds an authorization code (RFC 9700
/// §4.2.4, §4.3.1); nothing is loaded, framed, submitted or run but the two texts below.
const HEADERS: [(HeaderName, &str); 9] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::CONNECTION, "close"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
];

/// The hashes are those of [`STYLE`] and [`SCRIPT`]; a test holds them together.
const POLICY: &str = "default-src 'none'; \
     style-src 'sha256-MMxbKezjSiUddOS3EmGm84yaeBNyi9cbLL/qsYF9Guw='; \
     script-src 'sha256-8A+3er73YJf04rRHGhbZwZQACPiiipi9EPduIeAAIDk='; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Takes the code out of the address bar and the history.
const SCRIPT: &str = "history.replaceState(null,\"\",location.pathname)";

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;\
font:17px/1.5 system-ui,sans-serif;background:#f3f4f6;color:#1b1f24}\
main{max-width:30rem;margin:1.5rem;padding:2.5rem;border-radius:14px;background:#fff;\
text-align:center;box-shadow:0 1px 3px #0002,0 10px 30px #0001}\
.mark{width:3.2rem;height:3.2rem;margin:0 auto 1rem;border-radius:50%;\
font:bold 1.7rem/3.2rem system-ui,sans-serif;color:#fff;background:#b3261e}\
.ok .mark{background:#1a7f4b}\
h1{font-size:1.35rem;margin:0 0 .6rem}\
p{margin:.4rem 0;overflow-wrap:anywhere}\
.what{font-family:ui-monospace,monospace;font-size:.9rem}\
.why{text-align:left;border-left:3px solid #b3261e;padding-left:.8rem}\
.foot{opacity:.75;margin-top:1.2rem}\
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e8eaed}\
main{background:#1f2327;box-shadow:none}}";

/// A server's words, cut to what fits on a page.
fn cut(words: &str) -> String {
    let words = sanitize_line(words);
    let mut kept: String = words.chars().take(MAX_WORDS).collect();
    if words.chars().nth(MAX_WORDS).is_some() {
        kept.push('…');
    }
    kept
}

/// Foreign text as it stands between tags or in a quoted attribute.
fn escaped(text: &str) -> String {
    let text = sanitize_line(text);
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests;
