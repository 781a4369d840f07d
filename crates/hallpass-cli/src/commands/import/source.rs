//! The programs whose servers can be taken over, and where each keeps them.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use crate::environment::Environment;

/// A program that servers are taken over from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    #[value(name = "vscode")]
    VsCode,
    /// Zed.
    Zed,
    /// The credentials that mcp-remote keeps.
    McpRemote,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// A platform, as far as it decides where files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    Linux,
    MacOs,
    Windows,
}

impl Platform {
    pub(super) const fn this() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}

/// What a path begins with.
#[derive(Debug, Clone, Copy)]
enum Base {
    /// The user's home.
    Home,
    /// `XDG_CONFIG_HOME`, or its usual place.
    Config,
    /// `APPDATA`.
    AppData,
    /// `CLAUDE_CONFIG_DIR`, or the home.
    ClaudeCode,
    /// `CODEX_HOME`, or its usual place.
    Codex,
    /// `MCP_REMOTE_CONFIG_DIR`, or its usual place.
    McpRemote,
    /// The folder that the command runs in.
    Here,
}

/// Where a program keeps servers.
#[derive(Debug)]
struct SourceFile {
    source: Source,
    /// Where it is so; nothing said: everywhere.
    on: Option<Platform>,
    base: Base,
    path: &'static str,
    /// The member of the file that holds servers by name.
    member: &'static str,
}

const fn place(
    source: Source,
    on: Option<Platform>,
    base: Base,
    path: &'static str,
    member: &'static str,
) -> SourceFile {
    SourceFile {
        source,
        on,
        base,
        path,
        member,
    }
}

const LINUX: Option<Platform> = Some(Platform::Linux);
const MAC_OS: Option<Platform> = Some(Platform::MacOs);
const WINDOWS: Option<Platform> = Some(Platform::Windows);

/// The files. Those of a user come before those of a project, which another author may have written.
#[rustfmt::skip]
const PLACES: &[SourceFile] = &[
    place(Source::ClaudeDesktop, LINUX, Base::Config, "Claude/claude_desktop_config.json", "mcpServers"),
    place(Source::ClaudeDesktop, MAC_OS, Base::Home, "Library/Application Support/Claude/claude_desktop_config.json", "mcpServers"),
    place(Source::ClaudeDesktop, WINDOWS, Base::AppData, "Claude/claude_desktop_config.json", "mcpServers"),
    place(Source::ClaudeCode, None, Base::ClaudeCode, ".claude.json", "mcpServers"),
    place(Source::Codex, None, Base::Codex, "config.toml", "mcp_servers"),
    place(Source::Cursor, None, Base::Home, ".cursor/mcp.json", "mcpServers"),
    place(Source::VsCode, LINUX, Base::Config, "Code/User/mcp.json", "servers"),
    place(Source::VsCode, MAC_OS, Base::Home, "Library/Application Support/Code/User/mcp.json", "servers"),
    place(Source::VsCode, WINDOWS, Base::AppData, "Code/User/mcp.json", "servers"),
    place(Source::Zed, LINUX, Base::Config, "zed/settings.json", "context_servers"),
    place(Source::Zed, MAC_OS, Base::Home, ".config/zed/settings.json", "context_servers"),
    place(Source::Zed, WINDOWS, Base::AppData, "Zed/settings.json", "context_servers"),
    place(Source::ClaudeCode, None, Base::Here, ".mcp.json", "mcpServers"),
    place(Source::Codex, None, Base::Here, ".codex/config.toml", "mcp_servers"),
    place(Source::Cursor, None, Base::Here, ".cursor/mcp.json", "mcpServers"),
    place(Source::VsCode, None, Base::Here, ".vscode/mcp.json", "servers"),
    place(Source::Zed, None, Base::Here, ".zed/settings.json", "context_servers"),
];

/// A file that may hold servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) source: Source,
    pub(super) path: PathBuf,
    pub(super) member: &'static str,
}

/// Every file that may be there, each once; those of the project only where it is said `here` it is.
pub(super) fn files(
    platform: Platform,
    environment: &Environment,
    here: Option<&Path>,
) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    let places = PLACES
        .iter()
        .filter(|place| place.on.is_none_or(|on| on == platform));
    for place in places {
        let Some(base) = base(place.base, environment, here) else {
            continue;
        };
        let path = base.join(place.path);
        if files.iter().all(|file| file.path != path) {
            files.push(File {
                source: place.source,
                path,
                member: place.member,
            });
        }
    }
    files
}

/// The folder of what mcp-remote keeps.
pub(super) fn mcp_remote(environment: &Environment) -> Option<PathBuf> {
    base(Base::McpRemote, environment, None)
}

fn base(base: Base, environment: &Environment, here: Option<&Path>) -> Option<PathBuf> {
    let home = || environment.home();
    let named = |value: Option<&str>| value.map(PathBuf::from);
    match base {
        Base::Home => home(),
        Base::Config => named(environment.get("XDG_CONFIG_HOME"))
            .or_else(|| home().map(|home| home.join(".config"))),
        Base::AppData => named(environment.get("APPDATA")),
        Base::ClaudeCode => named(environment.get("CLAUDE_CONFIG_DIR")).or_else(home),
        Base::Codex => {
            named(environment.get("CODEX_HOME")).or_else(|| home().map(|home| home.join(".codex")))
        }
        Base::McpRemote => named(environment.get("MCP_REMOTE_CONFIG_DIR"))
            .or_else(|| home().map(|home| home.join(".mcp-auth"))),
        Base::Here => here.map(Path::to_owned),
    }
}

#[cfg(test)]
mod tests;
