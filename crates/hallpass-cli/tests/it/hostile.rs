//! Servers that attack the user's terminal: control sequences, bidi controls and forged lines in every
//! text that a server sends.
//!
//! A row spoils texts of one server and runs commands against it at a pseudo-terminal. No control
//! sequence may arrive there except the program's own. Each text begins with the name of its field,
//! which proves that the program showed it; where a row expects other words, the program refused it.

mod authorization;
mod elicitation;
mod lines;
mod listing;
mod mcp;
mod pipes;
mod server;

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
};
use url::Url;

use self::server::{Documents, Server};
use crate::terminal::Terminal;

/// What comes after the name of a field. The first of them may stand in a header.
const IN_A_HEADER: &str =
    "\u{9b}2J\u{9d}0;t\u{9c}\u{202e}\u{2066}\u{200f}\u{61c}\u{200b}\u{2028}\u{feff}\u{ad}\u{e0041}";
const ANYWHERE: &str =
    "\u{1b}]0;t\u{7}\u{1b}[2J\u{1b}[8m\u{1b}[1;31mFORGED\u{8}\u{7f}\r\nFORGED\rFORGED";

/// A token, where signing in is no matter.
const TOKEN: [&str; 2] = ["--token-env", "TOKEN"];

fn hostile(field: &str) -> String {
    format!("({field}){IN_A_HEADER}{ANYWHERE}")
}

/// A schema with everything that a server chooses.
fn schema() -> Value {
    json!({
        "type": "object",
        "required": [hostile("PROPERTY")],
        "properties": {
            hostile("PROPERTY"): {
                "type": "string",
                "title": hostile("TITLE"),
                "description": hostile("ABOUT"),
                "default": hostile("DEFAULT"),
            },
            hostile("CHOICE"): {
                "type": "string",
                "oneOf": [
                    {"const": hostile("VALUE"), "title": hostile("VALUE-TITLE")},
                    {"const": "plain", "title": "plain"},
                ],
            },
            hostile("ENUM"): {"type": "string", "enum": [hostile("ONE"), hostile("OTHER")]},
        },
    })
}

/// A server, and what is run against it.
struct Row {
    name: &'static str,
    spoil: fn(&mut Documents, &str),
    runs: &'static [Run],
}

/// A command, and what has to arrive at the terminal.
struct Run {
    /// The words; `URL` is the server's.
    words: &'static [&'static str],
    code: i32,
    says: &'static [&'static str],
    /// What is waited for, and what is typed then.
    types: &'static [(&'static str, &'static str)],
    /// What is waited for before the browser comes back.
    before: &'static str,
    /// Whether a text of several lines is shown.
    lines: bool,
}

const fn run(words: &'static [&'static str], code: i32, says: &'static [&'static str]) -> Run {
    Run {
        words,
        code,
        says,
        types: &[],
        before: "",
        lines: false,
    }
}

impl Run {
    const fn lines(self) -> Self {
        Self {
            lines: true,
            ..self
        }
    }

    const fn before(self, before: &'static str) -> Self {
        Self { before, ..self }
    }

    const fn types(self, types: &'static [(&'static str, &'static str)]) -> Self {
        Self { types, ..self }
    }
}

#[tokio::test]
async fn hostile_text_of_an_authorization_server_is_cleaned_at_the_terminal() {
    check(authorization::TABLE).await;
}

#[tokio::test]
async fn hostile_text_of_an_mcp_server_is_cleaned_at_the_terminal() {
    check(mcp::TABLE).await;
}

#[tokio::test]
async fn hostile_text_of_what_a_server_offers_is_cleaned_at_the_terminal() {
    check(listing::TABLE).await;
}

#[tokio::test]
async fn hostile_text_of_what_a_server_asks_is_cleaned_at_the_terminal() {
    check(elicitation::TABLE).await;
}

