//! The life of an account in one row: sign-in, a call, the end of the token and a refresh, another
//! sign-in, sign-out.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::Stdio,
};

use serde_json::Value;

use super::{
    Tools, pause,
    rows::{CHROMIUM, DEVICE, Row, User},
    server::Server,
};
use crate::{
    report::Failure,
    shell::{Completed, Shell},
    steps::harness::{check, delete, result},
    workspace::Workspace,
};

/// How long a user may take whose login pages have changed.
const LOGIN_SECONDS: &str = "120";

/// A cell's text, or what went wrong.
type Cell = Result<String, Failure>;

/// Goes through a row: its cells, of which one that fails is the last, and the failure.
pub(super) fn cells(
    workspace: &Workspace,
    tools: &Tools,
    row: &Row,
) -> (Vec<String>, Option<Failure>) {
    let mut cells = [row.server.0, row.variant, row.user]
        .map(str::to_owned)
        .to_vec();
    let outcome = fill(&mut cells, workspace, tools, row);
    (cells, outcome.err())
}

fn fill(
    cells: &mut Vec<String>,
    workspace: &Workspace,
    tools: &Tools,
    row: &Row,
) -> Result<(), Failure> {
    let program = workspace.binary("debug", "hallpass");
    let document = Shell::new(&program).args(["cimd", "https://client.example/hallpass.json"]);
    let server = Server::start(tools, row, &document.read()?)?;
    let stores = workspace.below_target("real-store");
    let name = row.name().replace(' ', "-");
    let store = stores.join(&name);
    let callers_store = stores.join(format!("{name}-caller"));
    delete(&store)?;
    delete(&callers_store)?;
    let mut browser = vec!["node".to_owned()];
    if row.user == CHROMIUM {
        browser.push(tools.script("chromium.mjs"));
        browser.push(tools.chromium.to_string_lossy().into_owned());
    } else {
        browser.push(tools.script("user.mjs"));
    }
    let life = Life {
        program,
        caller: workspace.binary("debug/examples", "caller"),
        store,
        callers_store,
        user: row.user,
        browser,
        url: server.text("mcp").to_owned(),
        server,
    };
    let login = life.login();
    cells.push(life.requests()?);
    let is_refused = life.server.ready["refused"].is_object();
    let mut first = Some(login);
    let steps: [fn(&Life) -> Cell; 7] = [
        Life::login,
        Life::call,
        Life::refresh,
        Life::login_again,
        Life::step_up,
        Life::calls,
        Life::logout,
    ];
    for step in steps.into_iter().take(if is_refused { 1 } else { 7 }) {
        let cell = first.take().unwrap_or_else(|| step(&life));
        cells.push(cell.as_ref().map_or("FAILED", String::as_str).to_owned());
        cell?;
    }
    Ok(())
}

struct Life {
    program: PathBuf,
    /// The host that makes many calls.
    caller: PathBuf,
    store: PathBuf,
    callers_store: PathBuf,
    user: User,
    /// The command that opens a URL for the user.
    browser: Vec<String>,
    url: String,
    server: Server,
}

impl Life {
    /// Signs in. Where the server has to be refused, the cell is the exit code.
    fn login(&self) -> Cell {
        let run = self.sign_in()?;
        let refused = &self.server.ready["refused"];
        if refused.is_object() {
            let words = refused["words"].as_str().unwrap_or_default();
            let is_said = run.stderr.contains(words) || run.stdout.contains(words);
            if is_said && Some(i64::from(run.code())) == refused["code"].as_i64() {
                return Ok(format!("exit {}", run.code()));
            }
            return Err(run.failure());
        }
        check("the account", &result(&run)?["account"], "default")?;
        let account = &self.ok(&["status", &self.url])?["accounts"][0];
        check("the state", &account["state"], "signed-in")?;
        check("the resource", &account["resource"], self.server.resource())?;
        Ok("ok".to_owned())
    }

    fn call(&self) -> Cell {
        let answer = self.ok(&["call", &self.url, "ping"])?;
        check("the tool's answer", &answer["content"][0]["text"], "pong")?;
        Ok("ok".to_owned())
    }

    /// Lets the token end, and calls again: one refresh, with the same `resource`.
    fn refresh(&self) -> Cell {
        let status = self.ok(&["status", &self.url])?;
        match status["accounts"][0]["expires_in"].as_i64() {
            Some(seconds @ ..=60) => pause(u64::try_from(seconds).unwrap_or(0) + 1),
            other => {
                let what = format!("the access token ends in {other:?} seconds");
                return Err(Failure::new(what));
            }
        }
        let before = self.tokens("refresh_token")?.len();
        self.call()?;
        let refreshes = self.tokens("refresh_token")?;
        let count = refreshes.len() - before;
        check("the number of refreshes", &count.into(), 1)?;
        let grant = match self.user {
            DEVICE => "urn:ietf:params:oauth:grant-type:device_code",
            _ => "authorization_code",
        };
        for request in self.tokens(grant)?.iter().chain(&refreshes) {
            check(
                "the `resource`",
                &request["resource"],
                self.server.resource(),
            )?;
        }
        Ok("ok".to_owned())
    }

