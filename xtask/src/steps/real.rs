//! The program against authorization servers that others wrote.
//!
//! Each run starts a server below `target/`, and goes through sign-in, calls, a refresh and
//! sign-out with the built program, one process each, as a person or a script would.

mod program;
mod server;
mod tools;

use std::{thread, time::Duration};

use serde_json::Value;

use crate::{
    report::{Failure, now},
    workspace::Workspace,
};

use program::Program;
use server::Server;
use tools::Tools;

/// Seconds an access token lives: long enough for two calls, short enough to wait for its end.
const TOKEN_SECONDS: u32 = 8;

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    workspace
        .cargo()
        .args(["build", "--locked", "--package", "hallpass-cli"])
        .run()?;
    let tools = Tools::install(workspace)?;
    let person = tools.script("person.mjs");
    run_one(
        workspace,
        &tools,
        "oidc-provider, login pages by cookie",
        &format!("node {person}"),
    )?;
    let chromium = format!("node {} {}", tools.script("chromium.mjs"), tools.chromium());
    run_one(
        workspace,
        &tools,
        "oidc-provider, login pages in Chromium",
        &chromium,
    )
}

/// One whole life of an account: sign-in, calls, the token's end, a refresh, sign-out.
fn run_one(workspace: &Workspace, tools: &Tools, name: &str, browser: &str) -> Result<(), Failure> {
    let server = Server::start(tools, "oidc-provider.mjs", TOKEN_SECONDS)?;
    let program = Program::new(workspace, browser)?;
    let url = server.mcp();
    let mut row = Row::new(name);

    row.cell("login", || {
        let login = program.ok(&["login", url])?;
        check("the account", &login["account"], "default")
    })?;
    row.cell("status", || {
        let status = program.ok(&["status", url])?;
        check("the state", &status["accounts"][0]["state"], "signed-in")?;
        check("the resource", &status["accounts"][0]["resource"], url)
    })?;
    row.cell("tools", || {
        let tools = program.ok(&["tools", url])?;
        check("the first tool", &tools["tools"][0]["name"], "ping")
    })?;
    row.cell("call", || ping(&program, url))?;
    row.cell("refresh", || {
        wait_for_the_end_of_the_token(&program, url)?;
        ping(&program, url)?;
        let refreshes = server.token_requests(tools, "refresh_token")?;
        check("the number of refreshes", &Value::from(refreshes.len()), 1)?;
        check("the refresh's resource", &refreshes[0]["resource"], url)?;
        let exchanges = server.token_requests(tools, "authorization_code")?;
        check(
            "the number of code exchanges",
            &Value::from(exchanges.len()),
            1,
        )?;
        check("the exchange's resource", &exchanges[0]["resource"], url)
    })?;
    row.cell("token", || {
        let token = program.ok(&["token", url])?;
        if token["access_token"]
            .as_str()
            .is_some_and(|token| !token.is_empty())
        {
            Ok(())
        } else {
            Err(Failure::new("`token` printed no access token"))
        }
    })?;
    row.cell("logout", || {
        program.ok(&["logout", url])?;
        program.fails(&["call", url, "ping"], 3)
    })?;
    row.cell("login again", || {
        program.ok(&["login", url])?;
        ping(&program, url)
    })?;
    Ok(())
}

fn ping(program: &Program, url: &str) -> Result<(), Failure> {
    let answer = program.ok(&["call", url, "ping"])?;
    check("the tool's answer", &answer["content"][0]["text"], "pong")
}

fn wait_for_the_end_of_the_token(program: &Program, url: &str) -> Result<(), Failure> {
    let began = now();
    while began.elapsed() < Duration::from_secs(60) {
        let status = program.ok(&["status", url])?;
        if status["accounts"][0]["expires_in"]
            .as_i64()
            .is_some_and(|seconds| seconds <= 0)
        {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(500));
    }
    Err(Failure::new(
        "the access token did not expire within a minute",
    ))
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

/// One line of the table, printed as it grows.
struct Row<'a> {
    name: &'a str,
}

impl<'a> Row<'a> {
    fn new(name: &'a str) -> Self {
        Self { name }
    }

    fn cell(
        &mut self,
        cell: &str,
        check: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let began = now();
        let outcome = check();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        let line = format!(
            "{} | {cell:<12} {verdict} {:.2} s",
            self.name,
            began.elapsed().as_secs_f32()
        );
        crate::report::Report::default().line(&line);
        outcome.map_err(|failure| Failure::new(format!("{} | {cell}: {failure}", self.name)))
    }
}
