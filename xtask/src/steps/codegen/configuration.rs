//! The reference of `config.toml`: its keys are the server options of the command line, so it is made
//! from what the program says to `hallpass add --help`.

use std::fmt::Write;

use crate::{report::Failure, shell::Shell, workspace::Workspace};

pub(super) const PATH: &str = "docs/configuration.md";

const HEAD: &str = "\
# The configuration file

Servers by name. Written by `cargo xtask codegen --write`.

```toml
[servers.mine]
url = \"https://mcp.example.com/mcp\"
scope = \"read write\"
header = [\"X-Team: tools\", \"X-Key: ${MY_KEY}\"]
```

`hallpass add`, `hallpass remove` and `hallpass list` write and show it, and what a person wrote around an entry stays. Every
command that takes a server's URL takes its name as well. The file is `config.toml` in `$XDG_CONFIG_HOME/hallpass` or
`~/.config/hallpass` on Linux, in `~/Library/Application Support/hallpass` on macOS, and in `%APPDATA%\\hallpass` on Windows.
`HALLPASS_HOME`, the folder for everything, comes before these; before that `HALLPASS_CONFIG`, which names the file; before that
`--config`. `--store` names a folder for credentials alone, and moves no configuration.

An option on the command line comes over the file, and the file over what was remembered at the last sign-in. An option that
is given at a sign-in and that the file sets otherwise holds for that sign-in alone, which says so. An entry holds for its account, and that of the
usual account for all others of the same server that have none. Two entries for one account are an error. An entry with a key that
is not in this table is an error for its server, and a warning for all others.

A file that is named is looked for from the folder of `config.toml`. No secret has to stand here: name the environment variable
or the file that holds it.

What the file says decides which commands run, where tokens go and whom to trust. So it is read only where you and root alone
can change it: it and every folder above it, and where there are links each folder on the way to what they lead to, belong to
you or to root, and neither a group nor others can write them. A folder with the sticky bit, as `/tmp`, is fine above it, and so
is a read-only mount of root's, as of a Kubernetes ConfigMap. Otherwise every command ends with 2 and the command that mends it
(`chmod go-w PATH`). The same holds for a file of certificate authorities (`ca-certificate`, `HALLPASS_CA_CERTIFICATE`). What is
remembered at a sign-in lies in the folder for credentials and has to be closed to others, as they are. A file that holds nothing
but a secret (`token-file`, `client-secret-file`, `client-key`) may belong to another user, who hands it out. On Windows none of
this is checked.

| key | value | what it says |
|---|---|---|
| `url` | text | The MCP server's URL |
| `account` | text | Which of several accounts on the server the name stands for |
";

/// Builds the program and asks it.
pub(super) fn render(workspace: &Workspace) -> Result<String, Failure> {
    let help = Shell::new(workspace.program()?)
        .args(["add", "--help"])
        .env("COLUMNS", "5000")
        .read()?;
    let mut text = HEAD.to_owned();
    for (option, value, about) in options(&help) {
        // Writing into a string never fails.
        let _ = writeln!(text, "| `{option}` | {value} | {about} |");
    }
    Ok(text)
}

/// The server options that a help text lists: key, kind of value, and what they say.
pub(super) fn options(help: &str) -> Vec<(&str, &'static str, String)> {
    let section = help
        .lines()
        .skip_while(|line| !line.starts_with("Server options"))
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with(' '));
    let mut options: Vec<(&str, &'static str, String)> = Vec::new();
    for line in section {
        if let Some(option) = line.strip_prefix("      --") {
            let end = option.find([' ', '[']).unwrap_or(option.len());
            let value = match option[end..].trim() {
                "[=<BOOL>]" => "`true` or `false`",
                "<NUMBER>" | "<PORT>" => "number",
                _ => "text",
            };
            options.push((&option[..end], value, String::new()));
        } else if let Some((_, value, about)) = options.last_mut() {
            let line = line.trim().replace('|', "\\|");
            if line.contains("Repeatable") {
                *value = "text, or a list";
            }
            let is_end = line.is_empty()
                || line.starts_with("Possible values:")
                || line.starts_with("[possible values:");
            if let Some(possible) = line.strip_prefix("- ") {
                let name = possible.split(':').next().unwrap_or_default();
                let lead = if about.contains("One of") {
                    ","
                } else {
                    ". One of"
                };
                let _ = write!(about, "{lead} `{name}`");
            } else if !is_end {
                about.push_str(&line);
            }
        }
    }
    options
}
