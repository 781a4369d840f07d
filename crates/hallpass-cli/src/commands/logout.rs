//! `hallpass logout URL`, or `--all`

mod all;

use clap::Args;
use hallpass::{Revocation, SignOut, SignedOut};
use serde_json::{Value, json};

use crate::{
    exit::CommandError,
    program::Program,
    server_options::{Server, ServerOptions},
    setup::{Options, Setup},
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
    let server = Server::of(url.clone(), logout.account.clone(), logout.options.clone());
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
            // Nobody is kept signed in by an option that no longer means anything.
            program.output.say(&format!(
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
    let remembered = setup.remembered.load().unwrap_or_default();
    if remembered.have_token_source() {
        let without = remembered.without_token_source();
        setup.remembered.save(&without)?;
        program
            .output
            .say("note: where its tokens came from is forgotten; they live on there");
    }
    let key = setup.hallpass.key();
    let words = in_words(&done);
    let data = json!({
        "server": key.server.as_str(),
        "account": key.account.as_str(),
        "had_grant": done.had_grant,
        "outcome": words,
    });
    Ok((format!("signed out of {key}, {words}"), data))
}

/// What became of the tokens at the server.
pub(super) fn in_words(done: &SignedOut) -> String {
    let nobody = (!done.had_grant).then(|| "where nobody was signed in".to_owned());
    let of = |name: &str, revocation: &Revocation| match revocation {
        Revocation::Revoked => Some(format!("the {name} is revoked")),
        Revocation::Unsupported => Some(format!(
            "the {name} lives to its end: the server revokes none"
        )),
        Revocation::Skipped => Some(format!("the {name} lives to its end: nobody was told")),
        Revocation::Failed(error) => Some(format!("the {name} may live on: {error}")),
        _ => None,
    };
    let parts = [
        nobody,
        of("refresh token", &done.refresh_token),
        of("access token", &done.access_token),
        of_registration(done),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What became of a registration that was to be forgotten (RFC 7592 §2.3).
fn of_registration(done: &SignedOut) -> Option<String> {
    let at_the_server = match &done.registration {
        Revocation::Revoked => "is deleted".to_owned(),
        Revocation::Unsupported => "stays with the server: it deletes none".to_owned(),
        Revocation::Skipped => "stays with the server: nobody was told".to_owned(),
        Revocation::Failed(error) => format!("may stay with the server: {error}"),
        // The client was not registered by the program, and stays whoever's it is.
        _ => {
            return done
                .forgot_client
                .then(|| "the client is forgotten here".to_owned());
        }
    };
    Some(format!("the client's registration {at_the_server}"))
}
