//! A remote server as another program describes it, in terms of our own options.

use http::HeaderName;

use url::Url;

use crate::server_options::ServerOptions;

use super::text::{self, Text};

/// A remote server: what can be said of it here, and what can't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    /// Exactly as it is written there.
    pub(super) url: String,
    pub(super) options: ServerOptions,
    pub(super) left: Vec<Omitted>,
    /// What mcp-remote calls its credentials, if it is the one that runs.
    pub(super) kept_as: Option<String>,
}

/// Something that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Omitted {
    pub(super) what: String,
    pub(super) why: String,
}

/// What to do about an access token that is not named by environment variable.
pub(super) const TOKEN_IS_WRITTEN_OUT: &str = "the token is written out: put it in an environment \
    variable, and add `token-env = \"VARIABLE\"` to the server";

impl Remote {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            options: ServerOptions::default(),
            left: Vec::new(),
            kept_as: None,
        }
    }

    pub(super) fn leave(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.left.push(Omitted {
            what: what.into(),
            why: why.into(),
        });
    }

    /// A header for every request. Its value is taken only where it is named by environment variable:
    /// any other may be a secret.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        if HeaderName::try_from(name).is_err() {
            // Not repeated: a text that is no name may be a secret.
            self.leave("a header", "its name is none that HTTP allows");
            return;
        }
        let what = format!("header `{name}`");
        let is_authorization = name.eq_ignore_ascii_case("authorization");
        match text::read(value) {
            Text::Variables(value) => match value.strip_prefix("Bearer ").and_then(text::one) {
                Some(variable) if is_authorization => self.token_env(variable),
                _ => self.options.header.push(format!("{name}: {value}")),
            },
            Text::Unknown(why) => self.leave(what, why),
            Text::Literal if is_authorization && text::is_bearer(value) => {
                self.leave(what, TOKEN_IS_WRITTEN_OUT);
            }
            Text::Literal => self.leave(
                what,
                format!(
                    "its value is written out: put it in an environment variable, and add \
                     `header = [\"{name}: ${{VARIABLE}}\"]` to the server"
                ),
            ),
        }
    }

    /// The variable that holds the access token.
    pub(super) fn token_env(&mut self, variable: &str) {
        match &self.options.token_env {
            Some(other) if other != variable => {
                self.leave(
                    format!("the token in `{variable}`"),
                    format!("another one is in `{other}`"),
                );
            }
            _ => self.options.token_env = Some(variable.to_owned()),
        }
    }

    /// A client that was registered by hand.
    pub(super) fn client_id(&mut self, id: &str) {
        match text::read(id) {
            Text::Literal => self.options.client_id = Some(id.to_owned()),
            _ => self.leave("the client's identifier", "it holds a variable"),
        }
    }

    /// A secret of that client, which stays where it is.
    pub(super) fn client_secret(&mut self) {
        self.leave(
            "the client's secret",
            "put it in an environment variable, and add `client-secret-env = \"VARIABLE\"` to the \
             server",
        );
    }

    /// What is taken, by the names of our options; and where it leads to, or which variable it sends.
    pub(super) fn taken(&self) -> Vec<String> {
        let mut taken = vec!["url".to_owned()];
        let options = self.options.to_map().unwrap_or_default();
        for (option, value) in &options {
            match (option.as_str(), value.as_str()) {
                // Nothing but variables is taken of a header.
                ("header", _) => taken.extend(
                    self.options
                        .header
                        .iter()
                        .map(|header| format!("header `{header}`")),
                ),
                ("token-env", Some(variable)) => taken.push(format!("{option} `${{{variable}}}`")),
                ("resource" | "server-metadata-url", Some(url)) => {
                    taken.push(format!("{option} {}", without_query(url)));
                }
                _ => taken.push(option.clone()),
            }
        }
        taken
    }
}

/// A URL, but for its query, which may hold a key.
fn without_query(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        Err(_) => "(no URL)".to_owned(),
    }
}
