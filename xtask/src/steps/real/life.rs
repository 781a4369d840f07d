//! The life of an account in one row: sign-in, a call, the token's end and a refresh, another
//! sign-in, sign-out.

use serde_json::Value;

use crate::{report::Failure, workspace::Workspace};

use super::{
    pause,
    program::{Program, Run},
    rows::{Person, Row},
    server::{Entry, Server},
    table::Line,
    tools::Tools,
};

/// Seconds an access token lives: long enough for a call, short enough to wait for its end.
const TOKEN_SECONDS: u32 = 12;

/// What stands in a cell that is not for this server.
const NOTHING: &str = "-";

/// A cell's text, or what went wrong.
type Cell = Result<String, Failure>;

/// Goes through a row. A cell that fails is the last one.
pub(super) fn line_of(workspace: &Workspace, tools: &Tools, row: &Row) -> Line {
    let mut line = Line::new(row.server.name(), row.variant, row.person.name());
    if let Err(failure) = fill(&mut line, workspace, tools, row) {
        line.trouble.push(failure.to_string());
    }
    line
}

fn fill(line: &mut Line, workspace: &Workspace, tools: &Tools, row: &Row) -> Result<(), Failure> {
    let document = Program::new(workspace, tools, row)?.client_document()?;
    let server = Server::start(tools, row, TOKEN_SECONDS, &document)?;
    let mut program = Program::new(workspace, tools, row)?;
    server.secret().clone_into(&mut program.secret);
    let life = Life {
        server: &server,
        program: &program,
        url: server.mcp(),
        person: row.person,
    };
    let login = life.login();
    line.set("road", life.road()?);
    let cells: [(&str, &dyn Fn() -> Cell); 7] = [
        ("login", &|| Ok(String::new())),
        ("call", &|| life.call()),
        ("refresh", &|| life.refresh()),
        ("login again", &|| life.login_again()),
        ("step-up", &|| life.step_up()),
        ("calls", &|| life.calls()),
        ("logout", &|| life.logout()),
    ];
    let mut first = Some(login);
    for (head, cell) in cells {
        match first.take().unwrap_or_else(cell) {
            Ok(text) => line.set(head, text),
            Err(failure) => {
                line.set(head, "FAILED");
                return Err(failure);
            }
        }
        if head == "login" && line.ended() {
            return Ok(());
        }
    }
    Ok(())
}

struct Life<'a> {
    server: &'a Server,
    program: &'a Program,
    url: &'a str,
    person: Person,
}

