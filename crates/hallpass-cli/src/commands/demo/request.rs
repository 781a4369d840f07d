//! One recorded request in words. Secrets are left out by the record's redacted view.

use hallpass_testkit::{RecordedAnswer, RecordedBody, RecordedRequest};
use serde_json::{Value, json};

/// What is worth showing of a JSON answer.
const MEMBERS: &[&str] = &[
    "resource",
    "authorization_servers",
    "issuer",
    "client_id",
    "token_type",
    "expires_in",
    "access_token",
    "refresh_token",
    "error",
];

/// The request and its answer, in lines.
pub(super) fn lines(request: &RecordedRequest) -> Vec<String> {
    let request = request.redacted();
    let what = request
        .rpc_method()
        .map(|method| format!("  {method}"))
        .unwrap_or_default();
    let mut lines = vec![format!(
        "{} {}{}{what}",
        request.method, request.origin, request.path
    )];
    if let Some(value) = request.header("authorization") {
        lines.push(format!("    authorization: {value}"));
    }
    let form: &[_] = match &request.body {
        RecordedBody::Form(pairs) => pairs,
        _ => &[],
    };
    for (name, value) in request.query.iter().chain(form) {
        lines.push(format!("    {name}={value}"));
    }
    lines.extend(request.answer.iter().map(answer));
    lines
}

fn answer(answer: &RecordedAnswer) -> String {
    let mut text = format!("  → {}", answer.status);
    for name in ["www-authenticate", "location"] {
        if let Some(value) = answer.header(name) {
            text = format!("{text}\n       {name}: {value}");
        }
    }
    for name in MEMBERS {
        match answer.json().and_then(|body| body.get(name)) {
            Some(Value::String(value)) => text = format!("{text}\n       {name}: {value}"),
            Some(value) => text = format!("{text}\n       {name}: {value}"),
            None => {}
        }
    }
    text
}

/// The request for a script.
pub(super) fn data(request: &RecordedRequest) -> Value {
    let request = request.redacted();
    json!({
        "server": request.server,
        "method": request.method,
        "url": format!("{}{}", request.origin, request.path),
        "rpc_method": request.rpc_method(),
        "resource": request.parameters("resource"),
        "status": request.status(),
    })
}
