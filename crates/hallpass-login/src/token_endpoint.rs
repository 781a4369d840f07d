//! What a token endpoint answers to a code that it has not issued: whether a login would get through.

use bytes::Bytes;
use hallpass_core::{
    AuthScheme, ClientId, HttpClient, HttpError, ServerUrl, TokenEndpointAuthMethod,
    http::RequestOptions,
};
use hallpass_oauth::{TokenErrorClass, TokenResponse};
use http::{HeaderMap, Request, Response, StatusCode, header};
use url::{Url, form_urlencoded};

use crate::{LoginPlan, PlannedClient};

/// A code that no server has issued, with a verifier of the length that RFC 7636 §4.1 asks for.
const CODE: &str = "a-code-that-was-not-issued";
const VERIFIER: &str = "a-verifier-of-a-code-that-was-not-issued-at-all";

/// What a token endpoint answers to a code that it has not issued.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenEndpointAnswer {
    /// The answer's status.
    pub status: StatusCode,
    /// What it tells about a login.
    pub verdict: TokenEndpointVerdict,
}

/// What the answer to a code that was not issued tells about a login.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenEndpointVerdict {
    /// It reads the request, and refuses it as it should.
    Ready,
    /// It asks for a proof of possession, which the request did not have (RFC 9449 §5, §8).
    DemandsProof,
    /// It refuses this client without authentication (`invalid_client`).
    RefusesClient(ClientId),
    /// It redirects, to a URL that stands here without its query. Token requests follow no redirect.
    Redirects(Option<Url>),
    /// There is no token endpoint at the URL, or none that takes the POST of a form.
    Absent,
    /// It answers with a web page, or with another success that is no answer of a token endpoint.
    Page,
    /// It can't answer now.
    Unavailable,
}

/// Posts what a login posts, with a code that was not issued and without authentication: no secret is
/// sent. Tokens that come all the same are dropped.
pub(crate) async fn ask(
    http: &dyn HttpClient,
    server: &ServerUrl,
    endpoint: &Url,
    plan: &LoginPlan,
) -> Option<Result<TokenEndpointAnswer, HttpError>> {
    let client = public_client(plan);
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", CODE)
        .append_pair("code_verifier", VERIFIER)
        .append_pair("redirect_uri", &plan.redirect_uri());
    if let Some(resource) = &plan.resource {
        form.append_pair("resource", resource.as_str());
    }
    if let Some(id) = client {
        form.append_pair("client_id", id.as_str());
    }
    let request = Request::post(endpoint.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(Bytes::from(form.finish()))
        .ok()?;
    let options = RequestOptions::authorization_server(server);
    let answer = http.fetch(request, options).await;
    Some(answer.map(|answer| TokenEndpointAnswer {
        status: answer.status(),
        verdict: judge(endpoint, &answer, client),
    }))
}

/// The client of the plan, where it is known and does not authenticate.
fn public_client(plan: &LoginPlan) -> Option<&ClientId> {
    let (PlannedClient::Configured(client) | PlannedClient::Reused(client)) = &plan.client else {
        return None;
    };
    (client.auth_method == TokenEndpointAuthMethod::None).then_some(&client.client_id)
}

/// Where the answer of a token endpoint leads, without a query.
pub(crate) fn redirect_target(answer: &Response<Bytes>, endpoint: &Url) -> Option<Url> {
    let read = TokenResponse::from_http(answer, AuthScheme::Bearer);
    read.err()?.redirect_target(endpoint)
}

fn judge(
    endpoint: &Url,
    answer: &Response<Bytes>,
    client: Option<&ClientId>,
) -> TokenEndpointVerdict {
    let (status, headers) = (answer.status(), answer.headers());
    let error = match TokenResponse::from_http(answer, AuthScheme::Bearer) {
        Err(error) if error.class() != TokenErrorClass::WrongType => error,
        // A server for tests may give tokens for any code.
        _ => return TokenEndpointVerdict::Ready,
    };
    match (status.as_u16(), error.code()) {
        (300..=399, _) => TokenEndpointVerdict::Redirects(error.redirect_target(endpoint)),
        (404 | 405 | 410 | 415 | 501, _) => TokenEndpointVerdict::Absent,
        _ if error.demands_proof() => TokenEndpointVerdict::DemandsProof,
        (_, Some("invalid_client")) => match client {
            Some(id) => TokenEndpointVerdict::RefusesClient(id.clone()),
            None => TokenEndpointVerdict::Ready,
        },
        (_, Some(_)) => TokenEndpointVerdict::Ready,
        (408 | 425 | 429 | 500..=599, None) => TokenEndpointVerdict::Unavailable,
        (200..=299, None) => TokenEndpointVerdict::Page,
        _ if is_page(headers) => TokenEndpointVerdict::Page,
        // Some servers refuse without a word.
        _ => TokenEndpointVerdict::Ready,
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::{TokenEndpointVerdict::*, *};

    fn verdict(status: u16, kind: &str, body: &str, client: Option<&str>) -> TokenEndpointVerdict {
        let endpoint = Url::parse("https://as.example/token?tenant=t").unwrap();
        let answer = Response::builder()
            .status(status)
            .header("content-type", kind)
            .header("location", "/elsewhere/token?key=s3cret")
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        judge(&endpoint, &answer, client.map(ClientId::new).as_ref())
    }

    #[test]
    fn answer_to_an_unknown_code_tells_where_a_login_fails() {
        let elsewhere = Url::parse("https://as.example/elsewhere/token").ok();
        for (status, error, expected) in [
            (400, "invalid_grant", Ready),
            (401, "invalid_client", Ready),
            // GitHub's way.
            (200, "bad_verification_code", Ready),
            (500, "server_error", Ready),
            (400, "use_dpop_nonce", DemandsProof),
            (400, "invalid_dpop_proof", DemandsProof),
            (404, "not_found", Absent),
            (307, "", Redirects(elsewhere)),
        ] {
            let body = format!(r#"{{"error":"{error}"}}"#);
            let found = verdict(status, "application/json", &body, None);
            assert_eq!(found, expected, "{status} {error}");
        }
        for (status, kind, body, expected) in [
            (400, "text/plain", "", Ready),
            (401, "text/plain", "", Ready),
            (404, "text/plain", "no", Absent),
            (405, "text/plain", "", Absent),
            (415, "text/plain", "", Absent),
            (429, "text/plain", "", Unavailable),
            (502, "text/html", "<html>", Unavailable),
            (200, "text/html", "<html>", Page),
            (200, "application/json", "{}", Page),
            (403, "text/html; charset=utf-8", "<html>", Page),
        ] {
            let found = verdict(status, kind, body, None);
            assert_eq!(found, expected, "{status} {kind} {body}");
        }
    }

    #[test]
    fn tokens_for_any_code_are_no_fault() {
        for kind in ["Bearer", "DPoP"] {
            let body = format!(r#"{{"access_token":"a","token_type":"{kind}"}}"#);
            let found = verdict(200, "application/json", &body, None);
            assert_eq!(found, Ready, "{kind}");
        }
    }

    #[test]
    fn refused_client_counts_where_one_was_named() {
        let body = r#"{"error":"invalid_client"}"#;
        let found = verdict(401, "application/json", body, Some("by-hand"));
        assert_eq!(found, RefusesClient(ClientId::new("by-hand")));
    }
}
