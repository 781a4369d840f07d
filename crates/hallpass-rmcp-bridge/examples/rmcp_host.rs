//! A host that keeps rmcp's own `AuthorizationManager`, with its credentials in sealed files and a
//! private certificate authority on each request.
//!
//! `cargo run -p hallpass-rmcp-bridge --example rmcp_host -- URL FOLDER [CA.pem]`

use std::{error::Error, path::Path, sync::Arc};

use hallpass_core::{CredentialKey, ServerUrl};
use hallpass_http::{CaBundle, Client, HttpConfig, Origin, Trust};
use hallpass_rmcp_bridge::Bridge;
use hallpass_store::{FileStore, KeyFile};
use rmcp::{
    ServiceExt,
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationManager, AuthorizationRequest, AuthorizationSession},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

/// Where the host's own listener would be.
const CALLBACK: &str = "http://127.0.0.1:8123/callback";

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, folder, authority @ ..] = arguments.as_slice() else {
        return Err("the arguments are the server's URL and a folder for credentials".into());
    };
    let server: ServerUrl = url.parse()?;
    let folder = Path::new(folder);

    let origin = Origin::from_url(server.url()).ok_or("the server's URL has no origin")?;
    let mut config = HttpConfig::default();
    if let [authority, ..] = authority {
        config.trust = Trust::PlatformPlus(CaBundle::from_pem(&std::fs::read(authority)?)?);
    }
    let http = Client::new(config)?;
    let store = Arc::new(FileStore::open(folder, KeyFile::in_folder(folder)).await?);
    let bridge = Bridge::new(
        CredentialKey::new(server.clone()),
        store,
        Arc::new(http.clone()),
    );

    // From here on it is rmcp's.
    let mut manager = bridge.manager().await?;
    if !manager.initialize_from_store().await? {
        manager = sign_in(manager).await?;
    }
    let client = AuthClient::new(http.reqwest_client_for(&origin)?, manager);
    let config = StreamableHttpClientTransportConfig::with_uri(server.as_str());
    let transport = StreamableHttpClientTransport::with_client(client, config);
    let service = ().serve(transport).await?;
    for tool in service.list_all_tools().await? {
        println!("{}", tool.name);
    }
    service.cancel().await?;
    bridge.close().await?;
    Ok(())
}

/// rmcp's sign-in. The user brings the callback's URL back by hand.
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn sign_in(
    mut manager: AuthorizationManager,
) -> Result<AuthorizationManager, Box<dyn Error>> {
    let found = manager.resolve_metadata().await?;
    manager.set_metadata(found.metadata);
    let request = AuthorizationRequest::new(CALLBACK);
    let session = AuthorizationSession::new(manager, request).await;
    let session = session.map_err(|(_, error)| error)?;
    println!("sign in at {}", session.get_authorization_url());
    println!("and paste the address that the browser ends at:");
    let mut callback = String::new();
    std::io::stdin().read_line(&mut callback)?;
    session.handle_callback_url(callback.trim()).await?;
    Ok(session.auth_manager)
}
