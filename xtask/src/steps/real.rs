//! The program against authorization servers that others wrote: a matrix of servers and variants.
//!
//! Each row starts a server below `target/`, and goes through the life of an account with the built
//! program, one process for each command, as a person or a script would. What comes out is compared
//! with the table in `xtask/real/expected.txt`, cell by cell.

mod life;
mod program;
mod rows;
mod server;
mod table;
mod tools;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    report::{Failure, Report, now},
    workspace::Workspace,
};

use rows::{ROWS, Row};
use table::Line;
use tools::Tools;

/// Rows that run at the same time: most of a row is waiting for a token's end.
const WORKERS: usize = 3;

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let write = arguments.iter().any(|argument| argument == "--write");
    let parts: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    workspace
        .cargo()
        .args(["build", "--locked", "--package", "hallpass-cli"])
        .run()?;
    workspace
        .cargo()
        .args(["build", "--locked", "--package", "hallpass"])
        .args(["--example", "caller"])
        .run()?;
    let tools = Tools::install(workspace)?;
    let wanted: Vec<&Row> = ROWS
        .iter()
        .filter(|row| parts.is_empty() || parts.iter().any(|part| row.name().contains(&**part)))
        .collect();
    let began = now();
    let lines = lines(workspace, &tools, &wanted);
    let report = Report::default();
    for line in &lines {
        report.line(&line.text());
    }
    let seconds = began.elapsed().as_secs_f32();
    report.line(&format!("{} rows in {seconds:.0} s", lines.len()));
    let expected = workspace.root().join("xtask/real/expected.txt");
    if write && parts.is_empty() {
        return table::write(&expected, &lines);
    }
    table::compare(&expected, &lines, parts.is_empty())
}

/// Goes through the rows, some at a time, and gives their lines in the order of the rows.
fn lines(workspace: &Workspace, tools: &Tools, rows: &[&Row]) -> Vec<Line> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Line)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(number) else { break };
                    let began = now();
                    let line = life::line_of(workspace, tools, row);
                    let seconds = began.elapsed().as_secs_f32();
                    Report::default().line(&format!("{seconds:>5.1} s  {}", row.name()));
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((number, line));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, line)| line).collect()
}

/// Waits for an access token's end.
fn pause(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}