/// Runs all rows, a few at once.
async fn check(table: &'static [Row]) {
    let (mut rows, room) = (JoinSet::new(), std::sync::Arc::new(Semaphore::new(4)));
    for row in table {
        let room = room.clone();
        rows.spawn(async move {
            let _room = room.acquire().await;
            check_row(row).await
        });
    }
    let wrong: Vec<String> = rows.join_all().await.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn check_row(row: &Row) -> Vec<String> {
    let server = Server::start(row.spoil).await;
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("hallpass");
    let mut wrong = Vec::new();
    for run in row.runs {
        for environment in [("TERM", "xterm"), ("NO_COLOR", "1")] {
            let (code, bytes) = shown(run, &server, &home, environment).await;
            let text = String::from_utf8_lossy(&bytes);
            let mut why: Vec<String> = obeyed(&bytes, run.lines).into_iter().collect();
            why.extend((code != run.code).then(|| format!("exit code {code}")));
            let silent = run.says.iter().map(|says| marker(says));
            let silent = silent.filter(|says| !text.contains(says));
            why.extend(silent.map(|says| format!("no `{says}`")));
            if !why.is_empty() {
                let (words, why) = (run.words.join(" "), why.join(", "));
                wrong.push(format!("{} ({words}): {why}: {text:?}", row.name));
            }
        }
    }
    wrong
}

/// The name of a field as it is shown; other words are words of the program.
fn marker(says: &str) -> String {
    let is_field = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if says.bytes().all(is_field) {
        format!("({says})")
    } else {
        says.to_owned()
    }
}

/// Runs a command, does what it asks for, and gives what arrived at the terminal.
async fn shown(
    run: &Run,
    server: &Server,
    home: &Path,
    environment: (&str, &str),
) -> (i32, Vec<u8>) {
    let url = server.url();
    let words = run.words.iter().map(|word| match *word {
        "URL" => url.as_str(),
        word => word,
    });
    let words: Vec<&str> = words.collect();
    let mut terminal = Terminal::start_in(home, &words, &[environment, ("TOKEN", "token")]);
    for (question, answer) in run.types {
        terminal.until(question).await;
        terminal.forgets();
        terminal.types(answer).await;
    }
    let mut page = Vec::new();
    if run.words.contains(&"login") && run.types.is_empty() {
        while terminal.read().await {
            let visit = terminal.written.split_once("visit\r\n\r\n  ");
            let visit = visit.and_then(|(_, after)| after.split_once("\r\n"));
            if terminal.written.contains(run.before)
                && let Some(visit) = visit.and_then(|(visit, _)| Url::parse(visit).ok())
            {
                page = come_back(&visit, server).await;
                break;
            }
        }
    }
    let code = terminal.ends().await;
    let mut bytes = terminal.bytes;
    bytes.extend(page);
    (code, bytes)
}

/// A browser comes back from where it was sent; the page that it sees then.
async fn come_back(visit: &Url, server: &Server) -> Vec<u8> {
    let of = |name: &str| {
        let pair = visit.query_pairs().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.into_owned())
    };
    // Where the server has no authorization endpoint of the usual kind there is nothing to come back to.
    let Some(redirect) = of("redirect_uri").and_then(|uri| Url::parse(&uri).ok()) else {
        return Vec::new();
    };
    let mut callback = redirect.clone();
    callback
        .query_pairs_mut()
        .extend_pairs(&server.documents.callback)
        .append_pair("state", &of("state").unwrap());
    let (host, port) = (redirect.host_str().unwrap(), redirect.port().unwrap());
    let mut stream = TcpStream::connect((host, port)).await.unwrap();
    let target = &callback[url::Position::BeforePath..];
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut page = Vec::new();
    stream.read_to_end(&mut page).await.unwrap();
    page
}

/// What a terminal would obey, or take for words of the program.
fn obeyed(bytes: &[u8], lines: bool) -> Option<String> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Some("it is not UTF-8".to_owned());
    };
    if text.contains("\u{1b}[1;31mFORGED") {
        return Some("a server chose a colour".to_owned());
    }
    let mut text = text.replace("\r\n", "\n");
    // The paint of this program, and that of its log.
    for own in ["0", "1", "36", "2", "3", "31", "32", "33", "34", "35"] {
        text = text.replace(&format!("\u{1b}[{own}m"), "");
    }
    // A line that is drawn over, and taken away.
    let drawn = text.matches("\u{1b}[K").count();
    if text.matches('\r').count() != drawn {
        return Some("it returns to the beginning of a line".to_owned());
    }
    let text = text.replace("\u{1b}[K", "").replace('\r', "");
    let harmful = |c: &char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(
                c,
                '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}'
            )
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
    };
    if let Some(harmful) = text.chars().find(harmful) {
        return Some(format!("{harmful:?} arrived"));
    }
    let forged = text.lines().any(|line| line.starts_with("FORGED"));
    (forged && !lines).then(|| "a server began a line".to_owned())
}
