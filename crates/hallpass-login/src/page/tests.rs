use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::*;

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[test]
fn content_security_policy_allows_only_the_page_s_own_style_and_script() {
    let expected = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    assert_eq!(POLICY, expected);
}

#[test]
fn server_text_is_escaped_and_shortened() {
    let page = Page::Failed {
        server: "https://mcp.example/mcp".to_owned(),
        why: format!(
            "<script>alert('x')</script>&\"\u{202e}\u{0}{}",
            "long ".repeat(100)
        ),
    };
    let html = page.html();
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;long"));
    assert_eq!(html.matches("<script>").count(), 1, "{html}");
    assert!(!html.contains('\u{202e}') && !html.contains('\u{0}'));
    assert!(html.contains("…</p>"), "cut: {html}");
}

#[test]
fn page_has_no_outside_reference_and_is_not_stored() {
    let pages = [
        Page::SignedIn {
            server: "https://mcp.example/<b>".to_owned(),
            client: "A & B".to_owned(),
        },
        Page::Failed {
            server: String::new(),
            why: String::new(),
        },
        Page::Stray(StatusCode::METHOD_NOT_ALLOWED),
        Page::Over,
        Page::BrokenOff,
    ];
    for page in pages {
        let response = response(&page, false);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(response.status(), page.status());
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("content-security-policy"), POLICY);
        assert_eq!(header("connection"), "close");
        let html = page.html();
        for outside in ["http://", "src=", "href=", "url(", "@import"] {
            assert!(!html.contains(outside), "{outside} in {html}");
        }
        assert!(!html.contains("<b>") && !html.contains("A & B"), "{html}");
    }
}
