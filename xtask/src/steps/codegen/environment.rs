//! The environment variables that the program reads, as a table.

use std::collections::BTreeSet;

use crate::{finding::Finding, tree::Tree};

pub(super) const PATH: &str = "docs/environment.md";

/// Where the program reads them.
const PROGRAM: &str = "crates/hallpass-cli/src";

/// What each says.
const VARIABLES: &[(&str, &str)] = &[
    (
        "APPDATA",
        "below it lie the configuration file and those of other programs (Windows)",
    ),
    ("BROWSER", "there is a browser to open"),
    (
        "CLAUDE_CONFIG_DIR",
        "where `import` finds what Claude Code knows",
    ),
    ("CLICOLOR", "`0`: no colour"),
    (
        "CLICOLOR_FORCE",
        "set to anything but `0`: colour also where nothing is a terminal",
    ),
    ("CODEX_HOME", "where `import` finds what Codex knows"),
    ("COLUMNS", "how wide the terminal is, if it does not know"),
    (
        "COMPUTERNAME",
        "the name of this machine, which stands beside a key that it makes (Windows)",
    ),
    (
        "DISPLAY",
        "there is a desktop, so a browser can be opened (Linux)",
    ),
    (
        "HALLPASS_CA_CERTIFICATE",
        "a file of certificate authorities to trust besides the platform's, as `--ca-certificate`",
    ),
    (
        "HALLPASS_CONFIG",
        "the configuration file, as `--config`; wins over `HALLPASS_HOME`",
    ),
    (
        "HALLPASS_HOME",
        "the folder for everything: what is kept, and `config.toml`; wins over the platform's",
    ),
    (
        "HALLPASS_KEY_STORE",
        "where the key of a new store is kept, as `--key-store`",
    ),
    (
        "HALLPASS_LOG",
        "what is logged to standard error: a level, or targets with a level each (`hallpass_session=debug,info`); releases leave out the level `trace`",
    ),
    (
        "HALLPASS_NON_INTERACTIVE",
        "set to anything but `0`: no command prompts or opens a browser, as with `--non-interactive`",
    ),
    (
        "HALLPASS_PASSPHRASE",
        "the passphrase of the store, where that is its key and `--passphrase-file` and `--passphrase-env` say nothing",
    ),
    (
        "HOME",
        "below it lie the platform's folders, and those of other programs",
    ),
    (
        "LOCALAPPDATA",
        "below it lies the platform's folder for data (Windows)",
    ),
    (
        "MCP_REMOTE_CONFIG_DIR",
        "where `import` finds what mcp-remote keeps",
    ),
    ("NO_COLOR", "set to anything: no colour"),
    (
        "SSH_CONNECTION",
        "the terminal is somewhere else: the hint for a tunnel is printed",
    ),
    ("TERM", "`dumb`: no colour, and nothing that moves"),
    (
        "USERPROFILE",
        "below it lie the folders of other programs (Windows)",
    ),
    ("WAYLAND_DISPLAY", "as `DISPLAY`"),
    (
        "WSL_DISTRO_NAME",
        "this is Linux inside Windows: `wslview` opens the browser, if it is installed",
    ),
    (
        "XDG_CONFIG_HOME",
        "below it lie the configuration file and those of other programs (Linux)",
    ),
    (
        "XDG_DATA_HOME",
        "below it lies the platform's folder for data (Linux)",
    ),
];

/// Where the HTTP client reads the variables that the program hands on to it.
const HTTP: &str = "crates/hallpass-http/src/trust.rs";

/// What those say.
const HANDED_ON: &[(&str, &str)] = &[
    (
        "SSL_CERT_DIR",
        "folders of certificate authorities to trust instead of the platform's, where neither `--ca-certificate` nor `HALLPASS_CA_CERTIFICATE` is set",
    ),
    (
        "SSL_CERT_FILE",
        "the same for one file; both together are one list",
    ),
];

const HEAD: &str = "# The environment\n\n\
    What the program reads of it; the libraries read nothing. Written by `cargo xtask codegen --write`.\n\n\
    | variable | what it says |\n|---|---|\n";

const FOOT: &str = "\nA proxy is taken from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or \
    lower case. An option that ends in `-env` names a variable of your own, and so does `${NAME}` in a `--header`.\n\n\
    A program that Hallpass starts (the command of `exec`, a token command, a browser) inherits the environment without \
    `HALLPASS_PASSPHRASE`, the variable that `--passphrase-env` names, and `HALLPASS_TOKEN` with its `_AUTHORIZATION` and \
    `_DPOP`. `exec` then sets what it is for: two of them, one in the other, hand on both tokens under names of their own \
    (`--env`).\n";

pub(super) fn render() -> String {
    let mut variables = [VARIABLES, HANDED_ON].concat();
    variables.sort_unstable();
    let rows = variables
        .iter()
        .map(|(name, about)| format!("| `{name}` | {about} |\n"));
    format!("{HEAD}{}{FOOT}", rows.collect::<Vec<_>>().concat())
}

/// The variables that the table has and the program does not read, and the other way round.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let program = tree
        .rust_files()
        .filter(|file| file.path.starts_with(PROGRAM));
    let read: BTreeSet<String> = program.flat_map(|file| variables(file.text)).collect();
    let listed: BTreeSet<String> = VARIABLES
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let missing = read
        .difference(&listed)
        .map(|name| format!("{name} is read and not in the table"));
    let gone = listed
        .difference(&read)
        .map(|name| format!("{name} is in the table and not read"));
    let http = tree.text(HTTP);
    let unread = HANDED_ON
        .iter()
        .filter(|(name, _)| !http.contains(&format!("read(\"{name}\")")));
    let unread = unread.map(|(name, _)| format!("{name} is in the table and not read"));
    let all = missing.chain(gone).chain(unread);
    all.map(|what| Finding::new(PROGRAM, "environment", what))
        .collect()
}

/// The names in `.get("NAME")` and `below("NAME", …)`.
pub(super) fn variables(text: &str) -> Vec<String> {
    let after = |call: &str| {
        text.split(call)
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let calls = [".get(\"", "below(\""].map(after).concat();
    let is_name =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    calls
        .iter()
        .filter_map(|rest| rest.split('"').next().filter(is_name))
        .map(str::to_owned)
        .collect()
}
