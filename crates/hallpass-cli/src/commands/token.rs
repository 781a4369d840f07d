//! `hallpass token URL`

use clap::Args;
use serde_json::json;

use crate::{
    bearer::{Bearer, ForRequest},
    exit::CommandError,
    program::Program,
    server_options::Server,
};

/// Print a token.
#[derive(Debug, Args)]
// Elsewhere `--header` adds one to the requests.
#[command(mut_arg("header", |argument| argument.long("server-header")))]
pub(crate) struct Token {
    #[command(flatten)]
    pub(crate) server: Server,

    /// Print the request header (`Authorization: …`), in the form that `curl --header @-` reads.
    #[arg(long = "header")]
    pub(crate) as_header: bool,

    #[command(flatten)]
    pub(crate) request: ForRequest,
}

pub(super) async fn run(command: &Token, program: &Program) -> Result<(), CommandError> {
    let bearer = Bearer::fresh(program, &command.server, &command.request).await?;
    let secret = bearer.secret();
    let mut headers = vec![("Authorization", &bearer.authorization)];
    headers.extend(bearer.proof.as_ref().map(|proof| ("DPoP", proof)));
    // A token with a proof is of no use without it.
    let text = if command.as_header || bearer.proof.is_some() {
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"));
        lines.collect::<Vec<_>>().join("\n")
    } else {
        secret.to_owned()
    };
    let data = json!({
        "access_token": secret,
        "token_type": bearer.token.scheme().as_str(),
        "expires_at": bearer.token.expires_at().map(hallpass::Timestamp::as_unix_seconds),
        "headers": headers.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    });
    program.output.result(&text, &data);
    Ok(())
}
