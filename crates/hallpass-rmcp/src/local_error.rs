//! Errors of the transport in the place of the server's answer.
//!
//! rmcp has no other way to end one request than an answer, once the head of a response has come. So
//! an error is written as an answer, with a mark that no server knows: what a server says about itself
//! is never taken for the transport's word.

use std::{collections::hash_map::RandomState, hash::BuildHasher, sync::OnceLock};

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
    let hints = error.hints().into_iter().map(|hint| match hint {
        Hint::Setting { setting, .. } => json!({ "setting": setting }),
        other => json!({ "text": other.to_string() }),
    });
    let data = json!({
        MARK: mark(),
        "remedy": error.remedy(),
        "hints": hints.collect::<Vec<_>>(),
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
    let hints = hints.into_iter().flatten().filter_map(|hint| {
        let member = |name| hint.get(name).and_then(Value::as_str);
        let setting = Hint::SETTINGS
            .iter()
            .find(|it| Some(**it) == member("setting"));
        match setting {
            Some(setting) => Some(Hint::setting(setting, None)),
            None => member("text").map(Hint::text),
        }
    });
    Some((remedy.unwrap_or(Remedy::Report), hints.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
