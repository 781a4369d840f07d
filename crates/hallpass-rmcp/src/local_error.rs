//! Errors of the transport in the place of the server's answer.
//!
//! rmcp has no other way to end one request than an answer, once the head of a response has come. So
//! an error is written as an answer, with a mark that no server knows: what a server says about itself
//! is never taken for the transport's word.

use std::{collections::hash_map::RandomState, hash::BuildHasher, sync::OnceLock, time::Duration};

use hallpass_core::{Diagnostic, Hint, Remedy};
use hallpass_mcp::with_causes;
use rmcp::model::{ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage};
use serde_json::{Value, json};

const MARK: &str = "hallpass";

/// Made anew for each process, from the randomness of std's hash maps.
fn mark() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        let random = || RandomState::new().hash_one(MARK);
        format!("{:016x}{:016x}", random(), random())
    })
}

/// `error`, with its causes, as the answer to the request `id`.
pub(crate) fn answer(error: &dyn Diagnostic, id: RequestId) -> ServerJsonRpcMessage {
    ServerJsonRpcMessage::error(write(error), Some(id))
}

pub(crate) fn write(error: &dyn Diagnostic) -> ErrorData {
    let text = with_causes(error);
    let data = json!({
        MARK: mark(),
        "remedy": error.remedy(),
        "hints": error.hints(),
    });
    ErrorData::new(ErrorCode::INTERNAL_ERROR, text, Some(data))
}

/// What to do about an error that was written here; `None` for an error of the server's.
pub(crate) fn read(error: &ErrorData) -> Option<(Remedy, Vec<Hint>)> {
    let data = error.data.as_ref()?;
    if data.get(MARK)?.as_str()? != mark() {
        return None;
    }
    let remedy = data.get("remedy").and_then(Value::as_str);
    let remedies = [Remedy::Retry, Remedy::SignIn, Remedy::Configure];
    let remedy = remedies.into_iter().find(|it| Some(it.as_str()) == remedy);
    let hints = data.get("hints").and_then(Value::as_array);
    let hints = hints.into_iter().flatten().filter_map(read_hint);
    Some((remedy.unwrap_or(Remedy::Report), hints.collect()))
}

/// A hint as it was serialized.
fn read_hint(hint: &Value) -> Option<Hint> {
    let text = |name: &str| hint.get(name).and_then(Value::as_str);
    let known = |name: &str| Hint::SETTINGS.iter().copied().find(|it| *it == name);
    match text("kind")? {
        "setting" => Some(Hint::setting(known(text("setting")?)?, text("value"))),
        "settings" => {
            let settings = hint.get("settings")?.as_object()?.iter();
            let settings =
                settings.filter_map(|(name, value)| Some((known(name)?, value.as_str())));
            Some(Hint::settings(settings))
        }
        "sign-in" => Some(Hint::SignIn),
        "forget-client" => Some(Hint::ForgetClient),
        "leave-out-token-source" => Some(Hint::LeaveOutTokenSource),
        "reset-store" => Some(Hint::ResetStore),
        "forget-credentials" => Some(Hint::ForgetCredentials),
        "refresh" => Some(Hint::Refresh),
        "url" => text("url").map(|url| Hint::Url {
            url: url.to_owned(),
        }),
        "retry" => Some(Hint::Retry {
            after: hint
                .get("after")
                .and_then(Value::as_u64)
                .map(Duration::from_secs),
        }),
        "contact-operator" => text("server").map(Hint::contact_operator),
        _ => text("text").map(Hint::text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_that_is_read_is_the_one_that_was_written() {
        for hint in [
            Hint::setting("resource", Some("none")),
            Hint::setting("scopes", None),
            Hint::other_resource(),
            Hint::SignIn,
            Hint::ForgetClient,
            Hint::LeaveOutTokenSource,
            Hint::ResetStore,
            Hint::ForgetCredentials,
            Hint::Refresh,
            Hint::Url {
                url: "https://a.example/mcp".to_owned(),
            },
            Hint::Retry {
                after: Some(Duration::from_secs(7)),
            },
            Hint::Retry { after: None },
            Hint::contact_operator("a.example"),
            Hint::text("look"),
        ] {
            assert_eq!(read_hint(&json!(hint)), Some(hint));
        }
    }

    #[test]
    fn error_of_the_transport_keeps_its_remedy_and_a_server_can_not_forge_one() {
        let error = hallpass_mcp::Unanswered::stream_ended("tools/call");
        let written = write(&error);
        let (remedy, hints) = read(&written).unwrap();
        assert_eq!((remedy, hints), (error.remedy(), error.hints()));
        let mut forged = written;
        forged.data.as_mut().unwrap()[MARK] = "0".into();
        assert!(read(&forged).is_none());
        assert!(read(&ErrorData::new(ErrorCode(-1), "no", None)).is_none());
    }
}
