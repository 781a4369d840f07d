//! What an endpoint's answer to a request without a token tells.

use hallpass_core::{Challenge, Clock, Hint, ServerUrl, redacted_url};
use hallpass_mcp::{
    Anonymous as NoToken, Content, Endpoint, Request, Response, TransportKind, probe,
};
use hallpass_session::RetryAfter;
use http::{HeaderMap, StatusCode, header};

use crate::{
    Code, Finding, Step, StepName,
    diagnosis::Anonymous,
    opening::{InitializeOutcome, no_http_sse},
};

/// How much of a page is looked at.
const MAX_PAGE_START: usize = 2048;

/// Judges the answer, and asks around where it says that there is nothing.
pub(crate) async fn judge(
    response: Response,
    server: &Endpoint,
    spoken: (TransportKind, &dyn Clock),
) -> (Step, Anonymous) {
    let mut step = Step::new(StepName::Endpoint);
    let outcome = InitializeOutcome::after(response, server, &NoToken, spoken).await;
    let (status, headers) = match outcome {
        InitializeOutcome::Account { lifecycle, .. } => {
            let what = "the server answers without a token; it may still ask for one at some tools";
            step.push_finding(Finding::new(Code::OpenServer, what));
            if let Some(Ok(end)) = lifecycle.end() {
                let _ = server.send(&end, &NoToken).await;
            }
            return (step, Anonymous::open());
        }
        InitializeOutcome::Failed(findings) => {
            step.findings.extend(findings);
            return (step, Anonymous::closed(StatusCode::OK, Vec::new()));
        }
        InitializeOutcome::Status(status, headers) => (status, headers),
    };
    let challenges = hallpass_discovery::challenges(&headers);
    let schemes = schemes(&headers);
    if !schemes.is_empty() {
        step.push_fact("challenges", schemes.join(", "));
    }
    let insufficient = challenges.iter().any(Challenge::is_insufficient_scope);
    match status {
        StatusCode::UNAUTHORIZED => of_challenges(&mut step, &challenges, &schemes),
        StatusCode::FORBIDDEN if insufficient => {
            of_challenges(&mut step, &challenges, &schemes);
        }
        StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::BAD_REQUEST
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::NOT_ACCEPTABLE
            if spoken.0 == TransportKind::HttpSse =>
        {
            step.push_finding(no_http_sse(server, status));
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            step.push_finding(nothing_here(status, server).await);
        }
        StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::NOT_IMPLEMENTED => {
            step.push_finding(no_post(status, server).await);
        }
        _ => step.push_finding(unexpected(status, &headers, false)),
    }
    let challenges = hallpass_mcp::challenges(status, &headers);
    (step, Anonymous::closed(status, challenges))
}

fn of_challenges(step: &mut Step, challenges: &[Challenge], schemes: &[String]) {
    let metadata_url = challenges
        .iter()
        .find_map(|challenge| challenge.resource_metadata.as_deref());
    if let Some(scope) = challenges.iter().find_map(|it| it.scope.as_ref()) {
        step.push_fact("scopes requested", scope.to_string());
    }
    if schemes.is_empty() {
        let what = "the 401 has no `WWW-Authenticate`: a client that reads challenges alone does \
                    not learn that OAuth is wanted. Hallpass goes by the status";
        step.push_finding(Finding::new(Code::NoChallenge, what).text(
            "ask the server's operator to send `WWW-Authenticate: Bearer \
                 resource_metadata=\"…\"` (RFC 9728 §5.1)",
        ));
    } else if challenges.is_empty() {
        let what = format!(
            "the 401 asks for {}: something before the server may want credentials of its own",
            schemes.join(", ")
        );
        step.push_finding(
            Finding::new(Code::OtherSchemeOnly, what)
                .hint_setting("headers", None)
                .text("ask the server's operator what its gateway wants"),
        );
    } else if metadata_url.is_none() {
        let what = "the challenge names no `resource_metadata`: the metadata is looked for at the \
                    well-known URLs";
        step.push_finding(Finding::new(Code::ChallengeWithoutMetadata, what));
    }
    if schemes.len() > 1 {
        let what = format!(
            "there are {} challenges ({}); those of `Bearer` and `DPoP` count",
            schemes.len(),
            schemes.join(", ")
        );
        step.push_finding(Finding::new(Code::SeveralChallenges, what));
    }
}

/// The scheme of each challenge, as far as a header tells without being read as a whole.
fn schemes(headers: &HeaderMap) -> Vec<String> {
    let fields = headers.get_all(header::WWW_AUTHENTICATE).iter();
    let ours = hallpass_discovery::challenges(headers);
    let first = fields.filter_map(|field| {
        let text = field.to_str().ok()?;
        let scheme = text.split([' ', ',']).next()?;
        (!scheme.is_empty()).then(|| scheme.chars().take(32).collect::<String>())
    });
    let mut all: Vec<String> = first.collect();
    // Several may stand in one field.
    for challenge in &ours {
        let name = challenge.scheme.as_str();
        let same = |scheme: &&String| scheme.eq_ignore_ascii_case(name);
        let known = all.iter().filter(same).count();
        let wanted = ours.iter().filter(|it| it.scheme == challenge.scheme);
        if known < wanted.count() {
            all.push(name.to_owned());
        }
    }
    all
}

/// There is nothing at the URL. Where else there may be something is asked.
async fn nothing_here(status: StatusCode, server: &Endpoint) -> Finding {
    let url = server.server().url();
    let what = format!(
        "{} answered {}: there is no MCP endpoint",
        redacted_url(url),
        status.as_u16()
    );
    with_other_url(Finding::new(Code::NotFound, what), server).await
}

