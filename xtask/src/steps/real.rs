//! The program with authorization servers of other projects: a matrix of servers and variants.
//!
//! Each row starts a server below `target/`, and goes through the life of an account with the built
//! program, one process for each command, as a user or a script would. The result is compared with the
//! table in `xtask/real/expected.txt`, cell by cell.

mod life;
mod rows;
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{npm, python};
use crate::{
    report::{Failure, line, now},
    shell::{apt_install, which, write},
    workspace::Workspace,
};
use rows::{ROWS, Row};

/// Rows that run at the same time: most of a row is waiting for the end of a token.
const WORKERS: usize = 4;

/// What Chromium is called.
const CHROMIUMS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// The programs for the rows of glewlwyd, which are Debian's packages of the same names.
const GLEWLWYD: &[&str] = &["glewlwyd", "sqlite3"];

/// The columns of the table and their widths.
const COLUMNS: [(&str, usize); 11] = [
    ("server", 26),
    ("variant", 17),
    ("user", 8),
    ("requests", 38),
    ("login", 13),
    ("call", 4),
    ("refresh", 7),
    ("login again", 13),
    ("step-up", 7),
    ("calls", 5),
    ("logout", 11),
];

/// A row's line in the table, and what went wrong.
type Line = (String, Option<Failure>);

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let (options, parts): (Vec<&String>, _) = arguments.iter().partition(|it| it.starts_with("--"));
    workspace.program()?;
    let caller = [
        "build",
        "--locked",
        "--package",
        "hallpass",
        "--example",
        "caller",
    ];
    workspace.cargo().args(caller).run()?;
    let tools = Tools::install(workspace)?;
    let mut wanted: Vec<&Row> = ROWS.iter().collect();
    wanted.retain(|row| parts.is_empty() || parts.iter().any(|part| row.name().contains(&**part)));
    let began = now();
    let lines = lines(workspace, &tools, &wanted);
    for (text, _) in &lines {
        line(text);
    }
    let seconds = began.elapsed().as_secs_f32();
    line(&format!("{} rows in {seconds:.0} s", lines.len()));
    let file = workspace.root().join("xtask/real/expected.txt");
    if !options.is_empty() && parts.is_empty() {
        let head = joined(&COLUMNS.map(|(head, _)| head.to_owned()));
        let lines = lines.iter().map(|(line, _)| &**line);
        let lines: Vec<&str> = [&*head].into_iter().chain(lines).collect();
        return write(&file, lines.join("\n") + "\n");
    }
    compare(&fs::read_to_string(&file)?, &lines, parts.is_empty())
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
                    let (cells, failure) = life::cells(workspace, tools, row);
                    let seconds = began.elapsed().as_secs_f32();
                    line(&format!("{seconds:>5.1} s  {}", row.name()));
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((number, (joined(&cells), failure)));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, line)| line).collect()
}

/// A line of the table; a cell that is missing has a dash.
fn joined(cells: &[String]) -> String {
    let cells = cells
        .iter()
        .map(String::as_str)
        .chain(std::iter::repeat("-"));
    let padded = cells
        .zip(COLUMNS)
        .map(|(cell, (_, width))| format!("{cell:<width$}"));
    let line = padded.collect::<Vec<_>>().join(" | ");
    line.trim_end().to_owned()
}

/// Every line has to be in the table, and, where all rows ran, every line of the table has to have a
/// row.
fn compare(expected: &str, lines: &[Line], all: bool) -> Result<(), Failure> {
    let expected: Vec<&str> = expected.lines().skip(1).collect();
    let mut wrong = Vec::new();
    for (line, failure) in lines
        .iter()
        .filter(|(line, _)| !expected.contains(&&**line))
    {
        wrong.push(format!("found:     {line}"));
        wrong.extend(failure.iter().map(ToString::to_string));
    }
    let missing = expected
        .iter()
        .filter(|line| !lines.iter().any(|(found, _)| found == *line));
    wrong.extend(
        missing
            .filter(|_| all)
            .map(|line| format!("expected:  {line}")),
    );
    if wrong.is_empty() && (!all || lines.len() == expected.len()) {
        return Ok(());
    }
    wrong.push(format!(
        "{} rows ran, the table has {}",
        lines.len(),
        expected.len()
    ));
    Err(Failure::new(wrong.join("\n"))
        .fix("cargo xtask real PART-OF-A-ROW for one row; --write when the table is right"))
}

/// The program of one of these names, installed where it is missing and this is root on a Debian.
/// `because` says what needs it.
fn installed(names: &[&str], packages: &[&str], because: &str) -> Result<PathBuf, Failure> {
    if which(names).is_none() {
        apt_install(packages)?;
    }
    which(names).ok_or_else(|| {
        let what = format!("{because}: there is no `{}` here", names[0]);
        let command = format!(
            "sudo apt-get install --no-install-recommends {}",
            packages.join(" ")
        );
        Failure::new(what).fix(format!("{command}, or your system's way to install it"))
    })
}

/// Waits for the end of an access token.
fn pause(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}

/// Node.js and Python packages as they are pinned, below the target folder, and a Chromium.
#[derive(Debug)]
struct Tools {
    home: PathBuf,
    chromium: PathBuf,
}

impl Tools {
    fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let home = workspace.below_target("real");
        let source = workspace.root().join("xtask").join("real");
        npm::install(&source, &home, "the real servers need")?;
        let requirements = home.join("requirements.txt");
        python::install(&requirements, &home, "two of the real servers need")?;
        let chromium = installed(
            CHROMIUMS,
            &["chromium"],
            "some rows go through login pages in Chromium",
        )?;
        for program in GLEWLWYD {
            installed(
                &[program],
                GLEWLWYD,
                "some rows sign in to glewlwyd, whose database `sqlite3` makes",
            )?;
        }
        Ok(Self { home, chromium })
    }

    fn script(&self, name: &str) -> String {
        self.home.join(name).to_string_lossy().into_owned()
    }

    /// What runs a script.
    fn interpreter(&self, script: &str) -> PathBuf {
        if Path::new(script).extension().is_some_and(|end| end == "py") {
            self.home.join("python/bin/python")
        } else {
            PathBuf::from("node")
        }
    }
}
