//! mcp-remote's credentials of a server, taken over: only where a user said so.
//!
//! The client is kept for the next sign-in, and the refresh token is tried once, at once, the way of
//! every refresh. What [`hallpass::ImportedCredentials`] says of the why holds for this.

use std::{sync::Arc, time::Duration};

use hallpass::{
    CredentialKey, Diagnostic as _, Hallpass, Remedy,
    store::{CredentialStore, LockKind, Saved},
};
use serde_json::{Value, json};
use url::{Host, Url};

use super::mcp_remote_cache::CachedCredentials;
use crate::{
    exit::CommandError, program::Program, server_options::ServerOptions, settings, setup,
    store::Store,
};

/// How long to wait for another process that holds the account's lock.
const WAIT: Duration = Duration::from_secs(60);

/// Credentials that can be had for a server.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The server's name here.
    pub(super) name: String,
    pub(super) key: CredentialKey,
    pub(super) options: ServerOptions,
    pub(super) kept: CachedCredentials,
}

/// What became of them.
#[derive(Debug)]
pub(super) enum ImportOutcome {
    /// Signed in.
    SignedIn,
    /// The client is kept, and a sign-in is needed; why.
    ClientAlone(String),
    /// Both are kept, and the refresh token was not tried yet; why.
    Later(String),
    /// Nothing is kept; why.
    Skipped(String),
}

impl ImportOutcome {
    /// Whether the client is kept here now.
    pub(super) fn has_client(&self) -> bool {
        !matches!(self, Self::Skipped(_))
    }

    /// What became of them, for a script.
    pub(super) fn as_data(&self, offer: &Candidate) -> Value {
        let (outcome, why) = match self {
            Self::SignedIn => ("signed-in", None),
            Self::ClientAlone(why) => ("client-only", Some(why)),
            Self::Later(why) => ("not-tried", Some(why)),
            Self::Skipped(why) => ("skipped", Some(why)),
        };
        json!({
            "name": offer.name,
            "server": offer.key.server.to_string(),
            "outcome": outcome,
            "reason": why,
        })
    }

    /// The same in words.
    pub(super) fn describe(&self, offer: &Candidate) -> String {
        let name = &offer.name;
        match self {
            Self::SignedIn => format!("{name}: signed in with the credentials from mcp-remote"),
            Self::ClientAlone(why) => {
                format!("{name}: imported the client; {why}: `hallpass login {name}` signs in")
            }
            Self::Later(why) => {
                format!("{name}: imported, not tried yet: {why}")
            }
            Self::Skipped(why) => {
                format!("{name}: nothing imported: {why}; `hallpass login {name}` signs in")
            }
        }
    }
}

impl Candidate {
    /// The callback settings under which a login uses the client again, on the port that it was
    /// registered with.
    pub(super) fn callback(&self, options: &mut ServerOptions) {
        let uri = self.kept.read().ok().and_then(|kept| kept.redirect_uri());
        let Some(uri) = uri.and_then(|uri| Url::parse(&uri).ok()) else {
            return;
        };
        let host = match uri.host() {
            Some(Host::Ipv6(address)) => format!("[{address}]"),
            Some(host) => host.to_string(),
            None => return,
        };
        options.callback_host = Some(host);
        options.callback_path = Some(uri.path().to_owned());
    }

    /// What the settings of an entry that was there before lack for a later login to use the client
    /// again: nothing is changed in it.
    pub(super) fn lacks(&self) -> Option<String> {
        let mut fitting = self.options.clone();
        self.callback(&mut fitting);
        if fitting == self.options {
            return None;
        }
        let host = fitting.callback_host.unwrap_or_default();
        let path = fitting.callback_path.unwrap_or_default();
        Some(format!(
            "note: a later sign-in to `{}` uses mcp-remote's client again only with `callback-host = \
             \"{host}\"` and `callback-path = \"{path}\"`; without them it registers one of its own",
            self.name
        ))
    }

    /// Takes them over. Whatever is in the way is said, and nothing that is there is replaced.
    pub(super) async fn import_credentials(&self, program: &Program) -> ImportOutcome {
        match self.try_to(program).await {
            Ok(taken) => taken,
            Err(failed) => ImportOutcome::Skipped(describe(&failed)),
        }
    }

    async fn try_to(&self, program: &Program) -> Result<ImportOutcome, CommandError> {
        if self.options.have_token_source() {
            let why = "its tokens come from an external source, so no sign-in is needed";
            return Ok(ImportOutcome::Skipped(why.to_owned()));
        }
        let handover = self.kept.read().map_err(CommandError::usage)?;
        let store = Store::open_or_create(program).await?;
        if !store.keeps() {
            let why = "the store is in memory, and the refresh token is good for one use";
            return Ok(ImportOutcome::Skipped(why.to_owned()));
        }
        let store = store.port();
        let hallpass = self.hallpass(program, Arc::clone(&store))?;
        let here = || ImportOutcome::Skipped("credentials of this server exist already".to_owned());
        if !store.records(&self.key).await?.is_empty() {
            return Ok(here());
        }
        let record = hallpass.import_credentials(&handover).await;
        let record = record.map_err(|error| {
            let remedy = error.remedy();
            CommandError::with_remedy(error, remedy)
        })?;
        let mut guard = store.lock(&self.key, LockKind::Credential, WAIT).await?;
        if !store.records(&self.key).await?.is_empty() {
            return Ok(here());
        }
        let saved = store.save(&record, None, &mut guard).await?;
        guard.release().await?;
        if let Saved::Conflict { .. } = saved {
            return Ok(here());
        }
        if record.grant.is_none() {
            let why = "mcp-remote has no refresh token";
            return Ok(ImportOutcome::ClientAlone(why.to_owned()));
        }
        program.opened(&hallpass);
        Ok(match hallpass.session().token().await {
            Ok(_) => ImportOutcome::SignedIn,
            Err(error) if error.remedy() == Remedy::SignIn => {
                ImportOutcome::ClientAlone(format!("{} refuses the refresh token", record.issuer))
            }
            Err(error) => ImportOutcome::Later(describe(&error.into())),
        })
    }

    fn hallpass(
        &self,
        program: &Program,
        store: Arc<dyn CredentialStore>,
    ) -> Result<Hallpass, CommandError> {
        let settings = settings::settings(&self.options, &program.environment)?;
        let builder = setup::builder(self.key.clone(), &self.options, settings, store, program)?;
        builder.build().map_err(CommandError::usage)
    }
}

/// An error and its causes in one line.
fn describe(failed: &CommandError) -> String {
    let data = failed.to_json();
    let causes = data["causes"].as_array().into_iter().flatten();
    let all: Vec<&str> = [&data["message"]]
        .into_iter()
        .chain(causes)
        .filter_map(Value::as_str)
        .collect();
    all.join(": ")
}
