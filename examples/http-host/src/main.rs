//! A host with a client of its own that takes the HTTP client of Hallpass alone, here with a
//! certificate authority of its own.

use std::error::Error;

use bytes::Bytes;
use hallpass_core::{HttpClient, ServerUrl, http::RequestOptions};
use hallpass_http::{CaBundle, Client, HttpConfig, Trust};
use hallpass_testkit::{AuthorizationServer, AuthorizationServerOptions, ListenOptions, TestCa};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authority = TestCa::new()?;
    let server = AuthorizationServer::start(AuthorizationServerOptions {
        listen: ListenOptions::new("as").over_tls(authority.server()?),
        ..AuthorizationServerOptions::default()
    })
    .await?;

    let client = |trust: Trust| Client::new(HttpConfig::default().with_trust(trust));
    // Metadata is for an MCP server, whose network it may name addresses of.
    let mcp: ServerUrl = "http://127.0.0.1:3000/mcp".parse()?;
    let document = format!("{}/.well-known/oauth-authorization-server", server.issuer());
    let request = || http::Request::get(&document).body(Bytes::new());

    let stranger = client(Trust::Platform)?;
    let stranger: &dyn HttpClient = &stranger;
    match stranger
        .fetch(request()?, RequestOptions::metadata(&mcp))
        .await
    {
        Ok(_) => return Err("a certificate of an unknown authority was taken".into()),
        Err(error) => println!("without the authority: {error}"),
    }
    let bundle = CaBundle::from_pem(authority.pem())?;
    let client = client(Trust::PlatformPlus(bundle))?;
    let client: &dyn HttpClient = &client;
    let answer = client
        .fetch(request()?, RequestOptions::metadata(&mcp))
        .await?;
    println!(
        "with it: {}, {} bytes",
        answer.status(),
        answer.body().len()
    );
    Ok(())
}
