//! `hallpass cimd URL`

use hallpass::{Scopes, login::ClientMetadataDocument};
use url::Url;

use crate::{arguments::Cimd, exit::Failed, program::Program};

/// The loopback hosts that a login may be given.
const HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

pub(super) fn run(document: &Cimd, program: &Program) -> Result<(), Failed> {
    let url = Url::parse(&document.url).map_err(Failed::usage)?;
    if url.scheme() != "https" || url.path() == "/" || url.fragment().is_some() {
        return Err(Failed::usage(format!("`{url}` can't identify a client"))
            .hint("publish the document at an https URL with a path and without a fragment"));
    }
    if !document.callback_path.starts_with('/') {
        return Err(Failed::usage("the path of the callback begins with `/`"));
    }
    let scopes = match &document.scope {
        Some(text) => Scopes::parse(text).map_err(Failed::usage)?,
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