impl Life<'_> {
    /// Signs in. A server that has to be refused ends the row with how it was.
    fn login(&self) -> Cell {
        let run = self.program.login(self.url, self.server.options())?;
        if let Some(wanted) = self.server.refusal() {
            return refused(&run, wanted);
        }
        check("the account", &run.result()?["account"], "default")?;
        let status = self.program.ok(&["status", self.url])?;
        let account = &status["accounts"][0];
        check("the state", &account["state"], "signed-in")?;
        check("the resource", &account["resource"], self.resource())?;
        Ok("ok".to_owned())
    }

    fn call(&self) -> Cell {
        self.ping()?;
        Ok("ok".to_owned())
    }

    /// Lets the token end, and calls again: one refresh, with the same `resource`.
    fn refresh(&self) -> Cell {
        self.wait_for_the_end_of_the_token()?;
        let before = self.tokens("refresh_token")?.len();
        self.ping()?;
        let refreshes = self.tokens("refresh_token")?;
        check(
            "the number of refreshes",
            &(refreshes.len() - before).into(),
            1,
        )?;
        let grant = match self.person {
            Person::Device => "urn:ietf:params:oauth:grant-type:device_code",
            _ => "authorization_code",
        };
        for request in self.tokens(grant)?.iter().chain(&refreshes) {
            check("the `resource`", &request["resource"], self.resource())?;
        }
        Ok("ok".to_owned())
    }

    /// Signs in again while signed in: with the registration that there is.
    fn login_again(&self) -> Cell {
        let before = self.registrations()?;
        let run = self.program.login(self.url, self.server.options())?;
        check("the account", &run.result()?["account"], "default")?;
        self.ping()?;
        let again = self.registrations()? - before;
        Ok(match again {
            0 => "ok".to_owned(),
            _ => "ok, registers".to_owned(),
        })
    }

    /// Signs in and calls from one process, whose second tool wants another scope.
    fn step_up(&self) -> Cell {
        if !self.server.steps_up() {
            return Ok(NOTHING.to_owned());
        }
        let visits = self.program.caller(self.url, &["ping", "write"])?;
        check("the number of sign-ins", &visits.into(), 2)?;
        Ok("ok".to_owned())
    }

    /// Calls again and again with the token that there is.
    fn calls(&self) -> Cell {
        if !self.server.steps_up() {
            return Ok(NOTHING.to_owned());
        }
        let asked = self.entries("nonce")?.len();
        let visits = self.program.caller(self.url, &["ping*50", "write*50"])?;
        check("the number of sign-ins", &visits.into(), 0)?;
        // Once: each nonce after it comes with a good answer.
        let asked = self.entries("nonce")?.len() - asked;
        let expected = usize::from(self.server.has_nonces());
        check("how often a nonce was asked for", &asked.into(), expected)?;
        Ok("100".to_owned())
    }

    fn logout(&self) -> Cell {
        let before = self.entries("revoke")?.len();
        self.program.ok(&["logout", self.url])?;
        self.program.fails(&["call", self.url, "ping"], 3)?;
        let revoked = self.entries("revoke")?;
        // The refresh token; a server may keep none of its access tokens, and refuse those.
        let accepted = revoked.iter().skip(before).any(|one| one["status"] == 200);
        Ok(if accepted { "ok, revoked" } else { "ok" }.to_owned())
    }

    /// How the client came to its tokens, as the server saw it.
    fn road(&self) -> Cell {
        let mut road: Vec<String> = Vec::new();
        for entry in self.server.log()? {
            let kind = entry["kind"].as_str().unwrap_or_default();
            let words = match kind {
                "token" => format!("token {}", entry["auth"].as_str().unwrap_or("?")),
                kind => kind.to_owned(),
            };
            if !road.contains(&words) {
                road.push(words);
            }
        }
        Ok(road.join(", "))
    }

    fn ping(&self) -> Result<(), Failure> {
        let answer = self.program.ok(&["call", self.url, "ping"])?;
        check("the tool's answer", &answer["content"][0]["text"], "pong")
    }

    fn resource(&self) -> Value {
        self.server.resource().clone()
    }

    fn registrations(&self) -> Result<usize, Failure> {
        Ok(self.entries("register")?.len())
    }

    fn entries(&self, kind: &str) -> Result<Vec<Entry>, Failure> {
        let mut log = self.server.log()?;
        log.retain(|entry| entry["kind"] == kind);
        Ok(log)
    }

    /// What the token endpoint was sent for one grant type.
    fn tokens(&self, grant: &str) -> Result<Vec<Entry>, Failure> {
        let mut tokens = self.entries("token")?;
        tokens.retain(|entry| entry["grant_type"] == grant && entry["status"] == 200);
        Ok(tokens)
    }

    fn wait_for_the_end_of_the_token(&self) -> Result<(), Failure> {
        let status = self.program.ok(&["status", self.url])?;
        match status["accounts"][0]["expires_in"].as_i64() {
            Some(seconds) if seconds > 60 => Err(Failure::new("the access token lives too long")),
            Some(seconds) => {
                pause(u64::try_from(seconds).unwrap_or(0) + 1);
                Ok(())
            }
            None => Err(Failure::new(
                "the server did not say when the access token ends",
            )),
        }
    }
}

/// A login that has to fail: with this exit code, and these words.
fn refused(run: &Run, wanted: &Value) -> Cell {
    let code = wanted["code"].as_i64().unwrap_or(-1);
    let words = wanted["words"].as_str().unwrap_or_default();
    let said = |text: &str| text.contains(words);
    if i64::from(run.0.code()) == code && (said(&run.0.stderr) || said(&run.0.stdout)) {
        return Ok(format!("exit {code}"));
    }
    Err(run.0.failure())
}

fn check(what: &str, got: &Value, expected: impl Into<Value>) -> Result<(), Failure> {
    let expected = expected.into();
    if *got == expected {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{what} is {got}, expected {expected}"
    )))
}
