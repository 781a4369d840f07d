//! Values with variables in them, as each host spells those.

/// What a value is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// Of environment variables, in our spelling, and at most the name of a scheme before them.
    Variables(String),
    /// Something in it is no environment variable; why it can't be taken.
    Unknown(String),
    /// Written out.
    Literal,
}

/// What may stand beside a variable: the schemes of an `Authorization` header.
const SCHEMES: &[&str] = &["", "bearer", "basic", "token", "apikey", "api-key", "key"];

/// What is in the place of a variable and is the editor's own.
const EDITORS: &[&str] = &[
    "cwd",
    "pathSeparator",
    "userHome",
    "workspaceFolder",
    "workspaceFolderBasename",
];

/// Reads a value: `${NAME}` and `${env:NAME}` are environment variables.
pub(super) fn read(value: &str) -> Text {
    let (mut ours, mut written_out, mut rest) = (String::new(), String::new(), value);
    let mut variables = 0;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else {
            return Text::Literal;
        };
        let name = inside.strip_prefix("env:").unwrap_or(inside);
        if let Some(input) = inside.strip_prefix("input:") {
            let what = if is_name(input) {
                format!("the editor asks for `{input}`")
            } else {
                "the editor asks for it".to_owned()
            };
            return Text::Unknown(format!(
                "{what}: put it in an environment variable, and name that"
            ));
        }
        if inside.contains(":-") {
            return Text::Unknown(
                "it has a default: name an environment variable alone".to_owned(),
            );
        }
        if !is_name(name) || EDITORS.contains(&inside) {
            return Text::Unknown("it holds something of the host's own".to_owned());
        }
        variables += 1;
        ours = format!("{ours}{before}${{{name}}}");
        written_out += before;
        rest = after;
    }
    ours += rest;
    written_out += rest;
    let scheme = written_out.trim().to_ascii_lowercase();
    if variables > 0 && SCHEMES.contains(&scheme.as_str()) {
        Text::Variables(ours)
    } else {
        Text::Literal
    }
}

/// The name in a text that is one variable and nothing else.
pub(super) fn one(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    is_name(name).then_some(name)
}

/// Whether a text can name an environment variable.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    !text.is_empty() && text.chars().all(fits)
}

/// Whether a header's value is a bearer token.
pub(super) fn is_bearer(value: &str) -> bool {
    let scheme = value.split_whitespace().next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
}

#[cfg(test)]
mod tests;
