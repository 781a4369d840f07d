//! `hallpass status [URL]`: where accounts stand. Asks no server, and shows no secret.
//!
//! What `--json` gives is in `docs/status.md`, and scripts rely on it.

use std::collections::BTreeSet;

use clap::Args;
use hallpass::{
    Clock, CredentialKey, Record, Resource, ServerSettings, SystemClock, Timestamp,
    record::{Grant, PendingRefresh, PostEnd, SignInCause, State},
    session::RefusedRefresh,
};
use serde_json::{Value, json};

use crate::{
    config::Config,
    exit::{Code, CommandError},
    output::Tone,
    program::Program,
    saved_options::SavedOptions,
    server_options::ServerOptions,
    server_ref::ServerRef,
    settings, setup,
    store::{self, Inventory, Store, in_a_line, with_hints},
    text,
    token_source::TokenOrigin,
};

/// Show accounts.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The MCP server's URL, or its name in the configuration file.
    pub(crate) url: Option<String>,

    /// The account on the server [default: the account of the configured server, or `default`].
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
}

pub(super) async fn run(status: &Status, program: &Program) -> Result<(), CommandError> {
    let store = Store::open_read_only(program).await??;
    let mut faulty = Vec::new();
    let (credentials, look) = if let Some(url) = &status.url {
        let key = setup::key(program, url, status.account.as_deref())?;
        let look = store.inventory(Some(&key)).await?.error_of(&key);
        let look = look.map_err(|error| {
            let server_ref = ServerRef::new(&key, program);
            server_ref.with_advice(CommandError::from(error), false)
        })?;
        (BTreeSet::from([key]), look)
    } else {
        let look = store.inventory(None).await?;
        let mut credentials: BTreeSet<CredentialKey> = look.kept().keys().cloned().collect();
        let config = Config::read(program)?;
        program.warn_of_config(config.other_warnings());
        credentials.extend(with_a_token_source(program)?);
        // Of a server that can't be read its account tells, where its URL can be read.
        for (_, key, what) in config.unreadable() {
            match key {
                Some(key) => _ = credentials.insert(key.clone()),
                None => faulty.push(what.to_owned()),
            }
        }
        (credentials, look)
    };
    let (mut problems, mut said) = (look.problems(), look.describe_problems(&program.output));
    problems.extend(faulty.iter().cloned());
    said.extend(faulty);
    let mut accounts = Vec::new();
    for key in credentials {
        let (options, settings) = match setup::options_of(program, &key) {
            Ok(options) => {
                let settings = known_settings(&options, program);
                (options, settings)
            }
            // Of all accounts the others are shown.
            Err(failed) if failed.is(Code::Usage) && status.url.is_some() => return Err(failed),
            Err(failed) => {
                let hints = failed.hints().to_vec();
                let problem = in_a_line(&*failed.into_source());
                said.push(with_hints(&problem, &hints, &program.output));
                problems.push(problem);
                (ServerOptions::default(), None)
            }
        };
        let account = Account::new(&key, &look, &options, settings.as_ref());
        account.show(program);
        accounts.push(account.as_data());
    }
    for problem in &said {
        program.output.status(&format!("can't be read: {problem}"));
    }
    if accounts.is_empty() && problems.is_empty() {
        program.output.line("no accounts");
    }
    program.output.line(&format!(
        "{}\n{}",
        program.output.paint().tone(Tone::Name, "store"),
        table(&look.rows(), program)
    ));
    program.output.data_only(&json!({
        "accounts": accounts,
        "problems": problems,
        "store": look.as_data(),
    }));
    Ok(())
}

/// The accounts whose tokens come from elsewhere, so that the store knows nothing of them.
pub(super) fn with_a_token_source(program: &Program) -> Result<Vec<CredentialKey>, CommandError> {
    let config = Config::read(program)?;
    program.warn_of_config(config.warnings());
    let named = config.servers().values().map(|entry| entry.key.clone());
    let mut credentials: Vec<CredentialKey> = named.collect();
    credentials.extend(SavedOptions::credentials(&store::folder(program)?)?);
    credentials.retain(|key| {
        let options = setup::options_of(program, key);
        options.is_ok_and(|options| options.have_token_source())
    });
    Ok(credentials)
}

fn table(rows: &[(&str, String)], program: &Program) -> String {
    text::table(rows, program.output.width(), program.output.paint())
}

/// What is known of an account.
pub(super) struct Account<'a> {
    key: &'a CredentialKey,
    record: Option<&'a Record>,
    /// Whether its encryption key is missing.
    is_unreadable: bool,
    tokens_from: Option<TokenOrigin<'a>>,
    /// The refusal of the last refresh.
    refused: Option<RefusedRefresh>,
    /// Whether the last refresh was refused under other settings: the next use tries again.
    has_other_settings: bool,
    now: Timestamp,
}

