//! The table: one line a row, compared with the committed one.

use std::{fs, path::Path};

use crate::{report::Failure, shell};

/// What stands above the columns.
const HEAD: [&str; 11] = [
    "server",
    "variant",
    "person",
    "road",
    "login",
    "call",
    "refresh",
    "login again",
    "step-up",
    "calls",
    "logout",
];

/// The widths of the columns.
const WIDTHS: [usize; 11] = [26, 17, 8, 38, 13, 4, 7, 13, 7, 5, 11];

/// One row's outcome.
#[derive(Debug)]
pub(super) struct Line {
    cells: [String; 11],
    /// What went wrong, in full.
    pub(super) trouble: Vec<String>,
}

impl Line {
    /// A line with nothing behind the person.
    pub(super) fn new(server: &str, variant: &str, person: &str) -> Self {
        let mut cells = [(); 11].map(|()| "-".to_owned());
        for (cell, text) in cells.iter_mut().zip([server, variant, person]) {
            text.clone_into(cell);
        }
        Self {
            cells,
            trouble: Vec::new(),
        }
    }

    /// Fills in the cell below a head.
    pub(super) fn set(&mut self, head: &str, text: impl Into<String>) {
        if let Some(place) = HEAD.iter().position(|name| *name == head) {
            self.cells[place] = text.into();
        }
    }

    /// Whether the row is over with its sign-in: a server that had to be refused.
    pub(super) fn ended(&self) -> bool {
        self.cells.iter().any(|cell| cell.starts_with("exit "))
    }

    pub(super) fn text(&self) -> String {
        joined(self.cells.iter().map(String::as_str))
    }
}

fn joined<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let padded: Vec<_> = cells
        .zip(WIDTHS)
        .map(|(cell, width)| format!("{cell:<width$}"))
        .collect();
    padded.join(" | ").trim_end().to_owned()
}

/// Writes the expected table.
pub(super) fn write(file: &Path, lines: &[Line]) -> Result<(), Failure> {
    let mut text = joined(HEAD.into_iter()) + "\n";
    for line in lines {
        text = text + &line.text() + "\n";
    }
    shell::write(file, text)
}

/// Every line has to stand in the file, and, where all were run, every line of the file has to have
/// come out.
pub(super) fn compare(file: &Path, lines: &[Line], all: bool) -> Result<(), Failure> {
    let expected = fs::read_to_string(file)?;
    let expected: Vec<&str> = expected.lines().skip(1).collect();
    let mut wrong = Vec::new();
    for line in lines {
        let text = line.text();
        if !expected.contains(&text.as_str()) {
            wrong.push(format!("came out:  {text}"));
            wrong.extend(line.trouble.iter().cloned());
        }
    }
    if all {
        let found: Vec<String> = lines.iter().map(Line::text).collect();
        for missing in expected
            .iter()
            .filter(|line| !found.iter().any(|f| f == *line))
        {
            wrong.push(format!("expected:  {missing}"));
        }
        if found.len() != expected.len() {
            wrong.push(format!(
                "{} rows ran, {} are expected",
                found.len(),
                expected.len()
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(wrong.join("\n"))
        .mend("cargo xtask real PART-OF-A-ROW for one row; --write when the table is right"))
}
