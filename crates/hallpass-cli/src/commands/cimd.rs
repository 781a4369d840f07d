//! `hallpass cimd URL`

use clap::Args;
use hallpass::{Scopes, login::ClientMetadataDocument};
use url::Url;

use crate::{exit::CommandError, program::Program, server_options::port};

/// The loopback hosts that a login may be given.
const HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// Print the client metadata document.
#[derive(Debug, Args)]
pub(crate) struct Cimd {
    /// The `https` URL of the document, which is the client's identifier.
    pub(crate) url: String,

    /// The client name on the consent page.
    #[arg(long, value_name = "NAME", default_value = "Hallpass")]
    pub(crate) name: String,

    /// The scopes that the client may request, separated by spaces [default: not stated].
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scope: Option<String>,

    /// The path of the redirect URIs.
    #[arg(long, value_name = "PATH", default_value = "/callback")]
    pub(crate) callback_path: String,

    /// The port of the redirect URIs for servers that compare the port. Sign in there with the same
    /// `--callback-port`.
    #[arg(long, value_name = "PORT", default_value_t = 41_753, value_parser = port)]
    pub(crate) callback_port: u16,
}

pub(super) fn run(document: &Cimd, program: &Program) -> Result<(), CommandError> {
    let url = Url::parse(&document.url).map_err(CommandError::usage)?;
    if url.scheme() != "https" || url.path() == "/" || url.fragment().is_some() {
        return Err(
            CommandError::usage(format!("`{url}` can't be a client identifier"))
                .hint("publish the document at an https URL with a path and without a fragment"),
        );
    }
    if !document.callback_path.starts_with('/') {
        return Err(CommandError::usage(
            "the path of the callback begins with `/`",
        ));
    }
    let scopes = match &document.scope {
        Some(text) => Scopes::parse(text).map_err(CommandError::usage)?,
        None => Scopes::none(),
    };
    let (path, port) = (&document.callback_path, document.callback_port);
    // RFC 8252 §7.3: a loopback URI without a port stands for any; some servers compare it whole.
    let portless = HOSTS.map(|host| format!("http://{host}{path}"));
    let fixed = HOSTS.map(|host| format!("http://{host}:{port}{path}"));
    let json = ClientMetadataDocument {
        client_id: &url,
        client_name: &document.name,
        redirect_uris: &[portless, fixed].concat(),
        scopes: &scopes,
    }
    .to_json();
    program.output.result(&format!("{json:#}"), &json);
    Ok(())
}
