//! `hallpass import`: takes over the servers that other programs know.
//!
//! Their files are read and never written. What comes of it goes into our configuration by the way of
//! `hallpass add`, and no secret goes with it. The credentials that mcp-remote keeps are another
//! matter, and are asked for apart.

#[cfg(test)]
mod corpus;
mod credentials;
mod entry;
mod file;
mod mcp_remote;
mod mcp_remote_cache;
mod parse;
mod plan;
mod remote;
mod report;
mod source;
mod text;

use std::path::Path;

use clap::Args;

use self::{
    credentials::Candidate,
    parse::Scan,
    plan::Step,
    report::{Report, Summary},
    source::Source,
};
use crate::{config::Config, exit::CommandError, program::Program, terminal::InputLines};

/// Import servers from other programs.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Import {
    /// Import from this program only. Repeatable [default: all programs].
    #[arg(long, value_name = "PROGRAM", value_enum)]
    from: Vec<Source>,

    /// Also import from the project files in the current folder. Check the list first: their author
    /// decides which servers you sign in to.
    #[arg(long)]
    project: bool,

    /// Only show what would be imported.
    #[arg(long, conflicts_with_all = ["yes", "credentials"])]
    dry_run: bool,

    /// Import the servers without confirmation. Does not apply to `--credentials`.
    #[arg(long)]
    yes: bool,

    /// Also import credentials from mcp-remote: its client and its refresh token. The refresh token is
    /// used at once, so mcp-remote may have to sign in again.
    #[arg(long)]
    credentials: bool,
}

pub(super) async fn run(import: &Import, program: &Program) -> Result<(), CommandError> {
    let config = Config::read(program)?;
    program.warn_of_config(config.warnings());
    let here = std::path::absolute(".").map_err(CommandError::new)?;
    let wanted = |source| import.from.is_empty() || import.from.contains(&source);
    let mut reading = Scan::new(wanted, &program.environment, &here, import.project);
    let is_there = |path: &Path| path.exists();
    let found_a_file = reading.files.iter().any(|file| is_there(&file.path))
        || reading.folder.as_deref().is_some_and(is_there);
    if !import.from.is_empty() && (!found_a_file || only_problems(&reading)) {
        return Err(reading.nothing());
    }
    let mut steps = plan::plan(std::mem::take(&mut reading.found), &config);
    let (offers, others) = reading.offers(&steps, &config);
    let shown = Report {
        output: &program.output,
        config: &config,
    };
    shown.plan(&steps, &reading.problems, &offers, others);
    let mut done = Summary::default();
    if import.dry_run {
        done.dry_run = true;
        shown.end(&steps, &reading, &offers, &done);
        return Ok(());
    }
    let answers = Answers::new(import, program);
    done.written = answers.write(&steps, &config).await?;
    let additions = steps.iter().any(|step| step.addition().is_some());
    let mut offers = if done.written || !additions {
        offers
    } else {
        Vec::new()
    };
    let taken_over = !offers.is_empty() && answers.import_credentials(&offers).await;
    if taken_over {
        for offer in &mut offers {
            let mut additions = steps.iter_mut().filter_map(Step::addition_mut);
            if let Some(addition) = additions.find(|it| it.entry.key == offer.key) {
                offer.callback(&mut addition.entry.options);
                offer.options.clone_from(&addition.entry.options);
            }
        }
    }
    if done.written {
        let additions = steps.iter().filter_map(Step::addition);
        config.add_all(additions.map(|it| (it.name.as_str(), &it.entry)))?;
        shown.written(&steps);
    }
    if taken_over {
        for offer in &offers {
            let taken = offer.import_credentials(program).await;
            program.output.line(&taken.describe(offer));
            if let Some(note) = offer.lacks().filter(|_| taken.has_client()) {
                program.output.status(&note);
            }
            done.credentials.push(taken.as_data(offer));
        }
    }
    shown.end(&steps, &reading, &offers, &done);
    Ok(())
}

/// Whether nothing but trouble came of it.
fn only_problems(reading: &Scan) -> bool {
    reading.found.is_empty() && !reading.problems.is_empty()
}

/// What a user says, by options or at the terminal.
struct Answers<'a> {
    import: &'a Import,
    program: &'a Program,
    typed: InputLines,
    asks: bool,
}

impl<'a> Answers<'a> {
    fn new(import: &'a Import, program: &'a Program) -> Self {
        let environment = &program.environment;
        Self {
            import,
            program,
            typed: InputLines::new(environment),
            // With JSON output the user has not seen the list.
            asks: environment.stdin_is_terminal() && !program.output.is_json(),
        }
    }

    /// Whether the servers are to be written.
    async fn write(&self, steps: &[Step], config: &Config) -> Result<bool, CommandError> {
        let count = steps.iter().filter_map(Step::addition).count();
        if count == 0 {
            return Ok(false);
        }
        if self.import.yes {
            return Ok(true);
        }
        let servers = report::servers(count);
        if !self.asks {
            let what = format!(
                "{servers} can be imported, but there is no terminal to ask for confirmation"
            );
            return Err(CommandError::usage(what).hint(
                "`--yes` imports them, `--dry-run` shows them, `--credentials` also imports \
                 credentials from mcp-remote",
            ));
        }
        let file = config.path().unwrap_or(Path::new("")).display();
        Ok(self.yes(&format!("write {servers} to {file}?")).await)
    }

    /// Whether mcp-remote's credentials are to be taken over.
    async fn import_credentials(&self, offers: &[Candidate]) -> bool {
        if self.import.credentials {
            return true;
        }
        if self.import.yes || !self.asks {
            return false;
        }
        let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
        self.yes(&format!(
            "import the credentials of {} from mcp-remote? The refresh token is used at once, so \
             mcp-remote may have to sign in again; stop mcp-remote first.",
            names.join(", ")
        ))
        .await
    }

    async fn yes(&self, question: &str) -> bool {
        self.program.output.ask(&format!("{question} [y/N] "));
        let answer = self.typed.line().await.unwrap_or_default();
        ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
    }
}
