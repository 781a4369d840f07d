//! The one module that reads the environment.

use std::{
    collections::BTreeMap,
    fmt,
    io::{IsTerminal, stderr, stdin, stdout},
    path::PathBuf,
};

use crate::{exit::CommandError, text};

/// How the program's own variables begin, and how they go on.
const PREFIX: &str = "HALLPASS_";
const VARIABLES: &[&str] = &[
    "CA_CERTIFICATE",
    "COMPLETE",
    "CONFIG",
    "HOME",
    "KEY_STORE",
    "LOG",
    "NON_INTERACTIVE",
    "PASSPHRASE",
    "TOKEN",
    "TOKEN_AUTHORIZATION",
    "TOKEN_DPOP",
];

/// What the program takes from its environment. A variable set to nothing counts as unset.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    passphrase_variable: Option<String>,
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    is_interactive: bool,
}

/// The two streams that the program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Data.
    Stdout,
    /// Talk.
    Stderr,
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
            passphrase_variable: None,
            stdin_is_terminal: stdin().is_terminal(),
            stdout_is_terminal: stdout().is_terminal(),
            stderr_is_terminal: stderr().is_terminal(),
            is_interactive: true,
        }
    }

    /// A non-interactive environment of these variables alone.
    #[cfg(test)]
    pub(crate) fn from_variables(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            variables: variables.iter().map(owned).collect(),
            passphrase_variable: None,
            stdin_is_terminal: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            is_interactive: false,
        }
    }

    /// A variable that only looks like one of the program's, and the one that may be meant.
    pub(crate) fn misspelled(&self) -> Option<(&str, String)> {
        for name in self.variables.keys() {
            let Some(rest) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let is_named = self.passphrase_variable.as_ref() == Some(name);
            if is_named || VARIABLES.contains(&rest) {
                continue;
            }
            // The user chooses the names of variables that hold tokens.
            let meant = text::nearest(rest, VARIABLES.iter().copied());
            if let Some(meant) = meant.filter(|meant| !meant.starts_with("TOKEN")) {
                return Some((name, format!("{PREFIX}{meant}")));
            }
        }
        None
    }

    /// A variable's value, unless it is unset, empty or no text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable that stands in an option as `${NAME}`.
    pub(crate) fn required(&self, name: &str) -> Result<&str, CommandError> {
        self.get(name).ok_or_else(|| {
            let shown = if self.may_be_variable(name) {
                format!("the environment variable `{name}`")
            } else {
                "an environment variable (not shown: it may be a secret)".to_owned()
            };
            let failed = CommandError::usage(self.describe_absence(&shown, name));
            failed.hint("the options of this server name it")
        })
    }

    /// The secret in the variable that `option` names.
    pub(crate) fn secret_of(&self, option: &str, name: &str) -> Result<&str, CommandError> {
        self.get(name).ok_or_else(|| {
            let what = self.describe_absence(&self.describe_variable(option, name), name);
            let hint = format!("`{option}` takes the name of a variable that holds the secret");
            CommandError::usage(what).hint(hint)
        })
    }

    /// Why the variable `name`, which is shown as `shown`, has no value.
    pub(crate) fn describe_absence(&self, shown: &str, name: &str) -> String {
        let why = if self.is_variable(name) {
            "is empty"
        } else {
            "is not set"
        };
        format!("{shown} {why}")
    }

    /// A variable that `option` names, in a sentence. Without a variable of that name it is not shown: it may
    /// be the secret itself, in the place of the name, and nothing tells the two apart.
    pub(crate) fn describe_variable(&self, option: &str, name: &str) -> String {
        if self.is_variable(name) {
            return format!("the environment variable `{name}`");
        }
        format!("the environment variable that `{option}` names (not shown: it may be a secret)")
    }

    /// Whether there is a variable of this name.
    pub(crate) fn is_variable(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Whether a text is the name of a variable, or looks like one.
    pub(crate) fn may_be_variable(&self, text: &str) -> bool {
        self.is_variable(text) || looks_like_name(text)
    }

    /// The user's home.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        let home = if cfg!(windows) {
            self.get("USERPROFILE")
        } else {
            self.get("HOME")
        };
        home.map(PathBuf::from)
    }

    /// The folder for credentials: `HALLPASS_HOME`, else the platform's folder for a user's data.
    pub(crate) fn data_folder(&self) -> Option<PathBuf> {
        self.own_folder(
            self.get("LOCALAPPDATA"),
            self.get("XDG_DATA_HOME"),
            ".local/share",
        )
    }

    /// The default configuration file: in `HALLPASS_HOME`, else in the platform's folder for a user's
    /// configuration.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        let folder = self.own_folder(self.get("APPDATA"), self.get("XDG_CONFIG_HOME"), ".config");
        folder.map(|folder| folder.join("config.toml"))
    }

    /// `HALLPASS_HOME`, else a folder of Hallpass: in the folder `windows`, in the library on macOS,
    /// elsewhere in the folder `xdg` or in `below_home`.
    fn own_folder(
        &self,
        windows: Option<&str>,
        xdg: Option<&str>,
        below_home: &str,
    ) -> Option<PathBuf> {
        if let Some(home) = self.get("HALLPASS_HOME") {
            return Some(PathBuf::from(home));
        }
        let in_home = |path| self.home().map(|home| home.join(path));
        let parent = if cfg!(windows) {
            windows.map(PathBuf::from)
        } else if cfg!(target_os = "macos") {
            in_home("Library/Application Support")
        } else {
            xdg.map(PathBuf::from).or_else(|| in_home(below_home))
        };
        parent.map(|parent| parent.join("hallpass"))
    }

    /// Whether to colour what goes there (<https://no-color.org>, <https://bixense.com/clicolors>).
    pub(crate) fn colour(&self, stream: Stream) -> bool {
        if self.get("NO_COLOR").is_some() {
            return false;
        }
        if self.get("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            return true;
        }
        let wanted = self.get("CLICOLOR") != Some("0") && self.get("TERM") != Some("dumb");
        wanted && self.is_terminal(stream)
    }

    pub(crate) fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout_is_terminal,
            Stream::Stderr => self.stderr_is_terminal,
        }
    }

    /// Whether a line on standard error can be written over: what moves is for eyes alone.
    pub(crate) fn redraws(&self) -> bool {
        self.stderr_is_terminal && self.get("TERM").is_none_or(|term| term != "dumb")
    }

    /// How many columns there are to write in: `COLUMNS`, else the terminal's own, else as many as
    /// everybody has. A pipe has no columns, so that nothing is broken in it.
    pub(crate) fn width(&self, stream: Stream) -> Option<usize> {
        if !self.is_terminal(stream) {
            return None;
        }
        let said = self.get("COLUMNS").and_then(|text| text.parse().ok());
        let own = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Some(said.or_else(own).unwrap_or(80).clamp(20, 1000))
    }

    /// The same environment, whose user keeps the store's passphrase in a variable of this name.
    pub(crate) fn with_passphrase_in(mut self, name: Option<&str>) -> Self {
        self.passphrase_variable = name.map(str::to_owned);
        self
    }

    /// The variable that `--passphrase-env` names.
    pub(crate) fn passphrase_variable(&self) -> Option<&str> {
        self.passphrase_variable.as_deref()
    }

    /// Whether `HALLPASS_NON_INTERACTIVE` is set.
    pub(crate) fn is_non_interactive(&self) -> bool {
        self.get("HALLPASS_NON_INTERACTIVE")
            .is_some_and(|value| value != "0")
    }

    /// The same environment without prompts and browser.
    pub(crate) fn non_interactive(mut self) -> Self {
        self.is_interactive = false;
        self
    }

    /// Whether the user can be prompted: standard input and standard error are terminals.
    pub(crate) fn stdin_is_terminal(&self) -> bool {
        self.is_interactive && self.stdin_is_terminal && self.stderr_is_terminal
    }

    /// Whether prompts and a browser are allowed.
    pub(crate) fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// Whether there is a screen that a browser could be shown on.
    pub(crate) fn has_display(&self) -> bool {
        let screen = cfg!(any(windows, target_os = "macos"))
            || self.get("DISPLAY").is_some()
            || self.get("WAYLAND_DISPLAY").is_some()
            || self.get("BROWSER").is_some()
            || self.is_wsl();
        self.is_interactive && screen
    }

    /// Whether this is Linux in the Windows Subsystem for Linux.
    pub(crate) fn is_wsl(&self) -> bool {
        cfg!(target_os = "linux") && self.get("WSL_DISTRO_NAME").is_some()
    }

    /// The name of this machine.
    pub(crate) fn machine(&self) -> Option<String> {
        #[cfg(unix)]
        let name = rustix::system::uname()
            .nodename()
            .to_str()
            .ok()
            .map(str::to_owned);
        #[cfg(not(unix))]
        let name: Option<String> = None;
        let name = name.filter(|name| !name.is_empty());
        name.or_else(|| self.get("COMPUTERNAME").map(str::to_owned))
    }
}

