//! `docs/walk-through.md`: the terminal of a new user, recorded while these commands run.
//!
//! What differs from run to run is made the same. `SNAPSHOTS=overwrite cargo test -p hallpass-cli
//! walk_through` writes the document anew.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use hallpass_testkit::Person;
use snapbox::{Assert, Data, assert::DEFAULT_ACTION_ENV, data::DataFormat};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use url::Url;

const INTRODUCTION: &str = "\
# A walk-through

A terminal, recorded by the test `crates/hallpass-cli/tests/it/walk_through.rs`, which runs these commands in an empty
home folder and compares what they say with this page. Ports, times, identifiers and tokens are made the same, so that
two recordings are alike. `HALLPASS_KEY_STORE=key-file` was set: at a desktop the key is in the keyring.

";

/// The home folder of a new user, and what was seen there so far.
struct Recording {
    home: TempDir,
    page: String,
    /// What differs from run to run, and what is shown in its place.
    same: Vec<(String, String)>,
}

/// A command that serves; it is ended with the recording.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Recording {
    fn new() -> Self {
        // A path of the same length everywhere: where lines are broken depends on it.
        crate::program::set_umask();
        let home = TempDir::new_in("/tmp").unwrap();
        let same = vec![(home.path().display().to_string(), "~".to_owned())];
        Self {
            home,
            page: INTRODUCTION.to_owned(),
            same,
        }
    }

    fn command(&self, line: &str) -> Command {
        let program = std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap();
        let folder = program.parent().unwrap().display().to_string();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", format!("{folder}:/usr/bin:/bin"))
            .env("HALLPASS_KEY_STORE", "key-file")
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    fn says(&mut self, text: &str) {
        self.page.extend([text, "\n\n"]);
    }

    /// Another thing that differs from run to run.
    fn alike(&mut self, differs: &str, shown: &str) {
        self.same.push((differs.to_owned(), shown.to_owned()));
    }

    /// A block of the page: command lines with what they said.
    fn shows(&mut self, block: &str) {
        let block = self.same.iter().fold(block.to_owned(), |text, (from, to)| {
            text.replace(from.as_str(), to)
        });
        let lines: Vec<String> = block.lines().map(made_alike).collect();
        let text = lines.join("\n");
        self.page
            .extend(["```console\n", text.trim_end(), "\n```\n\n"]);
    }

    /// Runs command lines one after another, and shows each with what it said and, where it is not 0,
    /// its exit code.
    fn runs(&mut self, lines: &[&str]) {
        let mut block = String::new();
        for line in lines {
            let (mut said, says) = std::io::pipe().unwrap();
            let mut command = self.command(line);
            // Both to one place, as a terminal has them.
            command.stdout(says.try_clone().unwrap()).stderr(says);
            let mut child = command.spawn().unwrap();
            drop(command);
            let mut text = String::new();
            said.read_to_string(&mut text).unwrap();
            let code = child.wait().unwrap().code().unwrap();
            block.extend(["$ ", line, "\n", &text]);
            if code != 0 {
                block.extend(["$ echo $?\n", &code.to_string(), "\n"]);
            }
        }
        self.shows(&block);
    }

    /// Starts a command that serves, and gives what it says first, up to `last`.
    fn serves(&mut self, line: &str, last: &str) -> (Serving, String) {
        let mut command = self.command(&format!("exec {line}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        let serving = Serving(child);
        let mut text = String::new();
        for said in std::io::BufRead::lines(stdout) {
            text += &(said.unwrap() + "\n");
            if text.contains(last) {
                return (serving, text);
            }
        }
        panic!("it ended after: {text}");
    }

    /// Signs in where the command says.
    async fn signs_in(&mut self, line: &str) {
        let mut command = tokio::process::Command::from(self.command(line));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut block = format!("$ {line}\n");
        while let Some(said) = talk.next_line().await.unwrap() {
            block.extend([&said, "\n"]);
            if let Ok(url) = Url::parse(said.trim()) {
                self.alike(url.query().unwrap(), "response_type=code&client_id=…");
                let issuer = format!("127.0.0.1:{}", url.port().unwrap());
                self.alike(&issuer, "127.0.0.1:8000");
                Person::new().visit(&url).await.unwrap();
            }
        }
        let ended = child.wait_with_output().await.unwrap();
        assert!(ended.status.success(), "{block}");
        block += &String::from_utf8(ended.stdout).unwrap();
        self.shows(&block);
    }
}

/// A line without what differs from run to run: durations, keys, client identifiers and tokens.
fn made_alike(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let word = |at: usize| {
        let (word, next) = (words[at], words.get(at + 1).copied().unwrap_or_default());
        let is_number = word.chars().all(|c| c.is_ascii_digit()) && !word.is_empty();
        match next.trim_end_matches([',', '.', ':', ';']) {
            "s" | "second" | "seconds" if is_number && word.len() == 4 => return "3599".to_owned(),
            "ms" | "second" | "seconds" if is_number => return "2".to_owned(),
            _ => {}
        }
        let bare = word.trim_end_matches(';');
        if bare.len() == 32 && bare.chars().all(|c| c.is_ascii_hexdigit()) {
            return word.replace(bare, "6f0a…");
        }
        if at.checked_sub(1).is_some_and(|at| words[at] == "Bearer") {
            return "…".to_owned();
        }
        if let Some((_, id)) = word.split_once("client-") {
            let id: String = id.chars().take_while(|&c| c != '`').collect();
            return word.replace(&format!("client-{id}"), "client-…");
        }
        word.to_owned()
    };
    let line = (0..words.len()).map(word).collect::<Vec<_>>().join(" ");
    let line = match line.split_once("127.0.0.1:") {
        // The loopback port of a sign-in.
        Some((before, after)) if after.contains("/callback") => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}127.0.0.1:8765{rest}")
        }
        _ => line,
    };
    line.replace("2 seconds ago", "a moment ago")
        .trim_end()
        .to_owned()
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/walk-through.md")
}

