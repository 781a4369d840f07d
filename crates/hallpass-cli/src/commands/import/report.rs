//! What is said about an import: a table for a user, one object for a script. No value of another
//! program's file is in it but names and URLs, and those without their queries.

use serde_json::{Value, json};

use super::{
    credentials::Candidate,
    parse::{Problem, Scan},
    plan::{Outcome, Step},
};
use crate::{
    config::Config,
    output::{Output, Tone},
    text,
};

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) dry_run: bool,
    pub(super) written: bool,
    /// What became of mcp-remote's credentials.
    pub(super) credentials: Vec<Value>,
}

pub(super) struct Report<'a> {
    pub(super) output: &'a Output,
    pub(super) config: &'a Config,
}

/// One row of the table.
struct Row {
    source: String,
    name: String,
    url: String,
    taken: String,
    left: Vec<String>,
}

impl Row {
    fn new(step: &Step) -> Self {
        let there = text::line(&step.name);
        let (name, taken) = match &step.outcome {
            Outcome::Add(addition) if addition.name == there => (there, addition.taken.join(", ")),
            Outcome::Add(addition) => (
                format!("{} ({there})", addition.name),
                addition.taken.join(", "),
            ),
            Outcome::Skipped(why) => (there, format!("nothing: {why}")),
        };
        let url = match &step.key {
            Some(key) => key.server.to_string(),
            None => "-".to_owned(),
        };
        let left = match &step.outcome {
            Outcome::Add(_) => step.left.iter(),
            Outcome::Skipped(_) => [].iter(),
        };
        let left = left.map(|left| format!("{}: {}", text::line(&left.what), left.why));
        Self {
            source: step.source.to_string(),
            name,
            url,
            taken: text::line(&taken),
            left: left.collect(),
        }
    }
}

impl Report<'_> {
    /// The table, and what else was found.
    pub(super) fn plan(
        &self,
        steps: &[Step],
        problems: &[Problem],
        offers: &[Candidate],
        others: usize,
    ) {
        let rows: Vec<Row> = steps.iter().map(Row::new).collect();
        self.table(&rows);
        for problem in problems {
            let what = text::line(&problem.what);
            let hint = format!(
                "{}: nothing is imported from it until it is fixed",
                problem.source
            );
            self.output.status(&format!("note: {what}\n  {hint}"));
        }
        for offer in offers {
            let what = match offer.kept.tokens {
                Some(_) => "a client and tokens",
                None => "a client",
            };
            let line = format!("mcp-remote has {what} for {}", offer.name);
            self.output.line(&line);
        }
        if others > 0 {
            let line = format!(
                "mcp-remote has credentials for {} that are in no configuration file",
                servers(others)
            );
            self.output.line(&line);
        }
        if rows.is_empty() && offers.is_empty() {
            self.output.line("no servers of other programs were found");
        }
    }

    fn table(&self, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        let width = |column: fn(&Row) -> &String, head: &str| {
            let widths = rows.iter().map(|row| column(row).chars().count());
            widths.max().unwrap_or(0).max(head.len())
        };
        let source = width(|row| &row.source, "SOURCE");
        let name = width(|row| &row.name, "NAME");
        let url = width(|row| &row.url, "URL");
        let paint = self.output.paint();
        let head = format!(
            "{:source$}  {:name$}  {:url$}  IMPORTED",
            "SOURCE", "NAME", "URL"
        );
        self.output.line(&paint.tone(Tone::Quiet, &head));
        for row in rows {
            let shown = paint.tone(Tone::Name, &format!("{:name$}", row.name));
            let line = format!(
                "{:source$}  {shown}  {:url$}  {}",
                row.source, row.url, row.taken
            );
            self.output.line(line.trim_end());
            for left in &row.left {
                let left = text::wrap(&format!("not imported: {left}"), self.output.width(), 6);
                self.output.line(&format!("    {left}"));
            }
        }
    }

    /// That the servers are in our file.
    pub(super) fn written(&self, steps: &[Step]) {
        let names: Vec<&str> = steps
            .iter()
            .filter_map(|step| Some(step.addition()?.name.as_str()))
            .collect();
        let (are, name) = match names.as_slice() {
            [one] => ("is", *one),
            _ => ("are", "NAME"),
        };
        let count = servers(names.len());
        let file = self.file();
        let line = format!("{count} {are} in {file}; `hallpass login {name}` signs in");
        self.output.line(&line);
        for addition in steps.iter().filter_map(Step::addition) {
            if addition.entry.key.server.url().query().is_some() {
                let name = &addition.name;
                self.output.status(&format!(
                    "note: the query of `{name}`'s URL may hold a key, and stands in {file}"
                ));
            }
        }
    }

    /// The end: what a user still has to know, and everything for a script.
    pub(super) fn end(&self, steps: &[Step], reading: &Scan, offers: &[Candidate], done: &Summary) {
        if !done.written && steps.iter().any(|step| step.addition().is_some()) {
            self.output.line("nothing was written");
        }
        if done.credentials.is_empty() && !offers.is_empty() {
            let how = "`hallpass import --credentials` imports credentials from mcp-remote";
            self.output.hint(how);
        }
        if reading.ignored {
            self.output.status(
                "note: the project in this folder also has servers; `hallpass import --project` imports \
                 them",
            );
        }
        let servers: Vec<Value> = steps.iter().map(|step| server(step, done)).collect();
        let problems: Vec<Value> = reading
            .problems
            .iter()
            .map(|problem| json!({ "source": problem.source.to_string(), "message": problem.what }))
            .collect();
        let offered = |offer: &Candidate| json!({ "name": offer.name, "server": offer.key.server.to_string(), "outcome": "available", "reason": null });
        let credentials = if done.credentials.is_empty() {
            offers.iter().map(offered).collect()
        } else {
            done.credentials.clone()
        };
        self.output.data_only(&json!({
            "config": self.config.path().map(|path| path.display().to_string()),
            "dry_run": done.dry_run,
            "servers": servers,
            "problems": problems,
            "credentials": credentials,
        }));
    }

    fn file(&self) -> String {
        let path = self.config.path();
        path.map_or_else(String::new, |path| path.display().to_string())
    }
}

fn server(step: &Step, done: &Summary) -> Value {
    let (outcome, name, why, taken) = match &step.outcome {
        Outcome::Add(addition) => {
            let outcome = match (done.dry_run, done.written) {
                (true, _) => "would-be-added",
                (false, true) => "added",
                (false, false) => "declined",
            };
            (outcome, Some(&addition.name), None, addition.taken.clone())
        }
        Outcome::Skipped(why) => ("skipped", None, Some(why), Vec::new()),
    };
    let left = step.left.iter();
    let left: Vec<Value> = left
        .map(|left| json!({ "setting": left.what, "reason": left.why }))
        .collect();
    json!({
        "source": step.source.to_string(),
        "file": step.file.display().to_string(),
        "source_name": step.name,
        "name": name,
        "server": step.key.as_ref().map(|key| key.server.to_string()),
        "outcome": outcome,
        "reason": why,
        "imported": taken,
        "not_imported": left,
    })
}

/// So many servers, in words.
pub(super) fn servers(count: usize) -> String {
    match count {
        1 => "1 server".to_owned(),
        count => format!("{count} servers"),
    }
}
