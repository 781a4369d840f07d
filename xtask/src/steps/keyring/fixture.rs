//! What a check runs with: a folder, the servers, and the programs under test.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;

use super::service::with_session;
use crate::{
    report::{Failure, now},
    shell::{Completed, Shell},
    steps::harness::{Serving, check, delete, result},
    workspace::Workspace,
};

/// The program waits so long for a keyring, and ends within a second more.
const TIMEOUT: Duration = Duration::from_secs(3 + 1);

/// A folder of its own, the servers, and the programs.
pub(super) struct Fixture {
    pub(super) folder: PathBuf,
    pub(super) url: String,
    program: PathBuf,
    probe: PathBuf,
    browser: String,
    servers: RefCell<Serving>,
}

impl Fixture {
    pub(super) fn new(workspace: &Workspace) -> Result<Self, Failure> {
        // Short, since the path of a socket may not be long.
        let folder = std::env::temp_dir().join(format!("hallpass-{}", std::process::id()));
        delete(&folder)?;
        for part in ["home", "run", "data"] {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(folder.join(part))?;
        }
        let processes = workspace.binary("debug/examples", "processes");
        let serve = Shell::new(&processes).args(["serve"]);
        let servers = Serving::start(serve, Stdio::inherit())?;
        Ok(Self {
            url: servers.ready.clone(),
            program: workspace.binary("debug", "hallpass"),
            probe: workspace.binary("debug/examples", "probe"),
            browser: format!("{} person", processes.display()),
            servers: RefCell::new(servers),
            folder,
        })
    }

    /// Has the library's probe find `outcome`, in time.
    pub(super) fn probe(&self, outcome: &str) -> Result<(), Failure> {
        let probed = self.command(&self.probe).args([outcome]).complete()?;
        probed.success().map(drop)
    }

    /// Runs the program on the store of this name.
    pub(super) fn run(
        &self,
        store: &str,
        arguments: &[&str],
    ) -> Result<(Completed, Duration), Failure> {
        let began = now();
        let completed = self
            .command(&self.program)
            .env("HALLPASS_HOME", self.store(store))
            .env("BROWSER", &self.browser)
            .args(["--json"])
            .args(arguments)
            .complete()?;
        Ok((completed, began.elapsed()))
    }

    /// Runs a command that must succeed, and gives its result.
    pub(super) fn ok(&self, store: &str, arguments: &[&str]) -> Result<Value, Failure> {
        result(&self.run(store, arguments)?.0)
    }

    /// Runs a command that must fail in time, with advice, with these words, and without touching a
    /// file of the store.
    pub(super) fn refused(&self, store: &str, words: &[&str]) -> Result<(), Failure> {
        let arguments = ["token", self.url.as_str()];
        let before = self.files(store)?;
        let (completed, duration) = self.run(store, &arguments)?;
        let has = |word: &&str| completed.stderr.contains(*word);
        let clear = has(&"hint: ") && words.iter().all(has);
        if completed.code() == 0 || duration > TIMEOUT || !clear {
            let failure = completed.failure();
            return Err(Failure::new(format!("after {duration:.1?}: {failure}")));
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
            let (completed, _) = self.run(store, &arguments)?;
            if completed.code() != 3 || completed.stderr.contains("is lost") != expected {
                return Err(completed.failure());
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
        let refreshes = self.expire()? - before;
        check("the number of refreshes", &refreshes.into(), 1)
    }

    pub(super) fn call(&self, store: &str) -> Result<(), Failure> {
        let answer = self.ok(store, &["call", &self.url, "ping"])?;
        check("the tool's answer", &answer["content"][0]["text"], "pong")
    }

    /// Ends every access token; how many refreshes there were before.
    fn expire(&self) -> Result<u32, Failure> {
        let mut servers = self.servers.borrow_mut();
        if let Some(input) = &mut servers.process.0.stdin {
            input.write_all(b"expire\n")?;
        }
        let count = servers.line()?;
        count
            .parse()
            .map_err(|_| Failure::new(format!("the servers printed {count}")))
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

    fn command(&self, program: &Path) -> Shell {
        with_session(Shell::new(program).env_clear(), &self.folder)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
