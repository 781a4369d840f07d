//! `hallpass doctor URL`: why a server does not work. Opens no browser, registers nothing, keeps
//! nothing.

use std::sync::Arc;

use clap::Args;
use hallpass::{
    Hint,
    settings::TokenEndpointAuthMethod,
    store::{CredentialStore, MemoryStore},
};
use hallpass_doctor::{
    Doctor as Examined, Finding, RefusedClient as RefusedAtLogin, Report, Severity, Style, Tone,
    Verdict,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    exit::{Code, CommandError},
    output,
    program::Program,
    saved_options::{FailedLogin, RefusedClient, SavedOptions},
    server_options::{Server, ServerOptions},
    server_ref::ServerRef,
    settings,
    setup::{self, Setup},
    store::{self, Store},
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
    let (server, refused) = with_failed_login(program, &command.server)?;
    let examined = examined(program, &server, refused, command.refresh).await?;
    let key = examined.hallpass().key().clone();
    let waiting = format!("diagnosing {key}");
    let report = program.output.while_waiting(&waiting, examined.diagnose());
    let report = report.await;
    let lines = ServerRef::new(&key, program).keeping(&server.options);
    let paint = program.output.paint();
    let style = Style {
        width: match program.output.width() {
            Some(width) => width.clamp(40, WIDTH),
            None => usize::MAX,
        },
        hint: &|hint| lines.describe(hint),
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

/// The server with the options of the last login too, if that failed: it is what the user asks about. With it
/// the refusal of its client, if that was why.
fn with_failed_login(
    program: &Program,
    server: &Server,
) -> Result<(Server, Option<RefusedClient>), CommandError> {
    let key = setup::key(program, &server.url, server.account.as_deref())?;
    let remembered = SavedOptions::new(&key, &store::folder(program)?);
    let FailedLogin {
        options: failed,
        refused_client,
    } = remembered.failed_login(program)?;
    let options = server.options.over(&failed).map_err(CommandError::new)?;
    if options != server.options {
        let added = failed.to_map().map_err(CommandError::new)?;
        let given = server.options.to_map().map_err(CommandError::new)?;
        let added = added.keys().filter(|name| !given.contains_key(*name));
        let added: Vec<_> = added.map(|name| format!("`--{name}`")).collect();
        program.output.status(&format!(
            "note: the last login failed; its options count here as well: {}",
            added.join(", ")
        ));
    }
    let (url, account) = (server.url.clone(), server.account.clone());
    Ok((Server::new(url, account, options), refused_client))
}

/// The refusal of the client that these options name, in the words of the diagnosis.
fn refusal_of(options: &ServerOptions, refused: RefusedClient) -> Option<RefusedAtLogin> {
    if refused.client != RefusedClient::client_of(options) {
        return None;
    }
    let mut refusal = RefusedAtLogin::new(StatusCode::from_u16(refused.status).ok()?);
    refusal.code = refused.error;
    let methods = refused.auth_methods.into_iter();
    refusal.auth_methods = methods.map(TokenEndpointAuthMethod::from).collect();
    Some(refusal)
}

/// What examines the server, with the options that were given over the remembered ones. A store that
/// does not open is no obstacle, but the first finding.
async fn examined(
    program: &Program,
    server: &Server,
    refused: Option<RefusedClient>,
    refresh: bool,
) -> Result<Examined, CommandError> {
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
    let examined = match refused.and_then(|refused| refusal_of(&options, refused)) {
        Some(refusal) => examined.with_refused_client(refusal),
        None => examined,
    };
    let examined = match kept_in {
        Some(words) => examined.with_store_description(words),
        None => examined,
    };
    let examined = match opened {
        Ok(_) => examined,
        Err(trouble) => examined.with_store_error(trouble),
    };
    Ok(if refresh {
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
fn as_data(report: &Report, lines: &ServerRef) -> Value {
    let mut data = json!(report);
    let steps = data["steps"].as_array_mut().into_iter().flatten();
    for (step, shown) in report.steps.iter().zip(steps) {
        let findings = shown["findings"].as_array_mut().into_iter().flatten();
        for (finding, shown) in step.findings.iter().zip(findings) {
            let hints: Vec<_> = finding
                .hints
                .iter()
                .map(|hint| command_of(&lines.describe(hint)))
                .collect();
            shown["commands"] = json!(hints);
        }
    }
    data
}

/// The command line of advice, without the notes below it.
fn command_of(advice: &str) -> String {
    advice.lines().next().unwrap_or_default().to_owned()
}

/// How the command ends where something stands in the way.
fn failed(fault: &Finding, lines: &ServerRef) -> CommandError {
    let what = format!("`{}`: {}", fault.code.as_str(), fault.code.explanation());
    let failed = CommandError::new(what).code(Code::of_finding(fault));
    let is_command = |hint: &&Hint| !matches!(hint, Hint::Text { .. });
    let command = fault.hints.iter().find(is_command);
    match command.or(fault.hints.first()) {
        Some(hint) => failed.hint(lines.describe(hint)),
        None => failed,
    }
}