/// Adds the URL at which there is an MCP endpoint, or whom to ask for it.
async fn with_other_url(finding: Finding, server: &Endpoint) -> Finding {
    match elsewhere(server).await {
        Some(url) => finding.hint(Hint::Url { url }),
        None => finding.text("ask the server's operator for the URL: its path is mostly /mcp"),
    }
}

/// The first neighbouring URL at which an MCP endpoint answers: with or without the slash at the end,
/// with `/mcp` after it, or `/mcp` alone.
async fn elsewhere(server: &Endpoint) -> Option<String> {
    let own = server.server().url();
    let path = own.path();
    let bare = path.trim_end_matches('/');
    let other_slash = if path.ends_with('/') {
        bare.to_owned()
    } else {
        format!("{path}/")
    };
    let mut paths = vec![other_slash, format!("{bare}/mcp"), "/mcp".to_owned()];
    paths.dedup();
    for path in paths
        .iter()
        .filter(|other| !other.is_empty() && *other != path)
    {
        let mut url = own.clone();
        url.set_path(path);
        let Ok(there) = ServerUrl::parse(url.as_str()) else {
            continue;
        };
        let endpoint = server.at(there);
        let Ok(answer) = endpoint.send(&probe::initialize(), &NoToken).await else {
            continue;
        };
        let is_mcp = matches!(answer.content(), Content::Json | Content::Events);
        let serves =
            answer.status() == StatusCode::UNAUTHORIZED || answer.status().is_success() && is_mcp;
        if serves {
            end_session(&answer, &endpoint).await;
            return Some(redacted_url(&url));
        }
    }
    None
}

/// The endpoint takes no POST.
async fn no_post(status: StatusCode, server: &Endpoint) -> Finding {
    let url = redacted_url(server.server().url());
    let what = format!(
        "{url} answers a POST with {}: it is no endpoint of streamable HTTP",
        status.as_u16()
    );
    with_other_url(Finding::new(Code::NoStreamableHttp, what), server).await
}

/// A success that is neither JSON nor a stream of events.
pub(crate) async fn no_answer_of_mcp(response: Response) -> Finding {
    let url = redacted_url(response.url());
    let status = response.status().as_u16();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let declared = kind.as_deref().is_some_and(|kind| kind.contains("html"));
    let start = response.read_start(MAX_PAGE_START).await;
    if declared || start.trim_ascii().starts_with(b"<") {
        let what = format!(
            "{url} answered {status} with a web page: it may be a login page or a portal before the \
             server, or not the server's MCP endpoint"
        );
        return Finding::new(Code::HtmlPage, what)
            .text("check the URL; open it in a browser to see whose page it is")
            .hint_setting("headers", None);
    }
    let kind = kind.unwrap_or_else(|| "no content type".to_owned());
    let what = format!(
        "{url} answered {status} with `{}` where JSON or an event stream is expected",
        kind.chars().take(80).collect::<String>()
    );
    Finding::new(Code::WrongContentType, what).contact_operator("the MCP server")
}

/// A status that is neither an answer nor a challenge.
pub(crate) fn unexpected(status: StatusCode, headers: &HeaderMap, has_token: bool) -> Finding {
    let number = status.as_u16();
    match status {
        StatusCode::FORBIDDEN if !has_token => {
            let asks = if headers.contains_key(header::WWW_AUTHENTICATE) {
                "does not say `insufficient_scope`"
            } else {
                "asks for no sign-in: there is no `WWW-Authenticate`"
            };
            let what = format!(
                "the server answers 403 to a request without a token, and {asks}. Often a firewall or a \
                 list of allowed addresses refuses the request, or a gateway wants a header of its own"
            );
            Finding::new(Code::Forbidden, what)
                .hint_setting("headers", None)
                .text(
                    "ask the server's operator what stands before the server, and whom it lets in",
                )
        }
        StatusCode::FORBIDDEN => {
            let what = "the server answers 403 to a token and does not say `insufficient_scope`: another \
                        token of this account does not help. The account may not use this server, or a \
                        gateway wants a header of its own";
            Finding::new(Code::Forbidden, what)
                .hint_setting("headers", None)
                .text("ask the server's operator what it wants from this account")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let what = "the server answers 429: it was asked too often";
            Finding::new(Code::TooManyRequests, what).hint(retry(headers))
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            let what = format!("the server answers {number}: it can't answer now");
            Finding::new(Code::ServerUnavailable, what).hint(retry(headers))
        }
        status if status.is_server_error() => {
            let what = format!(
                "the server, or something before it, answers {number}: the fault is its own"
            );
            Finding::new(Code::ServerUnavailable, what)
                .hint(retry(headers))
                .text("if it fails again, contact the server's operator")
        }
        _ => {
            let what = format!("the server answers {number}, which means nothing here");
            Finding::new(Code::UnexpectedStatus, what)
                .text("check the URL, and contact the server's operator")
        }
    }
}

/// When to try again, as far as the server says it.
fn retry(headers: &HeaderMap) -> Hint {
    let after = RetryAfter::for_user(headers);
    Hint::Retry { after }
}

/// Ends the session that an answer began by the way.
async fn end_session(response: &Response, server: &Endpoint) {
    if let Some(Ok(end)) = response
        .session_id()
        .map(|id| Request::delete().session(id))
    {
        // Whether it came through changes nothing.
        let _ = server.send(&end, &NoToken).await;
    }
}