/// Whether a text looks like the usual name of a variable, and not like a key: capital letters, and digits
/// only behind the last `_`.
fn looks_like_name(text: &str) -> bool {
    let letters = match text.rsplit_once('_') {
        Some((before, number))
            if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) =>
        {
            before
        }
        _ => text,
    };
    letters.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && letters.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_is_named_where_there_is_one_of_that_name() {
        let environment = Environment::from_variables(&[("CLIENT_SECRET", ""), ("odd name", "x")]);
        for name in ["CLIENT_SECRET", "odd name"] {
            let words = environment.describe_variable("--token-env", name);
            assert!(words.contains(name), "{words}");
        }
        for secret in ["MYSECRETVALUE", "TOKEN_2", "s3cret", "AKIAIOSFODNN7EXAMPLE"] {
            let words = environment.describe_variable("--token-env", secret);
            assert!(!words.contains(secret), "{words}");
            let failed = environment.secret_of("--token-env", secret).unwrap_err();
            assert!(!failed.to_string().contains(secret), "{failed}");
        }
        for (text, is_like) in [
            ("TOKEN_2", true),
            ("A_B_10", true),
            ("AKIA1X", false),
            ("", false),
        ] {
            assert_eq!(environment.may_be_variable(text), is_like, "{text}");
        }
    }
}
