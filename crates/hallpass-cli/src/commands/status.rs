//! `hallpass status [URL]`: where accounts stand. Asks no server, and shows no secret.
//!
//! What `--json` gives is in `docs/status.md`, and scripts rely on it.

use std::collections::BTreeSet;

use clap::Args;
use hallpass::{Clock, Record, Resource, Slot, State, SystemClock, Timestamp, record::Grant};
use serde_json::{Value, json};

use crate::{
    config::Config,
    exit::Failed,
    output::Tone,
    program::Program,
    remembered::Remembered,
    server_options::ServerOptions,
    setup,
    store::{self, Store},
    token_source::Place,
    words,
};

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
    let (slots, mut problems) = if let Some(url) = &status.url {
        let slot = setup::slot(program, url, status.account.as_deref())?;
        (BTreeSet::from([slot]), Vec::new())
    } else {
        let listing = store.list().await?;
        let problems = listing.problems.iter().map(ToString::to_string);
        let mut slots = BTreeSet::from_iter(listing.slots);
        slots.extend(with_a_token_source(program)?);
        (slots, problems.collect::<Vec<_>>())
    };
    let now = SystemClock.now();
    let mut accounts = Vec::new();
    for slot in slots {
        let options = setup::options_of(program, &slot).unwrap_or_else(|failed| {
            problems.push(failed.into_source().to_string());
            ServerOptions::default()
        });
        let record = store.load(&slot).await?;
        let account = Account {
            slot: &slot,
            record: record.as_ref(),
            tokens_from: Place::of(&options),
            now,
        };
        account.show(program);
        accounts.push(account.as_data());
    }
    for problem in &problems {
        program.output.say(&format!("can't be read: {problem}"));
    }
    if accounts.is_empty() && problems.is_empty() {
        program.output.line("no account is known here");
    }
    program.output.line(&format!(
        "{}\n{}",
        program.output.paint().tone(Tone::Name, "store"),
        table(&opened.in_words().await?, program)
    ));
    program.output.data_only(&json!({
        "accounts": accounts,
        "problems": problems,
        "store": opened.as_data().await?,
    }));
    Ok(())
}

/// The accounts whose tokens come from elsewhere, so that the store knows nothing of them.
pub(super) fn with_a_token_source(program: &Program) -> Result<Vec<Slot>, Failed> {
    let config = Config::read(program)?;
    let named = config.servers().values().map(|entry| entry.slot.clone());
    let mut slots: Vec<Slot> = named.collect();
    slots.extend(Remembered::slots(&store::folder(program)?));
    slots.retain(|slot| {
        let options = setup::options_of(program, slot);
        options.is_ok_and(|options| options.have_token_source())
    });
    Ok(slots)
}

fn table(rows: &[(&str, String)], program: &Program) -> String {
    words::table(rows, program.output.width(), program.output.paint())
}

/// What is known of an account.
struct Account<'a> {
    slot: &'a Slot,
    record: Option<&'a Record>,
    tokens_from: Option<Place<'a>>,
    now: Timestamp,
}

impl Account<'_> {
    /// The grant that counts.
    fn grant(&self) -> Option<&Grant> {
        let record = self.record.filter(|_| self.tokens_from.is_none());
        record.and_then(|record| record.grant.as_ref())
    }

    fn show(&self, program: &Program) {
        let name = self.slot.to_string();
        let name = program.output.paint().tone(Tone::Name, &name);
        let rows = table(&self.rows(), program);
        program.output.line(&format!("{name}\n{rows}\n"));
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        if let Some(place) = self.tokens_from {
            return vec![
                ("state", "tokens are handed in, nobody signs in".to_owned()),
                ("tokens from", place.in_words()),
            ];
        }
        let mut rows = vec![("state", state_in_words(self.record))];
        if let Some(grant) = self.grant() {
            let renewed = if grant.refresh_token.is_some() {
                "renewed without a sign-in"
            } else {
                "a sign-in is needed then"
            };
            let expiry = expiry_in_words(grant.expires_at, self.now);
            rows.push(("access token", format!("{expiry}; {renewed}")));
            rows.push(("scopes", some(&grant.scopes().to_string(), "none stated")));
            let resource = grant.resource.as_ref().map(Resource::to_string);
            rows.push(("resource", resource.unwrap_or_else(|| "none".to_owned())));
        }
        if let Some(record) = self.record {
            rows.push(("issuer", record.issuer.to_string()));
            if let Some(registration) = &record.registration {
                rows.push(("client", words::line(registration.client_id.as_str())));
            }
        }
        rows
    }

    fn as_data(&self) -> Value {
        let (grant, record) = (self.grant(), self.record);
        let end = grant.and_then(|grant| grant.expires_at);
        let state = match self.tokens_from {
            Some(_) => "handed-in",
            None => state_name(record),
        };
        json!({
            "server": self.slot.server.as_str(),
            "account": self.slot.profile.as_str(),
            "state": state,
            "cause": record.and_then(|record| match &record.state {
                State::SignInNeeded(cause) => Some(cause.to_string()),
                _ => None,
            }),
            "token_source": self.tokens_from.map(Place::as_data),
            "issuer": record.map(|record| record.issuer.as_str()),
            "client_id": record
                .and_then(|record| record.registration.as_ref())
                .map(|registration| registration.client_id.as_str()),
            "resource": grant.and_then(|grant| grant.resource.as_ref()).map(Resource::as_str),
            "scopes": grant.map(|grant| grant.scopes().iter().collect::<Vec<_>>()),
            "expires_at": end.map(Timestamp::as_unix_seconds),
            "expires_in": end.map(|end| end.as_unix_seconds() - self.now.as_unix_seconds()),
            "renewable": grant.map(|grant| grant.refresh_token.is_some()),
        })
    }
}

fn some(text: &str, otherwise: &str) -> String {
    words::line(if text.is_empty() { otherwise } else { text })
}

fn expiry_in_words(end: Option<Timestamp>, now: Timestamp) -> String {
    match end {
        None => "no expiry stated".to_owned(),
        Some(end) if end > now => {
            let left = end.saturating_since(now).as_secs();
            format!("expires in {}", words::duration(left))
        }
        Some(end) => {
            let past = now.saturating_since(end).as_secs();
            format!("expired {} ago", words::duration(past))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_said_in_words() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        for (end, words) in [
            (None, "no expiry stated"),
            (Some(1_000_000 + 42 * 60 + 5), "expires in 42 minutes"),
            (Some(1_000_001), "expires in 1 second"),
            (Some(1_000_000), "expired 0 seconds ago"),
            (Some(1_000_000 - 3 * 86_400), "expired 3 days ago"),
        ] {
            let end = end.map(Timestamp::from_unix_seconds);
            assert_eq!(expiry_in_words(end, now), words);
        }
    }
}
