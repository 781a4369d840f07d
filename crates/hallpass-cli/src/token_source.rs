//! Access tokens from an external source, as the options of a server name it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use hallpass::{AccessToken, FixedToken, TokenSource, service::TokenFile};

use serde_json::{Value, json};

use crate::{child, environment::Environment, exit::CommandError, server_options::ServerOptions};

/// Where the tokens come from, if the options say so.
pub(crate) fn from_options(
    options: &ServerOptions,
    environment: &Environment,
) -> Result<Option<Arc<dyn TokenSource>>, CommandError> {
    if let Some(name) = &options.token_env {
        let token = environment.secret_of("--token-env", name)?;
        let origin = format!("the environment variable `{name}`");
        let token = AccessToken::new(token.trim());
        return Ok(Some(Arc::new(FixedToken::new(token, origin))));
    }
    if let Some(file) = &options.token_file {
        return Ok(Some(Arc::new(TokenFile::new(file))));
    }
    let Some(line) = &options.token_command else {
        return Ok(None);
    };
    let mut words = words(line)
        .ok_or_else(|| CommandError::usage("a quote in `--token-command` is not closed"))?
        .into_iter();
    let Some(program) = words.next() else {
        return Err(CommandError::usage("`--token-command` names no program"));
    };
    let command = child::token_command(PathBuf::from(program), words, environment);
    Ok(Some(Arc::new(command)))
}

/// A place that tokens come from, as it may be shown: of a command nothing but that it is one, since
/// its words may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenOrigin<'a> {
    Variable(&'a str),
    File(&'a Path),
    Command,
}

impl<'a> TokenOrigin<'a> {
    /// Where the options say that tokens come from.
    pub(crate) fn from_options(options: &'a ServerOptions) -> Option<Self> {
        let variable = options.token_env.as_deref().map(Self::Variable);
        let file = options.token_file.as_deref().map(Self::File);
        let command = options.token_command.as_ref().map(|_| Self::Command);
        variable.or(file).or(command)
    }

    pub(crate) fn describe(self) -> String {
        match self {
            Self::Variable(name) => format!("the environment variable `{name}`"),
            Self::File(path) => format!("the file {}", path.display()),
            Self::Command => "a command".to_owned(),
        }
    }

    pub(crate) fn as_data(self) -> Value {
        match self {
            Self::Variable(name) => json!({ "kind": "environment", "name": name }),
            Self::File(path) => json!({ "kind": "file", "name": path.display().to_string() }),
            Self::Command => json!({ "kind": "command", "name": null }),
        }
    }
}

/// The words of a command, separated by spaces outside quotes. A backslash is a character like others,
/// unlike in a POSIX shell, so that paths of Windows need no quotes. `None` when a quote has no end.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in line.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            None if character == '\'' || character == '"' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_command_is_split_without_shell() {
        let check = |line: &str, expected: &[&str]| {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        };
        check("", &[]);
        check(
            "  gcloud  auth print-access-token ",
            &["gcloud", "auth", "print-access-token"],
        );
        check(
            "op read 'op://My Vault/token'",
            &["op", "read", "op://My Vault/token"],
        );
        check(r#"a "b 'c'" d"e f"g ''"#, &["a", "b 'c'", "de fg", ""]);
        check(
            r"C:\tools\token.exe $HOME;*|x",
            &[r"C:\tools\token.exe", "$HOME;*|x"],
        );
        assert_eq!(words("a 'b"), None);
    }
}