impl<'a> Account<'a> {
    pub(super) fn new(
        key: &'a CredentialKey,
        look: &'a Inventory,
        options: &'a ServerOptions,
        settings: Option<&ServerSettings>,
    ) -> Self {
        let record = look.record(key);
        let tokens_from = TokenOrigin::from_options(options);
        let present = record.filter(|record| tokens_from.is_none() && record.is_signed_in());
        let refused = present.and_then(RefusedRefresh::from_record);
        let has_other_settings = refused
            .as_ref()
            .zip(settings)
            .is_some_and(|(refused, settings)| !refused.is_with(settings));
        Self {
            key,
            record,
            is_unreadable: look.is_unreadable(key),
            refused: refused.filter(|_| !has_other_settings),
            has_other_settings,
            tokens_from,
            now: SystemClock.now(),
        }
    }

    /// The grant that counts.
    fn grant(&self) -> Option<&Grant> {
        let record = self.record.filter(|_| self.tokens_from.is_none());
        record.and_then(|record| record.grant.as_ref())
    }

    fn show(&self, program: &Program) {
        let name = self.key.to_string();
        let name = program.output.paint().tone(Tone::Name, &name);
        let rows = table(&self.rows(), program);
        program.output.line(&format!("{name}\n{rows}\n"));
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("state", self.describe_state())];
        if let Some(place) = self.tokens_from {
            rows.push(("tokens from", place.describe()));
            return rows;
        }
        if let Some(grant) = self.grant() {
            let needs_sign_in = match &self.refused {
                Some(refused) => refused.need().is_some(),
                None => grant.refresh_token.is_none(),
            };
            let renewed = match (needs_sign_in, &self.refused) {
                (true, _) => "then a sign-in is required",
                (false, Some(_)) => "its refresh is refused",
                (false, None) => "refreshed without a sign-in",
            };
            let expiry = describe_expiry(grant.expires_at, self.now);
            rows.push(("access token", format!("{expiry}; {renewed}")));
            if let (Some(pending_refresh), Some(due)) = (self.pending_refresh(), self.refresh_due())
            {
                rows.push((
                    "last refresh",
                    describe_last_refresh(pending_refresh, due, self.now),
                ));
            }
            rows.push(("scopes", some(&grant.scopes().to_string(), "none stated")));
            let resource = grant.resource.as_ref().map(Resource::to_string);
            rows.push(("resource", resource.unwrap_or_else(|| "none".to_owned())));
        }
        if let Some(record) = self.record {
            rows.push(("issuer", record.issuer.to_string()));
            if let Some(registration) = &record.registration {
                rows.push(("client", text::line(registration.client_id.as_str())));
            }
        }
        rows
    }

    fn as_data(&self) -> Value {
        let (grant, record) = (self.grant(), self.record);
        let end = grant.and_then(|grant| grant.expires_at);
        json!({
            "server": self.key.server.as_str(),
            "account": self.key.account.as_str(),
            "state": self.state_name(),
            "cause": record.and_then(|record| match &record.state {
                State::SignInRequired(cause) => Some(cause),
                _ => self.has_ended().then_some(&SignInCause::RefreshRefused),
            }),
            "token_source": self.tokens_from.map(TokenOrigin::as_data),
            "issuer": record.map(|record| record.issuer.as_str()),
            "client_id": record
                .and_then(|record| record.registration.as_ref())
                .map(|registration| registration.client_id.as_str()),
            "resource": grant.and_then(|grant| grant.resource.as_ref()).map(Resource::as_str),
            "scopes": grant.map(|grant| grant.scopes().iter().collect::<Vec<_>>()),
            "expires_at": end.map(Timestamp::as_unix_seconds),
            "expires_in": end.map(|end| end.as_unix_seconds() - self.now.as_unix_seconds()),
            "refresh_due_at": self.refresh_due().map(Timestamp::as_unix_seconds),
            "refresh_refused_since": self
                .refused
                .as_ref()
                .map(|refused| refused.since().as_unix_seconds()),
            "has_refresh_token": grant.map(|grant| grant.refresh_token.is_some()),
        })
    }

    /// What is known of refreshes that brought no token.
    fn pending_refresh(&self) -> Option<&PendingRefresh> {
        let grant = self.grant()?;
        grant.refresh_token.as_ref()?;
        self.record?.pending_refresh.as_ref()
    }

    /// Whether the access token has ended, and a sign-in is needed since its refresh is refused.
    fn has_ended(&self) -> bool {
        let needed = self.refused.as_ref().and_then(RefusedRefresh::need);
        let end = self.grant().and_then(|grant| grant.expires_at);
        needed.is_some() && end.is_some_and(|end| end <= self.now)
    }

    /// When the next refresh may be tried, where one before it brought no token.
    fn refresh_due(&self) -> Option<Timestamp> {
        let due = self.pending_refresh()?.not_before;
        Some(if self.has_other_settings {
            due.min(self.now)
        } else {
            due
        })
    }

    /// The state as a script reads it.
    pub(super) fn state_name(&self) -> &'static str {
        match self.record.map(|record| &record.state) {
            _ if self.tokens_from.is_some() => "external",
            None if self.is_unreadable => "unreadable",
            None => "not-signed-in",
            _ if self.has_ended() => "sign-in-required",
            Some(State::Registered) => "registered",
            Some(State::SignedIn) => "signed-in",
            Some(State::OutcomeUnknown) => "outcome-unknown",
            Some(State::SignInRequired(_)) => "sign-in-required",
            Some(_) => "newer-version",
        }
    }

    /// The state as a user reads it.
    pub(super) fn describe_state(&self) -> String {
        if let Some(refused) = &self.refused {
            let age = self.now.saturating_since(refused.since()).as_secs();
            let age = text::duration(age);
            let state = if self.has_ended() {
                "sign-in required:"
            } else {
                "signed in;"
            };
            return format!("{state} refresh refused since {age} ago");
        }
        let words = match self.record.map(|record| &record.state) {
            _ if self.tokens_from.is_some() => "external tokens, no sign-in needed",
            None if self.is_unreadable => {
                "unreadable: its encryption key is missing; restore the key, or sign in again"
            }
            None => "not signed in",
            Some(State::Registered) => "not signed in; a client is registered",
            Some(State::SignedIn) => "signed in",
            Some(State::OutcomeUnknown) => "signed in; the outcome of a refresh is unknown",
            Some(State::SignInRequired(cause)) => return format!("sign-in required: {cause}"),
            Some(_) => "in a state that this program does not know",
        };
        words.to_owned()
    }
}

