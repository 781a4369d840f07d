//! What has to hold for any file of another program, over the inputs of `tests/corpus/import`.

use std::path::Path;

use hallpass_testkit::check_corpus;
use serde_json::Value;

use super::{
    entry,
    file::{self, SyntaxError},
    text::{self, Text},
};

/// What stands for a secret in an input.
const SECRET: &str = "canary";
/// What the programs call the member that holds servers.
const MEMBERS: [&str; 4] = ["mcpServers", "servers", "mcp_servers", "context_servers"];

/// A file: TOML where its first line is `toml`, else JSON with comments. It is refused without a word of
/// it, or each of its servers is: no value of a header is taken that is not named by its variable.
fn import(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parsed = match text.strip_prefix("toml\n") {
        Some(text) => file::toml(text),
        None => file::json(&text),
    };
    match parsed {
        Ok(value) => {
            let servers = MEMBERS
                .iter()
                .filter_map(|member| value[member].as_object());
            servers.flatten().for_each(|(_, server)| read(server));
        }
        Err(SyntaxError { line, column, what }) => {
            assert!(line > 0 && column > 0, "{line}:{column}");
            assert!(!what.contains(SECRET) && !what.contains(['\n', '\u{1b}']));
        }
    }
}

fn read(server: &Value) {
    let remote = match entry::read(server) {
        Ok(remote) => remote,
        Err(why) => return assert!(!why.is_empty() && !why.contains(SECRET), "{why}"),
    };
    assert!(remote.options.header.iter().all(|header| {
        let (_, value) = header.split_once(": ").unwrap_or_default();
        matches!(text::read(value), Text::Variables(_))
    }));
    assert!(
        remote
            .options
            .token_env
            .iter()
            .all(|name| text::is_name(name))
    );
    assert!(remote.left.iter().all(|left| !left.why.is_empty()));
    // The report's words for it.
    let _ = remote.taken();
}

#[test]
fn import_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/import");
    check_corpus(&corpus, import);
}

/// Deep nesting must not exhaust the stack.
#[test]
fn deeply_nested_file_is_read_or_refused() {
    const DEPTH: usize = 200_000;
    let table = vec!["a"; DEPTH].join(".");
    for text in [
        "[".repeat(DEPTH),
        "{\"a\":".repeat(DEPTH),
        format!("toml\na = {}", "[".repeat(DEPTH)),
        format!("toml\na = {}", "{a = ".repeat(DEPTH)),
        format!("toml\n[{table}]\n"),
        format!("toml\n{table} = 1\n"),
    ] {
        import(text.as_bytes());
    }
}
