use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    // The home has another name on Windows.
    let home = variables.iter().find(|(name, _)| *name == "HOME");
    let home = home.map(|(_, home)| ("USERPROFILE", *home));
    let variables: Vec<_> = variables.iter().copied().chain(home).collect();
    Environment::from_variables(&variables)
}

#[track_caller]
fn check(platform: Platform, variables: &[(&str, &str)], expected: &[(Source, &str)]) {
    let found = files(platform, &environment(variables), Some(Path::new("/here")));
    let found: Vec<_> = found
        .iter()
        .map(|file| (file.source, file.path.to_string_lossy().replace('\\', "/")))
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|(source, path)| (*source, path.as_str()))
        .collect();
    assert_eq!(found, expected, "{platform:?}");
}

/// Those of a project, whatever the platform.
const HERE: [(Source, &str); 5] = [
    (Source::ClaudeCode, "/here/.mcp.json"),
    (Source::Codex, "/here/.codex/config.toml"),
    (Source::Cursor, "/here/.cursor/mcp.json"),
    (Source::VsCode, "/here/.vscode/mcp.json"),
    (Source::Zed, "/here/.zed/settings.json"),
];

/// With those of a project behind those of the user.
fn with_here(users: &[(Source, &'static str)]) -> Vec<(Source, &'static str)> {
    [users, &HERE].concat()
}

#[test]
fn each_program_has_its_config_paths() {
    let linux = [
        (
            Source::ClaudeDesktop,
            "/u/.config/Claude/claude_desktop_config.json",
        ),
        (Source::ClaudeCode, "/u/.claude.json"),
        (Source::Codex, "/u/.codex/config.toml"),
        (Source::Cursor, "/u/.cursor/mcp.json"),
        (Source::VsCode, "/u/.config/Code/User/mcp.json"),
        (Source::Zed, "/u/.config/zed/settings.json"),
    ];
    check(Platform::Linux, &[("HOME", "/u")], &with_here(&linux));
    let mac_os = [
        (
            Source::ClaudeDesktop,
            "/u/Library/Application Support/Claude/claude_desktop_config.json",
        ),
        (Source::ClaudeCode, "/u/.claude.json"),
        (Source::Codex, "/u/.codex/config.toml"),
        (Source::Cursor, "/u/.cursor/mcp.json"),
        (
            Source::VsCode,
            "/u/Library/Application Support/Code/User/mcp.json",
        ),
        (Source::Zed, "/u/.config/zed/settings.json"),
    ];
    check(Platform::MacOs, &[("HOME", "/u")], &with_here(&mac_os));
    let windows = [
        (
            Source::ClaudeDesktop,
            "/a/Claude/claude_desktop_config.json",
        ),
        (Source::ClaudeCode, "/u/.claude.json"),
        (Source::Codex, "/u/.codex/config.toml"),
        (Source::Cursor, "/u/.cursor/mcp.json"),
        (Source::VsCode, "/a/Code/User/mcp.json"),
        (Source::Zed, "/a/Zed/settings.json"),
    ];
    let variables = [("HOME", "/u"), ("APPDATA", "/a")];
    check(Platform::Windows, &variables, &with_here(&windows));
}

#[test]
fn program_variables_move_config_paths() {
    let variables = [
        ("XDG_CONFIG_HOME", "/x"),
        ("CLAUDE_CONFIG_DIR", "/c"),
        ("CODEX_HOME", "/d"),
        ("MCP_REMOTE_CONFIG_DIR", "/m"),
    ];
    let moved = [
        (
            Source::ClaudeDesktop,
            "/x/Claude/claude_desktop_config.json",
        ),
        (Source::ClaudeCode, "/c/.claude.json"),
        (Source::Codex, "/d/config.toml"),
        (Source::VsCode, "/x/Code/User/mcp.json"),
        (Source::Zed, "/x/zed/settings.json"),
    ];
    // Cursor's has no variable, and there is no home here.
    check(Platform::Linux, &variables, &with_here(&moved));
    assert_eq!(mcp_remote(&environment(&variables)), Some("/m".into()));
    assert_eq!(mcp_remote(&environment(&[])), None);
}

#[test]
fn project_in_home_is_read_once() {
    let found = files(
        Platform::Linux,
        &environment(&[("HOME", "/here")]),
        Some(Path::new("/here")),
    );
    let cursor = found.iter().filter(|file| file.source == Source::Cursor);
    assert_eq!(cursor.count(), 1);
}