#[tokio::test]
async fn walk_through_matches_terminal() {
    let mut recording = Recording::new();
    recording.says("## A server to try it on");
    recording.says("This server runs on the same machine. A remote server behaves the same.");
    let (_serving, text) = recording.serves("hallpass demo --serve", "hallpass doctor");
    let mut urls = text.lines().filter_map(|line| line.split("http://").nth(1));
    let origin = |url: &str| url.split('/').next().unwrap().to_owned();
    let server = origin(urls.next().unwrap());
    let broken = origin(urls.next_back().unwrap());
    recording.alike(&server, "127.0.0.1:8001");
    recording.alike(&broken, "127.0.0.1:8002");
    recording.shows(&format!("$ hallpass demo --serve\n{text}"));

    recording.says("## Signing in");
    recording.says("In another terminal: give the server a name. Its tools require a sign-in.");
    let add = format!("hallpass add demo http://{server}/mcp");
    recording.runs(&[&add, "hallpass list", "hallpass tools demo"]);
    recording.says(
        "`login` opens a browser. Where there is none, it shows where to go; here with \
         `--no-browser`.",
    );
    recording.signs_in("hallpass login demo --no-browser").await;
    recording.runs(&["hallpass status demo"]);

    recording.says("## Calling");
    recording.says("The tools of the server, and the details of one:");
    recording.runs(&[
        "hallpass tools demo | head -12",
        "hallpass tools demo search",
    ]);
    recording.says("Arguments can be words, JSON or a file:");
    let file = recording.home.path().join("numbers.json");
    let mut file = fs::File::create(file).unwrap();
    file.write_all(b"{\"a\": 20, \"b\": 22}").unwrap();
    recording.runs(&[
        "hallpass call demo add a=2 b=3",
        "hallpass call demo add '{\"a\": 2, \"b\": 3}'",
        "hallpass call demo add @numbers.json",
        "hallpass call demo search query=plans kinds=file,folder order:='{\"by\": \"date\"}'",
        "hallpass call demo add a=two b=3",
        "hallpass --json call demo add a=2 b=3",
    ]);

    recording.says("## Resources and prompts");
    recording.runs(&[
        "hallpass resources demo",
        "hallpass resources demo test://files/a.txt",
        "hallpass prompts demo",
        "hallpass prompts demo greet name=Ada",
    ]);

    recording.says("## Tokens for other programs");
    recording.says("`token` prints one, `exec` hands one to a command that never shows it:");
    recording.runs(&[
        "hallpass token demo --header",
        "hallpass exec demo -- sh -c 'echo ${#HALLPASS_TOKEN} characters, good for an hour'",
    ]);

    recording.says("## A host that speaks only stdio");
    recording.says("The messages of a host whose configuration runs `hallpass proxy demo`, and the answer to its call:");
    let messages = recording.home.path().join("host.jsonl");
    let mut messages = fs::File::create(messages).unwrap();
    messages.write_all(HOST.as_bytes()).unwrap();
    // Who answers `initialize`, the server or the proxy for it, is a matter of time.
    recording.runs(&[
        "cat host.jsonl",
        "hallpass proxy demo < host.jsonl | grep '\"id\":1'",
    ]);

    recording.says("## A server with a fault");
    recording.says("The metadata of the other server names another server:");
    let doctor = format!("hallpass doctor http://{broken}/mcp");
    recording.runs(&[&doctor]);

    recording.says("## Signing out");
    recording.runs(&[
        "hallpass store list",
        "hallpass logout demo",
        "hallpass remove demo",
    ]);

    let page = recording.page.trim_end().to_owned() + "\n";
    Assert::new().action_env(DEFAULT_ACTION_ENV).eq(
        page,
        Data::read_from(&document(), Some(DataFormat::Text)).raw(),
    );
}

const HOST: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"host","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":2,"b":3}}}
"#;
