//! Which redirects are followed, and what each hop carries.

use std::sync::Mutex;

use hallpass_core::{Diagnostic as _, Remedy, block_on};
use hallpass_mcp::{Authorization, Error, Request};
use hallpass_testkit::ScriptedResponse;
use http::{HeaderMap, Method};
use url::Url;

use crate::fixture::{SERVER, answer, endpoint, sent};

/// Proves each hop with a number of its own, and notes the nonces that come back.
#[derive(Debug, Default)]
struct Proof {
    made: Mutex<usize>,
    nonces: Mutex<Vec<String>>,
}

impl Authorization for Proof {
    fn authorize(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        headers.insert("dpop", format!("{made} {method} {}", url.path()).parse()?);
        Ok(())
    }

    fn record_response(&self, url: &Url, headers: &HeaderMap) {
        if let Some(nonce) = headers.get("dpop-nonce") {
            let nonce = format!("{} {}", url.path(), nonce.to_str().unwrap());
            self.nonces.lock().unwrap().push(nonce);
        }
    }
}

fn redirect(status: u16, location: &str) -> ScriptedResponse {
    answer(status).with_header("location", location)
}

/// Sends a request through `answers`; says what each hop was, then the end.
fn hops(request: &Request, answers: impl IntoIterator<Item = ScriptedResponse>) -> Vec<String> {
    let (endpoint, script) = endpoint(answers);
    let end = match block_on(endpoint.send(request, &Proof::default())) {
        Ok(response) => format!("{} from {}", response.status().as_u16(), response.url()),
        Err(error) => format!("error: {error}"),
    };
    let mut hops: Vec<_> = sent(&script)
        .iter()
        .map(|sent| {
            let request = &sent.request;
            let proof = request.headers()["dpop"].to_str().unwrap();
            let body = String::from_utf8_lossy(request.body());
            format!("{} [{proof}] {body}", request.uri())
        })
        .collect();
    hops.push(end);
    hops
}

#[test]
fn redirect_keeps_method_and_body_with_a_fresh_proof() {
    for status in [307, 308] {
        assert_eq!(
            hops(
                &Request::post("{}"),
                [
                    redirect(status, "/v2/mcp?tenant=1"),
                    redirect(status, "https://mcp.example.com:443/v3#x"),
                    answer(200),
                ],
            ),
            [
                "https://mcp.example.com/mcp [1 POST /mcp] {}",
                "https://mcp.example.com/v2/mcp?tenant=1 [2 POST /v2/mcp] {}",
                "https://mcp.example.com/v3 [3 POST /v3] {}",
                "200 from https://mcp.example.com/v3",
            ],
        );
    }
    let request = Request::stream().session("s-1").unwrap();
    let (endpoint, script) = endpoint([redirect(307, "../b"), answer(200)]);
    block_on(endpoint.send(&request, &Proof::default())).unwrap();
    let seen = sent(&script);
    assert_eq!(seen[1].request.method(), Method::GET);
    assert_eq!(seen[1].request.uri(), "https://mcp.example.com/b");
    assert_eq!(seen[1].request.headers()["mcp-session-id"], "s-1");
}

#[test]
fn sixth_redirect_is_refused() {
    let around = || redirect(307, "/mcp");
    let five = (0..5).map(|_| around()).chain([answer(200)]);
    assert_eq!(
        hops(&Request::post(""), five).last().unwrap(),
        &format!("200 from {SERVER}")
    );
    let six = hops(&Request::post(""), (0..6).map(|_| around()));
    assert_eq!(six.len(), 7);
    assert_eq!(
        six[6],
        format!(
            "error: {SERVER} answered 307 to {SERVER}, after five redirects that were followed"
        )
    );
}

#[track_caller]
fn refused(
    request: &Request,
    answer: ScriptedResponse,
    text: &str,
    remedy: Remedy,
    hint: Option<&str>,
) {
    let (endpoint, script) = endpoint([answer]);
    let error = block_on(endpoint.send(request, &Proof::default())).unwrap_err();
    assert_eq!(error.to_string(), format!("{SERVER} answered {text}"));
    assert_eq!(error.remedy(), remedy);
    assert_eq!(
        error.hints().first().map(ToString::to_string).as_deref(),
        hint
    );
    assert!(matches!(error, Error::Redirect(_)));
    assert_eq!(sent(&script).len(), 1, "nothing else is sent");
}

#[test]
fn refused_redirect_names_its_url() {
    for status in [301, 302, 303] {
        for request in [Request::post("{}"), Request::stream(), Request::delete()] {
            refused(
                &request,
                redirect(status, "/v2?code=1"),
                &format!(
                    "{status} to https://mcp.example.com/v2, which does not keep the method of an \
                     MCP request"
                ),
                Remedy::Configure,
                Some("if https://mcp.example.com/v2 is the MCP server, configure that URL instead"),
            );
        }
    }
    for (location, to) in [
        ("https://other.example/mcp", "https://other.example/mcp"),
        ("http://mcp.example.com/mcp", "http://mcp.example.com/mcp"),
        ("//mcp.example.com:8443/", "https://mcp.example.com:8443/"),
        ("https://u:p@mcp.example.com/x", "https://mcp.example.com/x"),
    ] {
        refused(
            &Request::post("{}"),
            redirect(308, location),
            &format!("308 to {to}, which is another origin"),
            Remedy::Configure,
            Some(&format!(
                "if {to} is the MCP server, configure that URL instead"
            )),
        );
    }
    for answer in [answer(307), redirect(307, "https://[")] {
        refused(
            &Request::post("{}"),
            answer,
            "307 without a usable location",
            Remedy::Report,
            None,
        );
    }
}

#[test]
fn other_3xx_is_a_response() {
    assert_eq!(
        hops(&Request::stream(), [answer(304)]).last().unwrap(),
        &format!("304 from {SERVER}")
    );
}

#[test]
fn authorization_sees_the_headers_of_each_hop() {
    let proof = Proof::default();
    let (endpoint, _) = endpoint([
        redirect(307, "/b").with_header("dpop-nonce", "n1"),
        answer(401).with_header("dpop-nonce", "n2"),
    ]);
    block_on(endpoint.send(&Request::post(""), &proof)).unwrap();
    assert_eq!(*proof.nonces.lock().unwrap(), ["/mcp n1", "/b n2"]);
}