fn some(text: &str, otherwise: &str) -> String {
    text::line(if text.is_empty() { otherwise } else { text })
}

/// The settings of the next refresh, as far as they are known: a secret that the user types is not, and a
/// variable of the environment or a file may be missing.
pub(super) fn known_settings(options: &ServerOptions, program: &Program) -> Option<ServerSettings> {
    if options.client_secret_prompt == Some(true) {
        return None;
    }
    settings::settings(options, &program.environment).ok()
}

fn describe_last_refresh(
    pending_refresh: &PendingRefresh,
    due: Timestamp,
    now: Timestamp,
) -> String {
    let ended = match (pending_refresh.ended, pending_refresh.refused()) {
        (_, Some(refusal)) => {
            let code = refusal.code.as_deref().map(text::line);
            let code = code.map_or_else(String::new, |code| format!(", `{code}`"));
            format!("the server refused it (status {}{code})", refusal.status)
        }
        (PostEnd::NotProcessed, _) => "the server asked for a pause".to_owned(),
        (PostEnd::Doubtful, _) => "the server failed".to_owned(),
        (PostEnd::Silent, _) => "the server was silent".to_owned(),
        (PostEnd::Unknown, _) => "under way, or interrupted".to_owned(),
        _ => "no readable answer came".to_owned(),
    };
    match due.saturating_since(now).as_secs() {
        0 => format!("{ended}; the next use tries again"),
        left => format!("{ended}; the next one is due in {}", text::duration(left)),
    }
}

fn describe_expiry(end: Option<Timestamp>, now: Timestamp) -> String {
    match end {
        None => "no expiry stated".to_owned(),
        Some(end) if end > now => {
            let left = end.saturating_since(now).as_secs();
            format!("expires in {}", text::duration(left))
        }
        Some(end) => {
            let past = now.saturating_since(end).as_secs();
            format!("expired {} ago", text::duration(past))
        }
    }
}

#[cfg(test)]
mod tests {
    use hallpass::record::Refusal;

    use super::*;

    #[test]
    fn expiry_has_description() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        for (end, words) in [
            (None, "no expiry stated"),
            (Some(1_000_000 + 42 * 60 + 5), "expires in 42 minutes"),
            (Some(1_000_001), "expires in 1 second"),
            (Some(1_000_000), "expired 0 seconds ago"),
            (Some(1_000_000 - 3 * 86_400), "expired 3 days ago"),
        ] {
            let end = end.map(Timestamp::from_unix_seconds);
            assert_eq!(describe_expiry(end, now), words);
        }
    }

    #[test]
    fn pending_refresh_has_outcome_and_due_time() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        let later = Timestamp::from_unix_seconds(1_000_040);
        let refusal = Refusal {
            status: 400,
            code: Some("invalid_target".to_owned()),
            description: None,
            count: 1,
            since: Some(now),
            settings: String::new(),
        };
        for (ended, refusal, not_before, words) in [
            (
                PostEnd::Lost,
                None,
                later,
                "no readable answer came; the next one is due in 40 seconds",
            ),
            (
                PostEnd::Unknown,
                None,
                now,
                "under way, or interrupted; the next use tries again",
            ),
            (
                PostEnd::Unknown,
                Some(refusal.clone()),
                now,
                "under way, or interrupted; the next use tries again",
            ),
            (
                PostEnd::Refused,
                Some(refusal),
                later,
                "the server refused it (status 400, `invalid_target`); the next one is due in 40 seconds",
            ),
        ] {
            let mut pending_refresh = PendingRefresh::new(now, not_before);
            (pending_refresh.ended, pending_refresh.refusal) = (ended, refusal.map(Box::new));
            let described = describe_last_refresh(&pending_refresh, not_before, now);
            assert_eq!(described, words);
        }
    }
}
