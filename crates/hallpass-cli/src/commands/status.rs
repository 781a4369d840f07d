//! `hallpass status [URL]`: where accounts stand. Asks no server, and shows no secret.

use clap::Args;
use hallpass::{Clock, Record, Resource, Slot, State, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::{exit::Failed, program::Program, setup, store::Store};

/// Show accounts.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The MCP server's URL, or its name in the configuration file.
    pub(crate) url: Option<String>,

    /// Which of several accounts on the server. Without it, the one that the name stands for; of a
    /// URL, the one called `default`.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
}

pub(super) async fn run(status: &Status, program: &Program) -> Result<(), Failed> {
    let opened = Store::open(program).await?;
    let store = opened.port();
    let (slots, problems) = if let Some(url) = &status.url {
        (
            vec![setup::slot(program, url, status.account.as_deref())?],
            Vec::new(),
        )
    } else {
        let listing = store.list().await?;
        let problems = listing.problems.iter().map(ToString::to_string);
        (listing.slots, problems.collect::<Vec<_>>())
    };
    for problem in &problems {
        program.output.say(&format!("can't be read: {problem}"));
    }
    let now = SystemClock.now();
    let mut accounts = Vec::new();
    for slot in &slots {
        let record = store.load(slot).await?;
        program.output.line(&in_words(slot, record.as_ref(), now));
        accounts.push(as_data(slot, record.as_ref(), now));
    }
    if slots.is_empty() && problems.is_empty() {
        program.output.line("no account is known here");
    }
    program.output.line(&opened.in_words().await?);
    program.output.data_only(&json!({
        "accounts": accounts,
        "problems": problems,
        "store": opened.as_data().await?,
    }));
    Ok(())
}

fn in_words(slot: &Slot, record: Option<&Record>, now: Timestamp) -> String {
    let mut lines = vec![format!("{slot}: {}", state_in_words(record))];
    let Some(record) = record else {
        return lines.remove(0);
    };
    lines.push(format!("issuer {}", record.issuer));
    if let Some(grant) = &record.grant {
        let resource = grant
            .resource
            .as_ref()
            .map_or_else(|| "none".to_owned(), Resource::to_string);
        lines.push(format!("resource {resource}"));
        lines.push(format!("scopes {}", grant.scopes()));
        lines.push(match grant.expires_at {
            Some(end) if end > now => {
                format!(
                    "access token ends in {} s",
                    end.saturating_since(now).as_secs()
                )
            }
            Some(end) => format!(
                "access token ended {} s ago",
                now.saturating_since(end).as_secs()
            ),
            None => "access token without a stated end".to_owned(),
        });
        let renewed = if grant.refresh_token.is_some() {
            "is"
        } else {
            "can't be"
        };
        lines.push(format!("it {renewed} renewed without a sign-in"));
    }
    lines.join("\n  ")
}

fn as_data(slot: &Slot, record: Option<&Record>, now: Timestamp) -> Value {
    let grant = record.and_then(|record| record.grant.as_ref());
    let end = grant.and_then(|grant| grant.expires_at);
    json!({
        "server": slot.server.as_str(),
        "account": slot.profile.as_str(),
        "state": state_name(record),
        "cause": record.and_then(|record| match &record.state {
            State::SignInNeeded(cause) => Some(cause.to_string()),
            _ => None,
        }),
        "issuer": record.map(|record| record.issuer.as_str()),
        "client_id": record
            .and_then(|record| record.registration.as_ref())
            .map(|registration| registration.client_id.as_str()),
        "resource": grant.and_then(|grant| grant.resource.as_ref()).map(Resource::as_str),
        "scopes": grant.map(|grant| grant.scopes().iter().collect::<Vec<_>>()),
        "expires_at": end.map(Timestamp::as_unix_seconds),
        "expires_in": end.map(|end| end.as_unix_seconds() - now.as_unix_seconds()),
        "renewable": grant.map(|grant| grant.refresh_token.is_some()),
    })
}

fn state_name(record: Option<&Record>) -> &'static str {
    match record.map(|record| &record.state) {
        None => "unknown",
        Some(State::Registered) => "registered",
        Some(State::SignedIn) => "signed-in",
        Some(State::OutcomeUnknown) => "outcome-unknown",
        Some(State::SignInNeeded(_)) => "sign-in-needed",
        Some(_) => "of-a-newer-version",
    }
}

fn state_in_words(record: Option<&Record>) -> String {
    match record.map(|record| &record.state) {
        None => "nobody has signed in".to_owned(),
        Some(State::Registered) => "a client is registered, nobody has signed in".to_owned(),
        Some(State::SignedIn) => "signed in".to_owned(),
        Some(State::OutcomeUnknown) => "signed in; the outcome of a refresh is unknown".to_owned(),
        Some(State::SignInNeeded(cause)) => format!("a sign-in is needed: {cause}"),
        Some(_) => "in a state that this program does not know".to_owned(),
    }
}
