//! The one module that reads the environment.

use std::{
    collections::BTreeMap,
    fmt,
    io::{IsTerminal, stderr, stdin},
    path::PathBuf,
};

/// What the program takes from its environment. A variable set to nothing counts as unset.
#[derive(Clone)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    stdin_is_terminal: bool,
    stderr_is_terminal: bool,
}

impl fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    pub(crate) fn read() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            stdin_is_terminal: stdin().is_terminal(),
            stderr_is_terminal: stderr().is_terminal(),
        }
    }

    /// A variable's value, unless it is unset, empty or no text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The folder for credentials: `HALLPASS_HOME`, else the platform's place for a user's data.
    pub(crate) fn data_folder(&self) -> Option<PathBuf> {
        let below =
            |name: &str, rest: &str| self.get(name).map(|dir| PathBuf::from(dir).join(rest));
        let platform = if cfg!(windows) {
            below("LOCALAPPDATA", "hallpass")
        } else if cfg!(target_os = "macos") {
            below("HOME", "Library/Application Support/hallpass")
        } else {
            below("XDG_DATA_HOME", "hallpass").or_else(|| below("HOME", ".local/share/hallpass"))
        };
        self.get("HALLPASS_HOME").map(PathBuf::from).or(platform)
    }

    /// Whether to colour what goes to standard error (<https://no-color.org>).
    pub(crate) fn colour(&self) -> bool {
        self.stderr_is_terminal
            && self.get("NO_COLOR").is_none()
            && self.get("TERM") != Some("dumb")
    }

    /// Whether a person can answer: somebody types at standard input and reads standard error.
    pub(crate) fn somebody_types(&self) -> bool {
        self.stdin_is_terminal && self.stderr_is_terminal
    }

    /// Whether there is a screen that a browser could be shown on.
    pub(crate) fn has_display(&self) -> bool {
        cfg!(any(windows, target_os = "macos"))
            || self.get("DISPLAY").is_some()
            || self.get("WAYLAND_DISPLAY").is_some()
            || self.get("BROWSER").is_some()
    }
}
