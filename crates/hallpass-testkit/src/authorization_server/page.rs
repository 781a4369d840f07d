//! The pages that a user sees.

use http::StatusCode;

use crate::reply::Reply;

/// What stands on the consent page.
#[derive(Debug)]
pub(super) struct Consent<'a> {
    pub(super) action: &'a str,
    pub(super) ticket: &'a str,
    pub(super) client: &'a str,
    pub(super) resource: Option<&'a str>,
    pub(super) scope: &'a str,
}

/// The page that asks.
pub(super) fn consent(consent: &Consent<'_>) -> String {
    let resource = consent.resource.unwrap_or("(no resource was named)");
    let scope = if consent.scope.is_empty() {
        "the usual".to_owned()
    } else {
        escaped(consent.scope)
    };
    page(
        "May it?",
        &format!(
            "<h1>May <em>{client}</em> use your tools?</h1>\
             <dl><dt>It wants a token for</dt><dd><code>{resource}</code></dd>\
             <dt>with the scopes</dt><dd>{scope}</dd></dl>\
             <form method=\"post\" action=\"{action}\">\
             <input type=\"hidden\" name=\"ticket\" value=\"{ticket}\">\
             <button name=\"decision\" value=\"allow\" autofocus>Allow</button> \
             <button name=\"decision\" value=\"deny\" class=\"quiet\">Deny</button></form>\
             <p>This is a demonstration on your own machine. No account is involved.</p>",
            client = escaped(consent.client),
            resource = escaped(resource),
            action = escaped(consent.action),
            ticket = escaped(consent.ticket),
        ),
    )
}

/// The page for a request that can't be sent back to its client.
pub(super) fn broken(why: &str) -> Reply {
    let body = format!("<h1>This can't go on</h1><p>{}.</p>", escaped(why));
    Reply::html(StatusCode::BAD_REQUEST, page("Refused", &body))
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:12vh auto;\
         padding:0 1em;color:#223}}h1{{font-size:1.5em}}dt{{color:#667}}dd{{margin:0 0 .8em}}\
         button{{font:inherit;padding:.5em 1.6em;border:0;border-radius:.4em;\
         background:#2456c7;color:#fff}}button.quiet{{background:#e4e7ee;color:#223}}\
         p{{color:#667;font-size:.9em;margin-top:2em}}</style>{body}</html>\n"
    )
}

/// Text that stands in HTML, in an element or in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
