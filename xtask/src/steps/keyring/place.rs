//! Where a check runs: a folder, the servers, and the programs under test.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use serde_json::Value;

use super::service::{Running, variables};
use crate::{
    report::{Failure, now},
    workspace::Workspace,
};

/// The program waits so long for a keyring, and ends within a second more.
const LIMIT: Duration = Duration::from_secs(3 + 1);

/// A folder of its own, the servers, and the programs.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) url: String,
    program: PathBuf,
    probe: PathBuf,
    person: String,
    servers: Mutex<(BufReader<ChildStdout>, ChildStdin)>,
    _serving: Running,
}

/// How a program ended.
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) result: Value,
    pub(super) text: String,
    pub(super) took: Duration,
}

impl Place {
    pub(super) fn new(workspace: &Workspace) -> Result<Self, Failure> {
        // Short, since the path of a socket may not be long.
        let folder = std::env::temp_dir().join(format!("hallpass-{}", std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        for part in ["home", "run", "data"] {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(folder.join(part))?;
        }
        let processes = workspace.binary("debug/examples", "processes");
        let mut serving = Running::new(
            Command::new(&processes)
                .arg("serve")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )?;
        let child = serving.child();
        let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(Failure::new("the servers have no pipes"));
        };
        let mut servers = (BufReader::new(output), input);
        let url = line(&mut servers.0)?;
        Ok(Self {
            url,
            program: workspace.binary("debug", "hallpass"),
            probe: workspace.binary("debug/examples", "probe"),
            person: format!("{} person", processes.display()),
            servers: Mutex::new(servers),
            _serving: serving,
            folder,
        })
    }

    /// Has the library's probe find `outcome`, in time.
    pub(super) fn probe(&self, outcome: &str) -> Result<(), Failure> {
        let output = self.command(&self.probe).arg(outcome).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Err(Failure::new(format!(
            "the probe found something else\n{said}"
        )))
    }

    /// Runs the program on the store of this name.
    pub(super) fn run(&self, store: &str, arguments: &[&str]) -> Result<Ended, Failure> {
        let began = now();
        let output = self
            .command(&self.program)
            .env("HALLPASS_HOME", self.store(store))
            .env("BROWSER", &self.person)
            .arg("--json")
            .args(arguments)
            .output()?;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(Ended {
            code: output.status.code().unwrap_or(-1),
            result: answer["result"].clone(),
            text: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: began.elapsed(),
        })
    }

    /// Runs a command that must succeed, and gives its result.
    pub(super) fn ok(&self, store: &str, arguments: &[&str]) -> Result<Value, Failure> {
        let ended = self.run(store, arguments)?;
        if ended.code == 0 {
            return Ok(ended.result);
        }
        Err(ended.unexpected(arguments))
    }

    /// Runs a command that must fail in time, with advice, with these words, and without touching a
    /// file of the store.
    pub(super) fn refused(&self, store: &str, words: &[&str]) -> Result<(), Failure> {
        let arguments = ["token", self.url.as_str()];
        let before = self.files(store)?;
        let ended = self.run(store, &arguments)?;
        let said = |word: &&str| ended.text.contains(*word);
        let clear = said(&"hint: ") && words.iter().all(said);
        if ended.code == 0 || ended.took > LIMIT || !clear {
            return Err(ended.unexpected(&arguments));
        }
        if self.files(store)? == before {
            Ok(())
        } else {
            Err(Failure::new("the store is not as it was"))
        }
    }

    /// Has the program find that the key is lost: the first run says so, and the next does not.
    pub(super) fn lost(&self, store: &str) -> Result<(), Failure> {
        let arguments = ["token", self.url.as_str()];
        for expected in [true, false] {
            let ended = self.run(store, &arguments)?;
            if ended.code != 3 || ended.text.contains("is lost") != expected {
                return Err(ended.unexpected(&arguments));
            }
        }
        Ok(())
    }

    /// Signs in, calls, has the access token end, and calls again with one refresh.
    pub(super) fn live(&self, store: &str) -> Result<(), Failure> {
        self.ok(store, &["login", &self.url])?;
        self.call(store)?;
        let before = self.expire()?;
        self.call(store)?;
        match self.expire()? - before {
            1 => Ok(()),
            other => Err(Failure::new(format!("{other} refreshes, expected 1"))),
        }
    }

    pub(super) fn call(&self, store: &str) -> Result<(), Failure> {
        let answer = self.ok(store, &["call", &self.url, "ping"])?;
        if answer["content"][0]["text"] == "pong" {
            Ok(())
        } else {
            Err(Failure::new(format!("the tool's answer is {answer}")))
        }
    }

    /// Ends every access token; how many refreshes there were before.
    fn expire(&self) -> Result<u32, Failure> {
        let mut servers = self
            .servers
            .lock()
            .map_err(|_| Failure::new("the servers are gone"))?;
        servers.1.write_all(b"expire\n")?;
        let count = line(&mut servers.0)?;
        count
            .parse()
            .map_err(|_| Failure::new(format!("the servers said {count}")))
    }

    /// Checks the policy that `status` shows; the key is in a file exactly when it says so.
    pub(super) fn policy(&self, store: &str, policy: &str) -> Result<Value, Failure> {
        let status = self.ok(store, &["status"])?["store"].clone();
        let files = self.files(store)?;
        let in_file = files
            .keys()
            .any(|path| path.extension().is_some_and(|it| it == "key"));
        if status["key_location"] == policy && in_file == (policy == "key-file") {
            Ok(status)
        } else {
            Err(Failure::new(format!(
                "the store is {status}, a key file is there: {in_file}; expected {policy}"
            )))
        }
    }

    fn store(&self, name: &str) -> PathBuf {
        self.folder.join("home").join(name)
    }

    /// What the store holds, apart from who held which lock.
    fn files(&self, store: &str) -> Result<BTreeMap<PathBuf, Vec<u8>>, Failure> {
        let (mut folders, mut files) = (vec![self.store(store)], BTreeMap::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|it| it != "holder") {
                    files.insert(path.clone(), fs::read(path)?);
                }
            }
        }
        Ok(files)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(variables(&self.folder))
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Ended {
    fn unexpected(&self, arguments: &[&str]) -> Failure {
        Failure::new(format!(
            "hallpass {} ended with {} after {:.1} s\n{}",
            arguments.join(" "),
            self.code,
            self.took.as_secs_f32(),
            self.text
        ))
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> Result<String, Failure> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