    /// Signs in again while signed in: with the registration that there is.
    fn login_again(&self) -> Cell {
        let before = self.requests_of("register")?.len();
        check(
            "the account",
            &result(&self.sign_in()?)?["account"],
            "default",
        )?;
        self.call()?;
        let registers = self.requests_of("register")?.len() > before;
        Ok(if registers { "ok, registers" } else { "ok" }.to_owned())
    }

    /// Signs in and calls from one process, whose second tool needs another scope.
    fn step_up(&self) -> Cell {
        if self.server.ready["steps_up"] != true {
            return Ok("-".to_owned());
        }
        let sign_ins = self.call_as_host(&["ping", "write"])?;
        check("the number of sign-ins", &sign_ins.into(), 2)?;
        Ok("ok".to_owned())
    }

    /// Calls again and again with the token that there is.
    fn calls(&self) -> Cell {
        if self.server.ready["steps_up"] != true {
            return Ok("-".to_owned());
        }
        let before = self.requests_of("nonce")?.len();
        let sign_ins = self.call_as_host(&["ping*50", "write*50"])?;
        check("the number of sign-ins", &sign_ins.into(), 0)?;
        // Once: each nonce after it comes with a successful response.
        let nonces = self.requests_of("nonce")?.len() - before;
        let expected = u64::from(self.server.ready["nonces"] == true);
        check(
            "the number of requests for a nonce",
            &nonces.into(),
            expected,
        )?;
        Ok("100".to_owned())
    }

    fn logout(&self) -> Cell {
        let before = self.requests_of("revoke")?.len();
        self.ok(&["logout", &self.url])?;
        let call = self.run(&["call", &self.url, "ping"])?;
        if call.code() != 3 {
            return Err(call.failure());
        }
        let revoked = self.requests_of("revoke")?;
        // The refresh token; a server may store none of its access tokens, and refuse those.
        let accepted = revoked.iter().skip(before).any(|one| one["status"] == 200);
        Ok(if accepted { "ok, revoked" } else { "ok" }.to_owned())
    }

    /// The kinds of requests by which the client obtained its tokens, as the server logged them.
    fn requests(&self) -> Cell {
        let mut kinds: Vec<String> = Vec::new();
        for request in self.server.log()? {
            let kind = match request["kind"].as_str().unwrap_or_default() {
                "token" => format!("token {}", request["auth"].as_str().unwrap_or("?")),
                kind => kind.to_owned(),
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(kinds.join(", "))
    }

    fn requests_of(&self, kind: &str) -> Result<Vec<Value>, Failure> {
        let mut log = self.server.log()?;
        log.retain(|request| request["kind"] == kind);
        Ok(log)
    }

    /// The successful token requests of one grant type.
    fn tokens(&self, grant: &str) -> Result<Vec<Value>, Failure> {
        let mut tokens = self.requests_of("token")?;
        tokens.retain(|request| request["grant_type"] == grant && request["status"] == 200);
        Ok(tokens)
    }

    fn sign_in(&self) -> Result<Completed, Failure> {
        let options = self.server.ready["options"]
            .as_array()
            .into_iter()
            .flatten();
        let mut arguments = vec!["login", &self.url, "--wait", LOGIN_SECONDS];
        arguments.extend(options.filter_map(Value::as_str));
        if self.user == DEVICE {
            arguments.extend(["--no-browser", "--device"]);
        }
        self.run(&arguments)
    }

    /// Runs a command that must succeed, and gives its result.
    fn ok(&self, arguments: &[&str]) -> Result<Value, Failure> {
        result(&self.run(arguments)?)
    }

    /// Runs the host of many calls with credentials of its own; how often a user signed in.
    fn call_as_host(&self, calls: &[&str]) -> Result<usize, Failure> {
        let called = Shell::new(&self.caller)
            .args([self.url.as_ref(), self.callers_store.as_os_str()])
            .args([self.browser.join(" ")])
            .args(calls)
            .complete()?;
        let last = called.stdout.lines().last();
        let last = last.and_then(|line| line.parse().ok());
        last.filter(|_| called.status.success())
            .ok_or_else(|| called.failure())
    }

    /// Runs a command. On the other device, the user goes to the URL as it is printed.
    fn run(&self, arguments: &[&str]) -> Result<Completed, Failure> {
        let mut running = Shell::new(&self.program)
            .args(["--json", "--key-store", "key-file", "--store"])
            .args([&self.store])
            .args(arguments)
            .env("BROWSER", self.browser.join(" "))
            .env("REAL_CLIENT_SECRET", self.server.text("secret"))
            .spawn(Stdio::null(), Stdio::piped(), Stdio::piped())?;
        let (mut stdout, mut stderr) = (String::new(), String::new());
        if let Some(stream) = running.0.stderr.take() {
            for line in BufReader::new(stream).lines() {
                let line = line?;
                stderr = stderr + &line + "\n";
                let has_code = line.contains("code=") && !line.contains("response_type=");
                if self.user == DEVICE && has_code {
                    let visit = Shell::new(&self.browser[0]).args(&self.browser[1..]);
                    visit.args([line.trim()]).complete()?.success()?;
                }
            }
        }
        if let Some(mut stream) = running.0.stdout.take() {
            stream.read_to_string(&mut stdout)?;
        }
        Ok(Completed {
            command: format!("hallpass {}", arguments.join(" ")),
            status: running.0.wait()?,
            stdout,
            stderr,
        })
    }
}
