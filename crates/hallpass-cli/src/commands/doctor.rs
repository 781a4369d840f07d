//! `hallpass doctor URL`: why a server does not work. Opens no browser, registers nothing, keeps
//! nothing.

use std::sync::Arc;

use clap::Args;
use hallpass::{
    Hint,
    store::{CredentialStore, MemoryStore},
};
use hallpass_doctor::{Doctor as Examined, Finding, Report, Severity, Style, Tone, Verdict};
use serde_json::{Value, json};

use crate::{
    exit::CommandError,
    output,
    program::Program,
    server_options::Server,
    server_ref::ServerRef,
    setting_options, settings,
    setup::{self, Setup},
    store::Store,
    text,
};

/// Diagnose a server.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) server: Server,

    /// Refresh an expired access token. Without this option the refresh token is not used, because it
    /// may be valid only once.
    #[arg(long)]
    pub(crate) refresh: bool,
}

/// What is wide enough for a line and narrow enough for an eye.
const WIDTH: usize = 100;

pub(super) async fn run(command: &Doctor, program: &Program) -> Result<(), CommandError> {
    let examined = examined(program, command).await?;
    let key = examined.hallpass().key().clone();
    let waiting = format!("diagnosing {key}");
    let report = program.output.while_waiting(&waiting, examined.diagnose());
    let report = report.await;
    let lines = Lines(ServerRef::new(&key, program));
    let paint = program.output.paint();
    let style = Style {
        width: program.output.width().unwrap_or(WIDTH).clamp(40, WIDTH),
        hint: &|hint| lines.of(hint),
        paint: &|tone, line| match tone_of(tone) {
            Some(tone) => paint.tone(tone, line),
            None => line.to_owned(),
        },
    };
    program.output.line(&report.to_text(&style));
    let data = as_data(&report, &lines);
    match report.first_fault() {
        None => {
            program.output.data_only(&data);
            Ok(())
        }
        Some(fault) => Err(failed(fault, &lines).data(data)),
    }
}

/// What examines the server, with the options that were given over the remembered ones. A store that
/// does not open is no obstacle, but the first finding.
async fn examined(program: &Program, command: &Doctor) -> Result<Examined, CommandError> {
    let server = &command.server;
    let key = setup::key(program, &server.url, server.account.as_deref())?;
    let options = Setup::options(program, server)?;
    let settings = settings::settings(&options, &program.environment)?;
    let (kept_in, opened) = match Store::open_read_only(program).await? {
        Ok(store) => match store.inventory(Some(&key)).await {
            Ok(look) => (Some(kept_in(&store, &look.rows())), Ok(store.port())),
            Err(trouble) => (Some(kept_in(&store, &store.place()?.rows())), Err(trouble)),
        },
        Err(trouble) => (None, Err(trouble)),
    };
    let port: Arc<dyn CredentialStore> = match &opened {
        Ok(port) => Arc::clone(port),
        Err(_) => Arc::new(MemoryStore::new()),
    };
    let builder = setup::builder(key, &options, settings, port, program)?;
    let examined = Examined::new(builder).map_err(CommandError::usage)?;
    program.opened(examined.hallpass());
    let examined = match kept_in {
        Some(words) => examined.with_store_description(words),
        None => examined,
    };
    let examined = match opened {
        Ok(_) => examined,
        Err(trouble) => examined.with_store_error(trouble),
    };
    Ok(if command.refresh {
        examined.with_refresh()
    } else {
        examined
    })
}

/// Where credentials are kept, in a line.
fn kept_in(store: &Store, rows: &[(&str, String)]) -> String {
    if let Store::Absent(_, folder) = store {
        let folder = folder.display();
        return format!("nowhere yet: the first login begins `{folder}`");
    }
    let words = rows.iter().map(|(name, value)| match *name {
        "kept in" => value.clone(),
        name => format!("{name} {value}"),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The commands of this program that follow a hint.
struct Lines(ServerRef);

impl Lines {
    fn of(&self, hint: &Hint) -> String {
        match hint {
            Hint::Setting { setting, value } => {
                match setting_options::option_of(setting, value.as_deref()) {
                    Some(option) => self.0.line_with("login", &option),
                    None => hint.to_string(),
                }
            }
            Hint::SignIn => self.0.line("login"),
            Hint::ForgetClient => format!(
                "{}, then {}",
                self.0.line_with("logout", "--forget-client"),
                self.0.line("login")
            ),
            Hint::Refresh => self.0.line_with("doctor", "--refresh"),
            Hint::Url { url } => format!("hallpass doctor {}", text::quoted(url)),
            other => setting_options::describe(other),
        }
    }
}

fn tone_of(tone: Tone) -> Option<output::Tone> {
    match tone {
        Tone::Step(Verdict::Fault) | Tone::Finding(Severity::Fault) => Some(output::Tone::Bad),
        Tone::Step(Verdict::Skipped) | Tone::Quiet => Some(output::Tone::Quiet),
        Tone::Step(_) | Tone::Finding(Severity::Warning) => Some(output::Tone::Name),
        Tone::Hint => Some(output::Tone::Advice),
        _ => None,
    }
}

/// The report for a script, with the very lines.
fn as_data(report: &Report, lines: &Lines) -> Value {
    let mut data = json!(report);
    let steps = data["steps"].as_array_mut().into_iter().flatten();
    for (step, shown) in report.steps.iter().zip(steps) {
        let findings = shown["findings"].as_array_mut().into_iter().flatten();
        for (finding, shown) in step.findings.iter().zip(findings) {
            let hints: Vec<_> = finding.hints.iter().map(|hint| lines.of(hint)).collect();
            shown["commands"] = json!(hints);
        }
    }
    data
}

/// How the command ends where something stands in the way.
fn failed(fault: &Finding, lines: &Lines) -> CommandError {
    let what = format!("`{}`: {}", fault.code.as_str(), fault.code.explanation());
    let failed = CommandError::with_remedy(what, fault.remedy);
    match fault.hints.first() {
        Some(hint) => failed.hint(lines.of(hint)),
        None => failed,
    }
}
