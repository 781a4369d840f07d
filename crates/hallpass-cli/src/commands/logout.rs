//! `hallpass logout URL`, or `--all`

mod all;

use clap::Args;
use hallpass::{SignOut, SignedOut, session::Revocation};
use serde_json::{Value, json};

use crate::{
    exit::CommandError,
    program::Program,
    server_options::{Server, ServerOptions},
    setup::{self, Options, Setup},
    text,
};

/// Sign out.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The MCP server's URL, or its name in the configuration file.
    #[arg(required_unless_present = "all")]
    pub(crate) url: Option<String>,

    /// The account on the server [default: the account of the configured server, or `default`].
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,

    /// Sign out of every account on every server. Errors are reported at the end.
    #[arg(long, conflicts_with_all = ["url", "account"])]
    pub(crate) all: bool,

    /// Do not ask for confirmation.
    #[arg(long, requires = "all")]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) how: How,

    #[command(flatten)]
    pub(crate) options: ServerOptions,
}

/// How thoroughly.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Also delete the client's registration, at the server and here.
    #[arg(long)]
    pub(crate) forget_client: bool,

    /// Do not contact the server: the tokens stay valid until they expire.
    #[arg(long)]
    pub(crate) local_only: bool,
}

pub(super) async fn run(logout: &Logout, program: &Program) -> Result<(), CommandError> {
    let Some(url) = &logout.url else {
        return all::run(logout, program).await;
    };
    // A name that nothing has is no matter of options.
    setup::key(program, url, logout.account.as_deref())?;
    let server = Server::new(url.clone(), logout.account.clone(), logout.options.clone());
    let (text, data) = sign_out(logout, &server, program).await?;
    program.output.result(&text, &data);
    Ok(())
}

/// Signs out of one account, and says what became of it.
async fn sign_out(
    logout: &Logout,
    server: &Server,
    program: &Program,
) -> Result<(String, Value), CommandError> {
    let setup = match Setup::new(program, server, Options::Saved, None).await {
        Ok(setup) => setup,
        Err(failed) => {
            // An option that is no longer valid does not prevent a sign-out.
            program.output.status(&format!(
                "note: signing out without the server's options\n{failed}"
            ));
            Setup::new(program, server, Options::None, None).await?
        }
    };
    let how = SignOut {
        forget_client: logout.how.forget_client,
        local_only: logout.how.local_only,
    };
    let done = setup
        .hallpass
        .logout(how)
        .await
        .map_err(CommandError::from)?;
    if logout.how.forget_client {
        setup.remembered.forget()?;
    }
    // What is remembered, also where it could not be used.
    let remembered = setup.remembered.load_or_default();
    if remembered.have_token_source() {
        let without = remembered.without_token_source();
        setup.remembered.save(&without)?;
        program
            .output
            .status("note: the source of its tokens is removed from the saved options; the tokens stay valid");
    }
    let key = setup.hallpass.key();
    let first = if done.had_grant {
        format!("signed out of {key}")
    } else {
        format!("{key} was not signed in")
    };
    let data = json!({
        "server": key.server.as_str(),
        "account": key.account.as_str(),
        "was_signed_in": done.had_grant,
        "refresh_token": as_data(&done.refresh_token),
        "access_token": as_data(&done.access_token),
        "registration": as_data(&done.registration),
    });
    let lines: Vec<String> = [first].into_iter().chain(lines(&done)).collect();
    Ok((lines.join("\n  "), data))
}

/// One line for each token, and one for a registration that was to be deleted (RFC 7592 §2.3).
pub(super) fn lines(done: &SignedOut) -> Vec<String> {
    let token = |revocation: &Revocation| match revocation {
        Revocation::Revoked => Some("revoked".to_owned()),
        Revocation::Unsupported => {
            Some("valid until it expires: the server can't revoke tokens".to_owned())
        }
        Revocation::Skipped => {
            Some("valid until it expires: the server was not contacted".to_owned())
        }
        Revocation::Failed(error) => {
            Some(format!("may still be valid: {}", text::with_causes(error)))
        }
        _ => None,
    };
    let registration = match &done.registration {
        Revocation::Revoked => Some("deleted".to_owned()),
        Revocation::Unsupported => {
            Some("deleted here, kept by the server: it can't delete registrations".to_owned())
        }
        Revocation::Skipped => {
            Some("deleted here, kept by the server: it was not contacted".to_owned())
        }
        Revocation::Failed(error) => Some(format!(
            "deleted here, the server may keep it: {}",
            text::with_causes(error)
        )),
        // A client that was registered by hand is known to the server as before.
        _ => done.forgot_client.then(|| "deleted here".to_owned()),
    };
    let lines = [
        ("refresh token", token(&done.refresh_token)),
        ("access token", token(&done.access_token)),
        ("client registration", registration),
    ];
    let lines = lines.into_iter();
    lines
        .filter_map(|(name, what)| Some(format!("{name}: {}", what?)))
        .collect()
}

fn as_data(revocation: &Revocation) -> Value {
    let (outcome, error) = match revocation {
        Revocation::Revoked => ("revoked", None),
        Revocation::Unsupported => ("unsupported", None),
        Revocation::Skipped => ("skipped", None),
        Revocation::Failed(error) => ("failed", Some(text::with_causes(error))),
        _ => ("none", None),
    };
    json!({ "outcome": outcome, "error": error })
}
