//! A URL as it may be shown: a query may hold an API key, user information a password.

use url::Url;

/// The URL without query, fragment and user information.
pub fn url_without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // These two fail only for URLs that can't hold user information in the first place.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// The URL [without its query](url_without_query), with `?…` in place of a query: it was asked with one.
pub fn redacted_url(url: &Url) -> String {
    let mut text = String::from(url_without_query(url));
    if url.query().is_some() {
        text.push_str("?…");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, bare: &str, shown: &str) {
        let url = Url::parse(url).unwrap();
        assert_eq!(url_without_query(&url).as_str(), bare);
        assert_eq!(redacted_url(&url), shown);
    }

    #[test]
    fn redacted_url_holds_no_possible_secret() {
        let plain = "https://mcp.example/mcp";
        check(plain, plain, plain);
        check(
            "https://user:password@mcp.example:8443/mcp?key=secret#token",
            "https://mcp.example:8443/mcp",
            "https://mcp.example:8443/mcp?…",
        );
        check(
            "https://a.example?",
            "https://a.example/",
            "https://a.example/?…",
        );
        check(
            "mailto:me@a.example?x=y",
            "mailto:me@a.example",
            "mailto:me@a.example?…",
        );
    }
}
