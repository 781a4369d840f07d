//! The view of the record that may be shown: what is not known to be harmless is taken out.

use serde_json::Value;
use url::Url;

use super::{RecordedAnswer, RecordedBody, RecordedRequest};

/// What stands in the place of a secret.
const REDACTED: &str = "(redacted)";

/// Parameters of queries and forms that hold nothing secret. All others are taken out, whatever
/// their names.
const SHOWN_PARAMETERS: [&str; 18] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "decision",
    "error",
    "error_description",
    "error_uri",
    "grant_type",
    "iss",
    "prompt",
    "redirect_uri",
    "request_uri",
    "resource",
    "response_type",
    "scope",
    "tenant",
    "token_type_hint",
    "response_mode",
];

/// Header fields that hold nothing secret; the same rule.
const SHOWN_HEADERS: [&str; 19] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "host",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "retry-after",
    "transfer-encoding",
    "user-agent",
    "vary",
    "www-authenticate",
];

/// Members of JSON objects that are secret. In JSON the rule is the other way round, since most of
/// it is the harmless talk of MCP.
const SECRET_MEMBERS: [&str; 13] = [
    "access_token",
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "id_token",
    "password",
    "refresh_token",
    "registration_access_token",
    "subject_token",
];

impl RecordedRequest {
    /// The same request with every secret taken out, to be shown to people.
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self {
            query: pairs(&self.query),
            headers: headers(&self.headers),
            body: self.body.redacted(),
            answer: self.answer.as_ref().map(RecordedAnswer::redacted),
            ..self.clone()
        }
    }

    /// The secrets that went over the wire with this request and its answer, each with the name of
    /// the parameter, member or header field that held it.
    ///
    /// The client must show none of them: plant them in a
    /// [`LeakCheck`](crate::LeakCheck).
    pub fn secrets(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        hidden_pairs(&self.query, &mut found);
        hidden_headers(&self.headers, &mut found);
        self.body.secrets(&mut found);
        if let Some(answer) = &self.answer {
            hidden_headers(&answer.headers, &mut found);
            answer.body.secrets(&mut found);
        }
        found
    }
}

impl RecordedAnswer {
    /// The same answer with every secret taken out.
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self {
            status: self.status,
            headers: headers(&self.headers),
            body: self.body.redacted(),
        }
    }
}

impl RecordedBody {
    /// The same body with every secret taken out; text that is neither a form nor JSON goes whole.
    #[must_use]
    pub fn redacted(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Unread => Self::Unread,
            Self::Form(form) => Self::Form(pairs(form)),
            Self::Json(value) => Self::Json(json(value)),
            Self::Text(text) => Self::Text(format!("({} bytes of text)", text.len())),
        }
    }

    fn secrets(&self, found: &mut Vec<(String, String)>) {
        match self {
            Self::Form(form) => hidden_pairs(form, found),
            Self::Json(value) => hidden_members(value, found),
            Self::Empty | Self::Text(_) | Self::Unread => {}
        }
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let redact = |(name, value): &(String, String)| {
        let shown = is_shown(name) || value.is_empty();
        let value = if shown { value } else { REDACTED };
        (name.clone(), value.to_owned())
    };
    pairs.iter().map(redact).collect()
}

fn headers(fields: &[(String, String)]) -> Vec<(String, String)> {
    let redact = |(name, value): &(String, String)| {
        let value = if SHOWN_HEADERS.contains(&name.as_str()) {
            value.clone()
        } else if name == "location" {
            location(value)
        } else if let Some((scheme, _)) = authorization(name, value) {
            format!("{scheme} {REDACTED}")
        } else {
            REDACTED.to_owned()
        };
        (name.clone(), value)
    };
    fields.iter().map(redact).collect()
}

fn location(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        return path.to_owned();
    };
    let query: Vec<_> = url.query_pairs().into_owned().collect();
    if !query.is_empty() {
        url.query_pairs_mut().clear().extend_pairs(pairs(&query));
    }
    url.set_fragment(None);
    url.into()
}

fn authorization<'a>(name: &str, value: &'a str) -> Option<(&'a str, &'a str)> {
    (name == "authorization").then(|| value.split_once(' '))?
}

fn json(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| {
                    let value = match value {
                        Value::String(_) if SECRET_MEMBERS.contains(&name.as_str()) => {
                            Value::from(REDACTED)
                        }
                        other => json(other),
                    };
                    (name.clone(), value)
                })
                .collect(),
        ),
        Value::Array(values) => Value::Array(values.iter().map(json).collect()),
        other => other.clone(),
    }
}

fn hidden_pairs(pairs: &[(String, String)], found: &mut Vec<(String, String)>) {
    let hidden = |(name, value): &&(String, String)| !is_shown(name) && !value.is_empty();
    found.extend(pairs.iter().filter(hidden).cloned());
}

fn hidden_headers(fields: &[(String, String)], found: &mut Vec<(String, String)>) {
    for (name, value) in fields {
        if let Some((_, credentials)) = authorization(name, value) {
            found.push((name.clone(), credentials.to_owned()));
        } else if name == "location"
            && let Ok(url) = Url::parse(value)
        {
            let query: Vec<_> = url.query_pairs().into_owned().collect();
            hidden_pairs(&query, found);
        }
    }
}

fn hidden_members(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if SECRET_MEMBERS.contains(&name.as_str()) => {
                        found.push((name.clone(), text.clone()));
                    }
                    other => hidden_members(other, found),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                hidden_members(value, found);
            }
        }
        _ => {}
    }
}

fn is_shown(parameter: &str) -> bool {
    SHOWN_PARAMETERS.contains(&parameter)
}

#[cfg(test)]
mod tests;
