//! `hallpass logout URL`

use clap::Args;
use hallpass::{Revocation, SignOut, SignedOut};
use serde_json::json;

use crate::{
    arguments::Server,
    exit::Failed,
    program::Program,
    setup::{Options, Setup},
};

/// Sign out.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    #[command(flatten)]
    pub(crate) server: Server,

    /// Forget the client's registration too.
    #[arg(long)]
    pub(crate) forget_client: bool,

    /// Tell the server nothing: its tokens live to their end.
    #[arg(long)]
    pub(crate) local_only: bool,
}

pub(super) async fn run(logout: &Logout, program: &Program) -> Result<(), Failed> {
    let setup = match Setup::new(program, &logout.server, Options::Remembered, None).await {
        Ok(setup) => setup,
        Err(failed) => {
            // Nobody is kept signed in by an option that no longer means anything.
            program.output.say(&format!(
                "note: signing out without the server's options\n{failed}"
            ));
            Setup::new(program, &logout.server, Options::None, None).await?
        }
    };
    let how = SignOut {
        forget_client: logout.forget_client,
        local_only: logout.local_only,
    };
    let done = setup.hallpass.logout(how).await.map_err(Failed::from)?;
    if logout.forget_client {
        setup.remembered.forget()?;
    }
    if setup.options.have_token_source() && setup.remembered.exists() {
        setup
            .remembered
            .save(&setup.options.without_token_source())?;
        program
            .output
            .say("note: where its tokens came from is forgotten; they live on there");
    }
    let slot = setup.hallpass.slot();
    let words = in_words(&done);
    let data =
        json!({ "server": slot.server.as_str(), "had_grant": done.had_grant, "outcome": words });
    program
        .output
        .result(&format!("signed out of {slot}, {words}"), &data);
    Ok(())
}

/// What became of the tokens at the server.
pub(super) fn in_words(done: &SignedOut) -> String {
    let nobody = (!done.had_grant).then(|| "where nobody was signed in".to_owned());
    let of = |name: &str, revocation: &Revocation| match revocation {
        Revocation::Revoked => Some(format!("the {name} is revoked")),
        Revocation::Unsupported => Some(format!(
            "the {name} lives to its end: the server revokes none"
        )),
        Revocation::NotAsked => Some(format!("the {name} lives to its end: nobody was told")),
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
        Revocation::NotAsked => "stays with the server: nobody was told".to_owned(),
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
